"""What people do to an incident, here or in the module of the command's noun. Each command first acts on what
had lapsed before it, so that the outcome does not depend on when a timer happened to run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from shared.domain import opening
from shared.domain.answering import Through
from shared.domain.cadence import PostUpdate, post_update
from shared.domain.change import Change, Draft
from shared.domain.checklist import Tick, check_closing, tick
from shared.domain.deadlines import span_after
from shared.domain.errors import Fault, InvalidInput, NotFound, Refused
from shared.domain.escalation import fire_lapsed
from shared.domain.incident import OUTSIDE, Head, Incident, Ladder
from shared.domain.ladder import paused
from shared.domain.matrix import Audience
from shared.domain.opening import closing_rows
from shared.domain.plan import Directory, Rules
from shared.domain.review import ChangeItem, WriteReview, change_item, write
from shared.domain.roles import HandOver, hand_over
from shared.domain.severity import SetSeverity, set_severity
from shared.domain.telling import Telling
from shared.domain.timeline import Event, Text, stamp_or_none

NoteKind = Literal["note", "action-taken", "cause", "mitigation", "impact", "assistance-needed"]
COMMANDS_KEPT = 16


@dataclass(frozen=True)
class Acknowledge:
    """I have it."""

    unless_held: bool = False
    """Only where nobody has it yet: otherwise it changes nothing."""


@dataclass(frozen=True)
class Note:
    """Something worth keeping."""

    kind: NoteKind
    text: Text
    audience: Audience = "internal"
    """``external``: messages for outside may repeat it as well."""


@dataclass(frozen=True)
class Escalate:
    """Tell ``to`` now, or fire the ladder's next step where nobody is named."""

    to: str | None = None
    reason: Text | None = None


@dataclass(frozen=True)
class Resolve:
    """It is over, in words and with a code."""

    resolution: Text | None = None
    code: str | None = None
    audience: Audience = "internal"
    """``external``: messages for outside may repeat the resolution as well."""


@dataclass(frozen=True)
class Reopen:
    """It was not over."""

    reason: Text | None = None


Command = (
    Acknowledge
    | Note
    | Escalate
    | Resolve
    | Reopen
    | PostUpdate
    | HandOver
    | SetSeverity
    | Tick
    | WriteReview
    | ChangeItem
)


def respond(
    incident: Incident,
    command: Command,
    rules: Rules,
    directory: Directory,
    actor: str,
    key: str | None,
    now: datetime,
    through: Through | None = None,
) -> Change | None:
    """Apply a person's command; None where ``key`` says that it was applied before.

    ``through`` says that it came by answering a notification or from chat.

    A change that is not complete has only caught up with what had lapsed: the command is asked again on top.
    Raises Refused where the state forbids it, InvalidInput with what the command names or lacks wrongly,
    NotFound where the incident never was declared.
    """
    if key is not None and key in incident.commands:
        return None
    if incident.hidden:
        raise NotFound(f"there is no incident {incident.id}")
    draft = Draft(incident, incident, rules, directory, now)
    draft.keep_waiting()
    fire_lapsed(draft, now, inclusive=False)
    if not draft.complete or (draft.events and draft.room < closing_rows(draft) + 3):
        draft.complete = False
        return draft.finish()
    if isinstance(command, Acknowledge) and command.unless_held and _is_held(draft.incident, now):
        return draft.finish() if draft.events else None
    if through is not None:
        data = {"contact": through.contact, "by": through.by, "delivery": through.delivery}
        draft.event("acted-on", actor, data | {"command": name_of(command)})
    _apply(draft, command, actor)
    draft.complete = True  # what it set in motion and has no room for here is due at once
    if key is not None:
        draft.set(commands=(*draft.incident.commands, key)[-COMMANDS_KEPT:])
    return draft.finish()


def name_of(command: Command) -> str:
    """The command's name in the API: ``acknowledge``, ``action-item``."""
    return _NAMES[type(command)]


_NAMES: dict[type[Command], str] = {
    Acknowledge: "acknowledge",
    Note: "note",
    Escalate: "escalate",
    Resolve: "resolve",
    Reopen: "reopen",
    PostUpdate: "status",
    HandOver: "role",
    SetSeverity: "severity",
    Tick: "checklist",
    WriteReview: "review",
    ChangeItem: "action-item",
}


def _apply(draft: Draft, command: Command, actor: str) -> None:
    match command:
        case Acknowledge():
            _acknowledge(draft, actor)
        case Note():
            _note(draft, command, actor)
        case Escalate(to, reason):
            _escalate(draft, actor, to, reason)
        case Resolve():
            _resolve(draft, command, actor)
        case Reopen(reason):
            _reopen(draft, actor, reason)
        case SetSeverity():
            _set_severity(draft, actor, command)
        case _:
            _see_through(draft, command, actor)


def _resolve(draft: Draft, command: Resolve, actor: str) -> None:
    _refuse_if_resolved(draft.incident)
    check_closing(draft.incident, draft.rules, command.resolution, command.code)
    seq = draft.incident.length + 1
    opening.resolve(draft, "person", actor, draft.now, command.code, command.resolution, draft.now)
    if command.resolution is not None and command.audience == "external":
        draft.say(f"resolution{OUTSIDE}", seq)


def _note(draft: Draft, note: Note, actor: str) -> None:
    event = draft.event("noted", actor, {"kind": note.kind, "audience": note.audience}, text=note.text)
    if note.kind == "note":
        return
    draft.say(note.kind, event.seq)
    if note.audience == "external":
        draft.say(f"{note.kind}{OUTSIDE}", event.seq)


def _see_through(draft: Draft, command: Command, actor: str) -> None:
    """What goes on beside the escalation."""
    match command:
        case PostUpdate():
            post_update(draft, actor, command)
        case HandOver():
            hand_over(draft, actor, command)
        case Tick():
            tick(draft, actor, command)
        case WriteReview():
            write(draft, actor, command)
        case ChangeItem():
            change_item(draft, actor, command)


def declare(
    incident: Incident,
    rules: Rules,
    directory: Directory,
    actor: str,
    title: Text,
    now: datetime,
) -> Change:
    """Open an incident by hand; ``incident`` carries what the person said."""
    draft = opening.open_incident(incident, rules, directory, actor, "declared", now, title, now)
    draft.head = Head(incident.group, next_n=incident.n + 1)
    fire_lapsed(draft, now, inclusive=True)
    return draft.finish()


def _acknowledge(draft: Draft, actor: str) -> None:
    incident, now = draft.incident, draft.now
    if incident.status == "resolved":
        draft.event("acknowledged-late", actor, {})
        return
    severity = draft.severity
    window = severity.acknowledgement_expires
    expires = span_after(now, window, draft.rules) if window is not None else None
    first = incident.respond.stopped_at is None
    draft.event("acknowledged", actor, {"first": first, "expires": stamp_or_none(expires)})
    draft.set(
        status="acknowledged",
        acknowledged_at=incident.acknowledged_at or now,
        acknowledged_by=actor,
        acknowledgement_expires=expires,
        respond=incident.respond.stopped(now),
    )
    if incident.ladder:
        draft.set(ladder=replace(paused(incident.ladder, severity), outgrown=False))


def _escalate(draft: Draft, actor: str, to: str | None, reason: Text | None) -> None:
    _refuse_if_resolved(draft.incident)
    if to is not None:
        _ask(draft, actor, to, reason)
        return
    ladder, severity = draft.incident.ladder, draft.severity
    if ladder is None or ladder.step >= len(severity.steps):
        raise Refused("the escalation has no step left; name a contact with `to`")
    step = severity.steps[ladder.step]
    data = {
        "to": list(step.notify),
        "round": ladder.round,
        "step": ladder.step + 1,
        "on_call": draft.on_call(step.notify),
    }
    draft.set(ladder=_climbed(ladder))
    why, rung = "a responder escalates to the next step", (ladder.round, ladder.step + 1)
    _call(
        draft,
        step.notify,
        draft.event("escalated-manually", actor, data, text=reason),
        why,
        step.template,
        rung,
    )


def _is_held(incident: Incident, now: datetime) -> bool:
    """Whether an acknowledgement stands, of this severity."""
    expires, ladder = incident.acknowledgement_expires, incident.ladder
    lapsed = expires is not None and now >= expires
    return incident.status == "acknowledged" and not lapsed and not (ladder and ladder.outgrown)


def _ask(draft: Draft, actor: str, to: str, reason: Text | None) -> None:
    """A responder asks for somebody by name."""
    roles = [role.name for role in draft.rules.roles_for(draft.incident.service)]
    known = [*draft.directory.contacts, *draft.directory.rotations, *roles]
    if to not in known:
        raise InvalidInput("escalate", [Fault("to", f"no contact {to!r}; there are {', '.join(known)}")])
    named = {"to": [to], "round": None, "step": None, "on_call": draft.on_call((to,))}
    _call(
        draft, (to,), draft.event("escalated-manually", actor, named, text=reason), "a responder asks for you"
    )


def _call(
    draft: Draft,
    names: tuple[str, ...],
    event: Event,
    why: str,
    template: str | None = None,
    rung: tuple[int, int] | None = None,
) -> None:
    """Page them, with the words of whoever asks for them."""
    words = event.seq if "text_sha256" in event.data else None
    if words is not None:
        draft.say("assistance-needed", words)
    draft.tell_of(names, Telling("manual", why, event, template, words_of=words, rung=rung))


def _reopen(draft: Draft, actor: str, reason: Text | None) -> None:
    if draft.incident.status != "resolved":
        raise Refused(f"the incident is {draft.incident.status}; only a resolved one can be reopened")
    opening.reopen(draft, "person", actor, draft.now, reason, draft.now)
    fire_lapsed(draft, draft.now, inclusive=True)


def _set_severity(draft: Draft, actor: str, command: SetSeverity) -> None:
    if set_severity(draft, actor, command):
        fire_lapsed(draft, draft.now, inclusive=True)


def _refuse_if_resolved(incident: Incident) -> None:
    if incident.status == "resolved":
        raise Refused("the incident is resolved; reopen it first")


def _climbed(ladder: Ladder) -> Ladder:
    return replace(ladder, step=ladder.step + 1, at=None, because="")
