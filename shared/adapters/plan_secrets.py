"""Which secrets the plans name and where, and which of their names cannot be told apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields

from shared.adapters.app_setting_secrets import PREVIOUS, setting_of
from shared.domain.doors import Chat
from shared.domain.plan import Calendar, Channel, Plan, SourceTrust

Uses = Mapping[str, Mapping[str, Sequence[str]]]
"""Secret -> plan -> where it is named there: ``channel ops (secret)``; all in order."""


def named_secrets(plans: Iterable[Plan]) -> Uses:
    """Every secret that the plans name."""
    found: dict[str, dict[str, list[str]]] = {}
    for plan in plans:
        for secret, where in _named_in(plan):
            found.setdefault(secret, {}).setdefault(plan.name, []).append(where)
    return {secret: found[secret] for secret in sorted(found)}


def plans_naming(plans: Iterable[Plan]) -> dict[str, tuple[str, ...]]:
    """Every secret that the plans name -> the plans that do, in order."""
    return {secret: tuple(uses) for secret, uses in named_secrets(plans).items()}


def collisions(names: Iterable[str]) -> list[str]:
    """Names that differ and mean one app setting, in words; a vault does not tell capitals apart either."""
    by_setting: dict[str, list[str]] = {}
    for name in sorted(names):
        by_setting.setdefault(setting_of(name), []).append(name)
    told = [
        f"{' and '.join(same)} are one app setting, {setting}"
        for setting, same in by_setting.items()
        if len(same) > 1
    ]
    for setting, same in by_setting.items():
        if (holder := setting.removesuffix(PREVIOUS)) != setting and holder in by_setting:
            told.append(f"{same[0]} is the app setting for the value before of {by_setting[holder][0]}")
    return told


def _named_in(plan: Plan) -> Iterator[tuple[str, str]]:
    for channel in plan.directory.channels.values():
        yield from _in_parts(channel, f"channel {channel.name}")
        for option, value in channel.options.items():
            if _names_secret(option):
                yield value, f"channel {channel.name} ({option})"
    for source, trust in plan.sources.items():
        yield from _in_parts(trust, f"source {source}")
    for contact in plan.directory.contacts.values():
        if contact.calendar is not None:
            yield from _in_parts(contact.calendar, f"calendar of {contact.name}")
    yield from _in_parts(plan.chat, "chat")


def _in_parts(part: Calendar | Channel | Chat | SourceTrust, where: str) -> Iterator[tuple[str, str]]:
    for field in fields(part):
        value = getattr(part, field.name)
        if _names_secret(field.name) and isinstance(value, str):
            yield value, f"{where} ({field.name})"


def _names_secret(field: str) -> bool:
    return field == "secret" or field.endswith("_secret")
