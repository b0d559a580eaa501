"""The review after an incident, and its action items: owed by when, written by whom, chased until done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from shared.domain.change import TOCSIN, Draft
from shared.domain.checklist import blank, named, unmet_afterwards
from shared.domain.deadlines import span_after
from shared.domain.errors import Fault, InvalidInput, Refused
from shared.domain.hours import in_local_words
from shared.domain.incident import ActionItem, Review
from shared.domain.plan import ReviewRule
from shared.domain.telling import Telling
from shared.domain.timeline import Event, Text, stamp

Section = Literal["summary", "root-cause", "impact", "resolution", "lessons", "went-well", "to-improve"]
Priority = Literal["high", "medium", "low"]
ItemStatus = Literal["open", "in-progress", "done", "dropped"]
NEEDED: tuple[Section, ...] = ("root-cause", "lessons")
"""Sections without which no review is complete."""
MOST_ITEMS = 50
"""Action items that one incident may have."""


@dataclass(frozen=True)
class WriteReview:
    """Words for some sections, and whether the review is complete with them."""

    sections: Mapping[Section, Text] = field(default_factory=dict)
    complete: bool = False


@dataclass(frozen=True)
class ChangeItem:
    """An action item: a new one (``item`` None; takes title, owner, due, priority) or what changes of one."""

    item: str | None = None
    title: Text | None = None
    owner: str | None = None
    """A contact or a rotation."""
    due: datetime | None = None
    priority: Priority | None = None
    status: ItemStatus | None = None


def require(draft: Draft) -> None:
    """The incident has just been resolved: a review is owed where the plan reviews its severity."""
    rule = draft.rules.review
    if rule is None or draft.incident.severity not in rule.severities or draft.incident.review is not None:
        return
    review, event = _begin(draft, rule, TOCSIN)
    draft.tell(rule.notify, "review", f"a review is due by {_by(draft, review)}", event)


def withdraw(draft: Draft) -> None:
    """The incident is reopened: its review is not owed any more; words of it stay on the timeline."""
    draft.set(review=None)


def write(draft: Draft, actor: str, command: WriteReview) -> None:
    """Note sections, and complete the review if asked to; where none is owed, it is owed from now on.

    Raises InvalidInput where there is nothing to write; Refused where the incident is not resolved, the plan
    knows no reviews, the review is complete already, or something is missing that completing takes.
    """
    rule = draft.rules.review
    _refuse_early(draft)
    if rule is None:
        raise Refused("the plan has no reviews; add `review` to it")
    faults = list(_faults_of_sections(command))
    if faults:
        raise InvalidInput("review", faults)
    review = draft.incident.review or _begin(draft, rule, actor)[0]
    if command.complete and review.completed_at is not None:
        raise Refused("the review is complete already; more can still be noted")
    for section, text in command.sections.items():
        draft.event("review-noted", actor, {"section": section}, text=text)
    review = replace(review, sections=tuple(dict.fromkeys((*review.sections, *command.sections))))
    draft.set(review=review)
    if command.complete:
        _complete(draft, actor, review)


def lapse_review(draft: Draft, due: datetime) -> None:
    """A reminder or the due date has come; what passed while Tocsin was away is one event, not many."""
    review, rule = draft.incident.review, draft.rules.review
    if review is None or rule is None:
        raise AssertionError("only a review that is owed can lapse")
    if review.reminded < len(rule.remind):
        data = {"due": stamp(review.due), "late_seconds": draft.late(due)}
        event = draft.event("review-reminded", TOCSIN, data, due)
        reminded = max(review.reminded + 1, _passed(rule, review.due, draft.recorded_at))
        draft.set(review=replace(review, reminded=reminded))
        draft.tell(
            rule.notify,
            "review",
            f"a review is due by {_by(draft, review)}",
            event,
        )
        return
    nth = _nth(review.due, rule.overdue_every, review.overdue, draft.recorded_at)
    data = {"due": stamp(review.due), "late_seconds": draft.late(review.due), "nth": nth}
    event = draft.event("review-overdue", TOCSIN, data, review.due + (nth - 1) * rule.overdue_every)
    draft.set(review=replace(review, overdue=nth))
    told = (*rule.notify, *rule.overdue_notify)
    draft.tell(
        told,
        "review",
        f"the review was due by {_by(draft, review)} and is overdue",
        event,
    )


def change_item(draft: Draft, actor: str, command: ChangeItem) -> None:
    """Add an action item or change one; a new owner is told. What changes nothing is not recorded.

    Raises InvalidInput with every fault; Refused where the incident is none yet, or has `MOST_ITEMS`.
    """
    if draft.incident.hidden:
        raise Refused(f"the incident is {draft.incident.status}; only a declared one has action items")
    items = {item.id: item for item in draft.incident.items}
    faults = [*_faults_of_item(command, items), *_faults_of_owner(draft, command.owner)]
    if command.due is not None and command.due <= draft.now and command.status not in ("done", "dropped"):
        faults.append(Fault("due", "has passed already"))
    if faults:
        raise InvalidInput("action-item", faults)
    if command.item is None and len(items) >= MOST_ITEMS:
        raise Refused(f"an incident has at most {MOST_ITEMS} action items")
    before = items[command.item] if command.item is not None else None
    after = _changed(command, before, len(items) + 1)
    if after == before and command.title is None:
        return
    data = {
        "item": after.id,
        "owner": after.owner,
        "due": stamp(after.due),
        "priority": after.priority,
        "status": after.status,
        "text_sha256": None,
    }
    event = draft.event("action-item", actor, data, text=command.title)
    if command.title is not None:
        after = replace(after, said=event.seq)
    draft.set(items=tuple((items | {after.id: after}).values()))
    if after.live and (before is None or before.owner != after.owner):
        due = in_local_words(after.due, draft.rules.timezone)
        reason = f"action item {after.id} is yours, due by {due}"
        draft.tell_of((after.owner,), Telling("action-item", reason, event, words_of=after.said))


def chase_items(draft: Draft, due: datetime) -> None:
    """An action item is past its due date, or still is: its owner and the plan's chasers are told."""
    rule = draft.rules.action_items
    item = next(each for each in draft.incident.items if each.live and _next_chase(each, rule.every) == due)
    nth = _nth(item.due, rule.every, item.overdue, draft.recorded_at)
    data = {
        "item": item.id,
        "owner": item.owner,
        "due": stamp(item.due),
        "late_seconds": draft.late(item.due),
        "nth": nth,
    }
    event = draft.event("action-item-overdue", TOCSIN, data, item.due + (nth - 1) * rule.every)
    chased = replace(item, overdue=nth)
    draft.set(items=tuple(chased if each.id == item.id else each for each in draft.incident.items))
    for names, owner in (((item.owner,), item.owner), (rule.notify, None)):
        telling = Telling("action-item", _overdue(draft, owner), event, words_of=item.said)
        draft.tell_of(names, telling)


def _begin(draft: Draft, rule: ReviewRule, actor: str) -> tuple[Review, Event]:
    due = span_after(draft.now, rule.due_within, draft.rules)
    review = Review(due, reminded=_passed(rule, due, draft.recorded_at))
    event = draft.event("review-required", actor, {"due": stamp(due)})
    draft.set(review=review)
    return review, event


def _by(draft: Draft, review: Review) -> str:
    return in_local_words(review.due, draft.rules.timezone)


def _refuse_early(draft: Draft) -> None:
    status = draft.incident.status
    if status != "resolved":
        raise Refused(f"the incident is {status}; its review is written once it is resolved")


def _complete(draft: Draft, actor: str, review: Review) -> None:
    missing = [section for section in NEEDED if section not in review.sections]
    left = unmet_afterwards(draft.incident, draft.rules)
    reasons = [f"nothing is noted under {', '.join(missing)}"] if missing else []
    reasons += [f"required items are neither ticked nor overridden: {named(left)}"] if left else []
    if reasons:
        raise Refused(f"the review is not complete: {'; '.join(reasons)}")
    draft.event("review-completed", actor, {"due": stamp(review.due), "in_time": draft.now <= review.due})
    draft.set(review=replace(review, completed_at=draft.now))


def _faults_of_sections(command: WriteReview) -> Iterable[Fault]:
    if not command.sections and not command.complete:
        yield Fault("sections", "say something, or complete the review")
    for section, text in command.sections.items():
        if blank(text):
            yield Fault(f"sections.{section}", "there are no words")


def _faults_of_item(command: ChangeItem, items: Mapping[str, ActionItem]) -> Iterable[Fault]:
    given: dict[str, Any] = {
        "title": command.title,
        "owner": command.owner,
        "due": command.due,
        "priority": command.priority,
    }
    if command.title is not None and blank(command.title):
        yield Fault("title", "there are no words")
    if command.item is None:
        for name, value in given.items():
            if value is None:
                yield Fault(name, "a new action item takes one")
    elif command.item not in items:
        known = f"there are {', '.join(items)}" if items else "the incident has none"
        yield Fault("item", f"no action item {command.item!r}; {known}")
    elif command.status is None and not any(value is not None for value in given.values()):
        yield Fault("", "say what changes: title, owner, due, priority or status")


def _faults_of_owner(draft: Draft, owner: str | None) -> Iterable[Fault]:
    known = (*draft.directory.contacts, *draft.directory.rotations)
    if owner is not None and owner not in known:
        yield Fault("owner", f"no contact or rotation {owner!r}; there are {', '.join(known)}")


def _changed(command: ChangeItem, before: ActionItem | None, number: int) -> ActionItem:
    """The item as it becomes; the faults have made sure that a new one has all it takes."""
    if before is None:
        if command.owner is None or command.due is None or command.priority is None:
            raise AssertionError("a new action item without owner, due or priority is refused")
        status = command.status or "open"
        return ActionItem(f"A{number}", command.owner, command.due, command.priority, status, said=0)
    due = before.due if command.due is None else command.due
    return replace(
        before,
        owner=command.owner or before.owner,
        due=due,
        priority=command.priority or before.priority,
        status=command.status or before.status,
        overdue=before.overdue if due == before.due else 0,
    )


def _passed(rule: ReviewRule, due: datetime, now: datetime) -> int:
    """How many of the rule's reminders lie at or before ``now``."""
    return sum(due - lead <= now for lead in rule.remind)


def _nth(due: datetime, every: timedelta, chased: int, now: datetime) -> int:
    """The number of the latest chase that is due, so that the next one lies after ``now``."""
    return max(chased, (now - due) // every) + 1


def _next_chase(item: ActionItem, every: timedelta) -> datetime:
    return item.due + item.overdue * every


def _overdue(draft: Draft, owner: str | None) -> str:
    """Names every item that the contact has to hear of: they are told once in a change."""
    late = [
        each.id
        for each in draft.incident.items
        if each.live and each.overdue and (owner is None or each.owner == owner)
    ]
    return (
        f"action item {late[0]} is overdue"
        if len(late) == 1
        else f"action items {', '.join(late)} are overdue"
    )
