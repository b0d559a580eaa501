"""How contacts are reached: channels that stand in for others, addresses that each of them takes, something
for everything, and who is who. Looks at files of any shape."""

from __future__ import annotations

from collections.abc import Iterator

from shared.adapters.channel_forms import FORMS, ChannelKind, stand_in
from shared.adapters.plan_tree import each, mappings
from shared.adapters.plan_values import quoted
from shared.adapters.plan_yaml import Flaw, Loc
from shared.domain.ways import MOST_PROVIDERS

_CONDITIONS = ("severities", "kinds", "only")
_SAME_PEOPLE = {"slack": "slack", "teams": "entra", "entra": "entra"}
"""Teams knows people by their object id at Entra."""


def kind_of(channel: object) -> ChannelKind | None:
    """The kind of a channel as stated, or None where there is none of that name."""
    stated = channel.get("kind") if isinstance(channel, dict) else None
    return next((kind for kind in FORMS if kind == stated), None)


def public_channels(plan: object) -> set[str]:
    """The channels that show the world what they are given."""
    return {str(loc[-1]) for loc, channel in mappings(plan, "channels", "*") if _is_public(channel)}


def check_stand_ins(plan: object) -> Iterator[Flaw]:
    """Every flaw in which channel stands in for which."""
    channels = _channels(plan)
    for name, channel in channels.items():
        if "fallback" not in channel:
            continue
        loc: Loc = ("channels", name, "fallback")
        other = channels.get(str(channel["fallback"]))
        why = _misfit(channel, other) if other is not None else None
        why = _endless(channels, name) or why
        if why:
            yield Flaw(loc, why)


def check_addresses(plan: object) -> Iterator[Flaw]:
    """Every address that a channel, or one that stands in for it, cannot take."""
    channels = _channels(plan)
    for loc, reach in mappings(plan, "contacts", "*", "reach", "*"):
        for nth, name in enumerate(_chain(channels, str(reach.get("channel")))[:MOST_PROVIDERS]):
            why = _address(kind_of(channels.get(name)), reach.get("to"))
            if why:
                yield Flaw((*loc, "to"), f"{why} (for {quoted(name)}, which stands in)" if nth else why)
                break


def check_people(plan: object) -> Iterator[Flaw]:
    """A flaw for who would be left without any way at times, and for who is two contacts at once."""
    for loc, contact in mappings(plan, "contacts", "*"):
        ways = [way for _, way in each(contact, "reach", "*")]
        if ways and all(isinstance(way, dict) and any(key in way for key in _CONDITIONS) for way in ways):
            yield Flaw((*loc, "reach"), "has a condition on every way; add one without, for everything else")
    taken: dict[tuple[str, str], str] = {}
    for key, space in _SAME_PEOPLE.items():
        for loc, identity in each(plan, "contacts", "*", "identities", key):
            if not isinstance(identity, str):
                continue
            name = str(loc[1])
            other = taken.setdefault((space, identity.lower()), name)
            if other != name:
                yield Flaw(loc, f"is the identity of {quoted(other)} as well; nobody can be two contacts")


def _channels(plan: object) -> dict[str, dict[str, object]]:
    return {str(loc[-1]): channel for loc, channel in mappings(plan, "channels", "*")}


def _misfit(channel: dict[str, object], other: dict[str, object]) -> str | None:
    kind, its = kind_of(channel), kind_of(other)
    if kind is None or its is None:
        return None
    if its not in stand_in(kind):
        able = " or ".join(", ".join(stand_in(kind)).rsplit(", ", 1))
        return f"is of kind {its}, which takes other addresses than {kind}; name a channel of kind {able}"
    if _is_public(channel) != _is_public(other):
        return "must be public as well" if _is_public(channel) else "is public, and this channel is not"
    return None


def _is_public(channel: dict[str, object]) -> bool:
    kind = kind_of(channel)
    stated = next((str(flag) for _, flag in each(channel, "options", "public")), "false")
    return stated == "true" or (kind is not None and FORMS[kind].public)


def _endless(channels: dict[str, dict[str, object]], name: str) -> str | None:
    if channels[name]["fallback"] == name:
        return "is the channel itself; name another"
    chain = _chain(channels, name)
    if channels[chain[-1]].get("fallback") in chain:
        return "leads back to a channel before it"
    return (
        f"makes {len(chain)} channels in a row; at most {MOST_PROVIDERS}"
        if len(chain) > MOST_PROVIDERS
        else None
    )


def _chain(channels: dict[str, dict[str, object]], name: str) -> list[str]:
    """The channel and those that stand in for it, in order, each once."""
    chain: list[str] = []
    while name in channels and name not in chain:
        chain.append(name)
        name = str(channels[name].get("fallback"))
    return chain


def _address(kind: ChannelKind | None, to: object) -> str | None:
    if kind is None:
        return None
    looks = FORMS[kind].to
    if looks is None:
        return None if to is None else f"means nothing: {kind} takes no address"
    return looks.flaw(to)
