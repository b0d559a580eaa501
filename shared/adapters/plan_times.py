"""Hours, ladders, reviews and updates that could not work as they are stated. Looks at files of any shape."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from shared.adapters.plan_spans import duration_of, span_of, surely_shorter
from shared.adapters.plan_tree import each, mappings
from shared.adapters.plan_yaml import Flaw, Loc
from shared.domain.hours import BusinessTime, Span, nominal

_SPANS = tuple(
    tuple(path.split("."))
    for path in (
        "severities.*.respond_within",
        "severities.*.resolve_within",
        "severities.*.acknowledgement_expires",
        "severities.*.steps.*.after",
        "severities.*.repeat.every",
        "severities.*.inform.*.after",
        "severities.*.still_open.every",
        "severities.*.updates.*.every",
        "severities.*.updates.*.first_within",
        "review.due_within",
    )
)


def check_times(plan: object) -> Iterator[Flaw]:
    """Every flaw in times."""
    yield from _business_time(plan)
    yield from _ladders(plan)
    for loc, updates in mappings(plan, "severities", "*", "updates", "*"):
        yield from (Flaw((*loc, *inner), why) for inner, why in _updates(updates))
    for path in (("hours",), ("rotations", "*", "overrides", "*")):
        for loc, stretch in mappings(plan, *path):
            since, to = stretch.get("from"), stretch.get("to")
            # Times of one shape, so that they compare as texts.
            if isinstance(since, str) and isinstance(to, str) and to <= since:
                yield Flaw((*loc, "to"), "must be later than from")
    yield from _review(plan)


def _business_time(plan: object) -> Iterator[Flaw]:
    if not isinstance(plan, dict) or "hours" in plan:
        return
    for path in _SPANS:
        for loc, text in each(plan, *path):
            if isinstance(span_of(text), BusinessTime):
                yield Flaw(loc, "says business time, but the plan has no hours")
    for loc, flag in each(plan, "digests", "*", "business_days"):
        if flag == "true":
            yield Flaw(loc, "says business days, but the plan has no hours")


def _ladders(plan: object) -> Iterator[Flaw]:
    for loc, steps in each(plan, "severities", "*", "steps"):
        before: list[tuple[Span, object]] = []
        for (nth,), step in mappings(steps, "*"):
            span, services = span_of(step.get("after")), step.get("services")
            if span is None:
                continue
            if any(_meet(services, others) and surely_shorter(span, earlier) for earlier, others in before):
                yield Flaw((*loc, nth, "after"), "comes before the step above it")
            before.append((span, services))


def _meet(some: object, others: object) -> bool:
    """Whether two steps are ever of the same ladder; none named: for all."""
    if isinstance(some, list) and isinstance(others, list) and some and others:
        return any(one in others for one in some)
    return True


def _updates(updates: dict[str, object]) -> Iterator[tuple[Loc, str]]:
    before = duration_of(updates.get("remind_before"))
    owed = [key for key in ("every", "first_within") if key in updates]
    if not owed:
        if "remind" in updates or "notify" not in updates:
            yield (), "says no time: every, first_within or both"
        return
    if "remind" in updates and "remind_before" not in updates:
        yield ("remind",), "needs remind_before as well"
    if "remind_before" in updates and "remind" not in updates:
        yield ("remind_before",), "reminds nobody without remind"
    for key in owed:
        span = span_of(updates[key])
        if before is not None and span is not None and before >= nominal(span):
            yield ("remind_before",), f"must be shorter than {key}"


def _review(plan: object) -> Iterator[Flaw]:
    for loc, review in mappings(plan, "review"):
        due = span_of(review.get("due_within"))
        shortest: timedelta | None = None
        for inner, text in each(review, "remind", "*"):
            remind = duration_of(text)
            if remind is None:
                continue
            if due is not None and remind >= nominal(due):
                yield Flaw((*loc, *inner), "must be shorter than due_within")
            elif shortest is not None and remind >= shortest:
                yield Flaw((*loc, *inner), "must be shorter than the one before it; longest first")
            shortest = remind if shortest is None else min(shortest, remind)
