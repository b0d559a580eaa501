"""The Statuspage channel: one entry an incident on a public page, in the plan's own words alone."""

from __future__ import annotations

import logging
import re
from datetime import datetime
from typing import Any

from shared.adapters.channels.current_secret import with_current_secret
from shared.adapters.channels.downstream import by_loudness, secret_of
from shared.adapters.channels.http_post import HttpPost
from shared.adapters.channels.statuspage_entries import ENTRY_ID, GONE, Entries, Listed
from shared.adapters.channels.wording import one_line, own_words, shortened
from shared.domain.delivery import Kind, Message
from shared.domain.errors import DeliveryFailed
from shared.domain.plan import Channel as ChannelSpec
from shared.ports import Accepted, Secrets

log = logging.getLogger(__name__)

NEWS: frozenset[Kind] = frozenset({"escalation", "manual", "inform", "update", "cleared", "resolved"})
"""Kinds that say something of the incident; the others are for people who work on it."""
PHASES = ("investigating", "identified", "monitoring", "resolved")
IMPACTS = "critical,major,minor"
COMPONENT = {"critical": "major_outage", "major": "partial_outage", "minor": "degraded_performance"}
NAME_LIMIT, BODY_LIMIT = 200, 16_000
FOR_MAKING = 12.0
"""Seconds that must be left for an entry to be made; else the next try makes it."""
_TAG = re.compile("<(?=[A-Za-z/!?])")


class StatuspageChannel:
    """Keeps the entries of the page ``options["page"]`` with the API key that ``spec.secret`` names."""

    kind = "statuspage"

    def __init__(self, http: HttpPost) -> None:
        self._http = http

    def send(
        self,
        message: Message,
        spec: ChannelSpec,
        to: str | None,
        idempotency_key: str,
        secrets: Secrets,
        now: datetime,
    ) -> Accepted:
        """Make the incident's entry, or go on with the one that is there; anew where it has been deleted.

        Raises DeliveryFailed or SecretUnavailable.
        """
        _refuse_what_is_not_for_the_public(message)
        secret, components = secret_of(spec, "its API key"), _components(spec, to)
        page, stated = _page(spec), entry(message, spec.options.get("impact"), components)
        mark = {"incident": message.incident, "components": ",".join(components)}
        known = message.first_id if message.first_id and ENTRY_ID.fullmatch(message.first_id) else None

        def attempt(key: str) -> Accepted:
            entries = Entries(self._http, spec, page, key, idempotency_key, mark, now)
            return _told(entries, known, stated, _name(message))

        return with_current_secret(secrets, secret, attempt)


def _told(entries: Entries, known: str | None, stated: dict[str, Any], name: str) -> Accepted:
    """By the entry on record, else by one that a lost answer or another send has left, else by a new one."""
    accepted = _gone_on(entries, known, stated) if known is not None else None
    if accepted is None:
        listed = entries.listed()
        if listed:
            accepted = _brought_up(entries, listed[0], stated)
        else:
            accepted = _made(entries, {"name": name} | stated)
    if stated["status"] == "resolved":
        _tidy(entries, accepted.provider_id)
    return accepted


def _gone_on(entries: Entries, known: str, stated: dict[str, Any]) -> Accepted | None:
    try:
        return entries.changed(known, stated)
    except DeliveryFailed as failure:
        if failure.status not in GONE:
            raise
    return None


def _brought_up(entries: Entries, there: Listed, stated: dict[str, Any]) -> Accepted:
    """Tell the news by an entry that was found, unless it tells later ones already."""
    if there.as_of > entries.as_of:
        return Accepted(200, there.id)
    accepted = _gone_on(entries, there.id, stated)
    if accepted is None:
        raise DeliveryFailed("its entry was deleted a moment ago", permanent=False)
    return accepted


def _made(entries: Entries, stated: dict[str, Any]) -> Accepted:
    """A new entry; where two sends made theirs at the same time, the one with the later news stays.

    Both see that alike, whoever looks first, for the entries themselves say as of when they are.
    """
    if entries.left < FOR_MAKING:
        raise DeliveryFailed("that it has no entry took long to find out", permanent=False)
    made = entries.made(stated)
    news = {key: value for key, value in stated.items() if key != "name"}
    try:
        listed = entries.listed(aside=True)
        is_listed = any(each.id == made.provider_id for each in listed)
        is_gone = bool(listed) and not is_listed and not entries.has(made.provider_id)
        if is_listed and listed[0].id != made.provider_id:
            made = _brought_up(entries, listed[0], news)
    except DeliveryFailed as failure:
        log.warning("whether a page has two entries of one incident is not known: %s", failure)
        return made
    if is_gone:  # the other send has seen both, and taken ours off before it was looked for
        return _brought_up(entries, listed[0], news)
    for each in listed[1:] if is_listed else ():
        entries.delete(each.id)
    return made


def _tidy(entries: Entries, kept: str | None) -> None:
    """With the end: an entry beside the one that says so would stay open for ever."""
    if kept is None:
        return
    try:
        for each in entries.listed(aside=True):
            if each.id != kept and not each.over:
                entries.delete(each.id)
    except DeliveryFailed as failure:
        log.warning("whether a page has another entry of the incident is not known: %s", failure)


def entry(message: Message, impacts: str | None, components: tuple[str, ...]) -> dict[str, Any]:
    """An entry's news: where the response stands, in the plan's words, and what components do meanwhile."""
    phase, impact = _phase(message), by_loudness(impacts, IMPACTS, message.loudness)
    over = phase == "resolved"
    state = "operational" if over else COMPONENT.get(impact)
    stated: dict[str, Any] = {"status": phase, "body": shortened(_untagged(own_words(message)), BODY_LIMIT)}
    if not over:
        stated["impact_override"] = impact
    if components and state:
        stated |= {"component_ids": list(components), "components": dict.fromkeys(components, state)}
    return stated


def _refuse_what_is_not_for_the_public(message: Message) -> None:
    if message.drill is not None:
        raise DeliveryFailed("a drill is not for the public", permanent=True)
    if not message.in_own_words or not own_words(message):
        raise DeliveryFailed("a public channel takes the words of a template alone", permanent=True)
    if message.kind not in NEWS:
        raise DeliveryFailed(
            f"a notification of kind {message.kind} is no news for the public", permanent=True
        )


def _phase(message: Message) -> str:
    if message.kind == "resolved" and message.status == "resolved":
        return "resolved"
    return message.phase if message.phase in PHASES else PHASES[0]


def _name(message: Message) -> str:
    """The plan's subject, else the first line of its words."""
    own = one_line(message.words.subject) if message.words else ""
    return shortened(_untagged(own or own_words(message).split("\n", 1)[0]), NAME_LIMIT)


def _untagged(text: str) -> str:
    """Statuspage renders HTML: what looks like a tag is broken, and reads the same."""
    return _TAG.sub("<\u200b", text)


def _page(spec: ChannelSpec) -> str:
    page = spec.options.get("page", "")
    if not ENTRY_ID.fullmatch(page):
        raise DeliveryFailed(f'channel "{spec.name}" names no page', permanent=True)
    return page


def _components(spec: ChannelSpec, to: str | None) -> tuple[str, ...]:
    named = tuple(each.strip() for each in (to or "").split(",") if each.strip())
    if not all(ENTRY_ID.fullmatch(each) for each in named):
        raise DeliveryFailed(f'an address on channel "{spec.name}" is no list of components', permanent=True)
    return named
