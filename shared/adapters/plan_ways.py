"""How people are reached and sources prove themselves: every channel complete, every secret named and none
written out. Looks at files of any shape, so that everything is told at once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from shared.adapters.channel_forms import FORMS, ChannelKind
from shared.adapters.plan_reach import check_addresses, check_stand_ins, kind_of
from shared.adapters.plan_tree import leaves, mappings
from shared.adapters.plan_values import did_you_mean, quoted
from shared.adapters.plan_yaml import Flaw

NAME_IT = "looks like a secret: name it, never write it"
_SECRET_WRITTEN = re.compile(
    r"hooks\.slack(-gov)?\.com|webhook\.office(365)?\.com|outlook\.office(365)?\.com/webhook"
    r"|[?&](sig|code|key|token|secret|password|api[_-]?key|access[_-]?token)="
    r"|^(xox[a-z]|xapp|gh[pousr]|github_pat|glpat|sk_live|rk_live)[-_]"
    r"|/private-[0-9a-f]{8,}|/[0-9a-f]{32}@[^/]+/[0-9a-f]{32,}/"
    r"|\bAKIA[0-9A-Z]{16}\b|(Account|(Shared)?Access)Key=|-----BEGIN|://[^/\s:@]*:[^/\s@]+@",
    re.IGNORECASE,
)
_SECRET_NOT_NAMED = re.compile(r"[A-Za-z0-9]{32,}|[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_LOCAL = re.compile(r"http://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]+)?(/|$)")


def check_ways(plan: object, known_sources: Mapping[str, bool] | None) -> Iterator[Flaw]:
    """Every flaw in secrets, channels, addresses and sources.

    ``known_sources`` says of each source whether it can sign its bodies; None: nobody knows.
    """
    yield from _secrets(plan)
    yield from _ways(plan)
    yield from _trust(plan, known_sources)


def _secrets(plan: object) -> Iterator[Flaw]:
    for loc, text in leaves(plan):
        key = str(loc[-1]) if loc else ""
        names_one = key == "secret" or key.endswith("_secret")
        if _SECRET_WRITTEN.search(text) or (names_one and _SECRET_NOT_NAMED.fullmatch(text)):
            yield Flaw(loc, NAME_IT)
        elif "options" in loc[:-1] and names_one and not re.fullmatch("[A-Za-z][A-Za-z0-9-]{0,126}", text):
            yield Flaw(loc, "must be the name of a secret: name it, never write it")


def _ways(plan: object) -> Iterator[Flaw]:
    for loc, channel in mappings(plan, "channels", "*"):
        kind, options = kind_of(channel), channel.get("options", {})
        if kind is not None and isinstance(options, dict):
            yield from (Flaw((*loc, key), why) for key, why in _channel(kind, channel, options))
            yield from (Flaw((*loc, "options", key), why) for key, why in _options(kind, options))
    yield from check_stand_ins(plan)
    yield from check_addresses(plan)


def _channel(
    kind: ChannelKind, channel: dict[str, object], options: dict[str, object]
) -> Iterator[tuple[str, str]]:
    form, url = FORMS[kind], channel.get("url")
    if form.secret and "secret" not in channel:
        yield "secret", f"is missing: {kind} needs the name of the secret that holds {form.secret}"
    if form.url == "secret" and url is not None:
        yield "url", f"{kind} takes none: the address is in the secret; name it, never write it"
    elif form.url == "none" and url is not None:
        yield "url", f"{kind} takes none"
    elif form.url == "either" and (url is None) != ("url_secret" in options):
        yield (
            "url",
            "is missing" if url is None else "stands beside options.url_secret; only one of them can be",
        )
    elif isinstance(url, str) and not (url.startswith("https://") or _LOCAL.match(url)):
        yield "url", "must begin with https://"


def _options(kind: ChannelKind, options: dict[str, object]) -> Iterator[tuple[str, str]]:
    known = FORMS[kind].options
    for option in options:
        if option not in known:
            yield option, f"{kind} has no such option{did_you_mean(option, known)}"
    for option, looks in known.items():
        why = looks.flaw(options.get(option))
        if why:
            yield option, why
    if "auth_token_secret" in options and "key" not in options:
        yield "auth_token_secret", "means nothing without key: the secret is the auth token itself"


def _trust(plan: object, known_sources: Mapping[str, bool] | None) -> Iterator[Flaw]:
    for loc, trust in mappings(plan, "sources", "*"):
        name = str(loc[-1])
        if known_sources is not None and name not in known_sources:
            yield Flaw(loc, f"there is no source {quoted(name)}{did_you_mean(name, known_sources)}")
        elif known_sources is not None and "hmac_secret" in trust and not known_sources[name]:
            yield Flaw((*loc, "hmac_secret"), f"{name} does not sign its bodies; use bearer_secret")
        for key in ("signature_header", "timestamp_header"):
            if key in trust and "hmac_secret" not in trust:
                yield Flaw((*loc, key), "means nothing without hmac_secret")
