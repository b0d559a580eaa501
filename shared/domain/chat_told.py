"""What chat says about incidents, rotations and runbooks: plain texts, which each chat renders."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from shared.domain.briefing import span_in_words
from shared.domain.chat_call import Answer
from shared.domain.chat_words import NOTE, VERBS, Verb
from shared.domain.hours import in_local_words
from shared.domain.incident import Incident
from shared.domain.oncall import OnCall, Rotation
from shared.domain.plan import Directory, Rules
from shared.domain.runbook import Runbook
from shared.domain.sla import Clock

MOST_LINES = 20
"""Lines of a list; how many more there are is said."""
LONGEST_IN_A_LINE = 120


def help_about(verb: Verb | None, slash: str) -> Answer:
    """One command, or all; ``slash`` is what commands begin with in that chat."""
    if verb is not None:
        return Answer(f"{slash}{verb.line}", (f"For example: {slash}{verb.example}",))
    return Answer("What can be said", ("\n".join(f"{slash}{each.line}" for each in VERBS), NOTE))


def heading(incident: Incident) -> str:
    """``INC-8Q2XABCD-1 [P1] Checkout is slow``."""
    drill = "[DRILL] " if incident.drill else ""
    return f"{drill}{incident.id} [{incident.severity}] {incident.title or incident.name}"


def line(incident: Incident, now: datetime, *, plan: bool = False) -> str:
    """One incident of a list; ``plan`` says whose it is as well."""
    head = heading(incident)
    cut = head if len(head) <= LONGEST_IN_A_LINE else f"{head[:LONGEST_IN_A_LINE]}…"
    where = f"{incident.plan}, {incident.service}" if plan else incident.service
    return f"{cut} – {incident.status}, {where}, since {span_in_words(now - incident.opened_at)}"


def incidents(found: Sequence[Incident], title: str, now: datetime, *, plan: bool = False) -> Answer:
    """A list, as many lines as it takes up to `MOST_LINES`."""
    lines = [line(each, now, plan=plan) for each in found[:MOST_LINES]]
    if len(found) > MOST_LINES:
        lines.append(f"… and {len(found) - MOST_LINES} more; name a severity or a service to see fewer.")
    return Answer(title, ("\n".join(lines),) if lines else ())


def standing(
    incident: Incident,
    rules: Rules,
    names: Mapping[str, str],
    runbook: str | None,
    now: datetime,
) -> tuple[str, ...]:
    """How one incident stands: status and service, clocks, who has which part, what is owed."""

    def at(instant: datetime | None) -> str:
        return in_local_words(instant, rules.timezone) if instant else "–"

    age = span_in_words((incident.resolved_at or now) - incident.opened_at)
    lines = [
        f"{incident.status.capitalize()}, {incident.service}; plan {incident.plan}",
        f"Opened {at(incident.opened_at)}, {age}; {_alerts(incident)}",
    ]
    if incident.status == "acknowledged":
        expires = incident.acknowledgement_expires
        until = f", until {at(expires)}" if expires else ""
        lines.append(f"{names.get(incident.acknowledged_by or '', 'Somebody')} has it{until}")
    if incident.status == "resolved":
        by = names.get(incident.resolved_by or "") or _by_itself(incident.resolved_by or "")
        code = f", code {incident.code}" if incident.code else ""
        lines.append(f"Resolved {at(incident.resolved_at)} by {by}{code}")
    clocks = [
        f"{name}: {_clock(clock, rules.timezone)}"
        for name, clock in (("Respond", incident.respond), ("Resolve", incident.resolve))
        if clock.due or clock.stopped_at
    ]
    roles = [f"{role}: {contact}" for role, contact in incident.roles.items()]
    owed = [f"Next {each.audience} update due {at(each.due)}" for each in incident.updates]
    said = [f"Latest status update: {incident.progress}"] if incident.progress else []
    book = [f"Runbook: {runbook}"] if runbook else []
    found = [
        "\n".join(lines),
        "\n".join([*clocks, *roles, *said, *(owed if not incident.over else []), *book]),
    ]
    return tuple(each for each in (*found, incident.summary) if each.strip())


def on_call(
    rotation: Rotation, now: OnCall, until: datetime, following: str | None, directory: Directory
) -> str:
    """``First line (sre): Ana Lopez (ana) until 2026-11-25 09:00 UTC, then ben``."""

    def known(name: str) -> str:
        contact = directory.contacts.get(name)
        return f"{contact.title} ({name})" if contact is not None and contact.title else name

    title = f"{rotation.title} ({rotation.name})" if rotation.title else rotation.name
    if now.contact is None:
        return f"{title}: nobody"
    stands_in = "" if now.covered else " (stands in: nobody is on call)"
    after = f", then {known(following)}" if following else ""
    return f"{title}: {known(now.contact)}{stands_in} until {in_local_words(until, rotation.timezone)}{after}"


def runbooks(found: Iterable[tuple[str, Runbook]]) -> str:
    """Plan and runbook, a line each."""
    return "\n".join(
        f"{book.name} – {book.title}{' (still to be written)' if book.skeleton else ''}"
        for _, book in sorted(found, key=lambda each: (each[0], each[1].name))
    )


def consulted(book: Runbook, links: tuple[tuple[str, str], ...]) -> Answer:
    """A runbook, part by part."""
    parts = tuple(f"{part.name}\n{part.text.strip()}" for part in book.parts) or (book.text.strip(),)
    todo = ("Its steps are still to be written by those who run the service.",) if book.skeleton else ()
    return Answer(f"{book.title} ({book.name})", (*todo, *parts), links)


def _by_itself(actor: str) -> str:
    return "its alerts" if actor.startswith("source:") else "Tocsin"


def _alerts(incident: Incident) -> str:
    if not incident.alert_count:
        return "declared by hand"
    alerts = "1 alert" if incident.alert_count == 1 else f"{incident.alert_count} alerts"
    return f"{alerts} heard, {incident.firing} firing"


def _clock(clock: Clock, timezone: str) -> str:
    if clock.breached:
        return "breached"
    if clock.stopped_at:
        return f"met {in_local_words(clock.stopped_at, timezone)}"
    return f"due {in_local_words(clock.due, timezone)}" if clock.due else "–"
