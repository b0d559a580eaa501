"""Lists that are too long together, or too short: whoever is told at once must fit into one change, and an
alarm must reach somebody. Looks at files of any shape."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

from shared.adapters.plan_reach import public_channels
from shared.adapters.plan_tree import each, mappings
from shared.adapters.plan_yaml import Flaw, Loc
from shared.domain.change import MOST_OUTSIDE

MOST_TOGETHER = 20
"""Names that one occasion may tell, over all lists that it takes."""
LONGEST_CLOSED = timedelta(days=60)


def check_crowds(plan: object) -> Iterator[Flaw]:
    """Every flaw in who is told together."""
    for loc, updates in each(plan, "severities", "*", "updates"):
        yield from _together(loc, updates, ("*", "notify", "*"), "of all its audiences")
    for loc, review in each(plan, "review"):
        own = {name for _, name in each(review, "notify", "*")}
        late = {name for _, name in each(review, "overdue", "notify", "*")}
        if len(own | late) > MOST_TOGETHER:
            yield Flaw((*loc, "overdue"), f"tells more than {MOST_TOGETHER} names with notify together")
    for loc, names in each(plan, "action_items", "notify"):
        if isinstance(names, list) and len(names) >= MOST_TOGETHER:
            yield Flaw(loc, f"takes at most {MOST_TOGETHER - 1} names beside the owner")
    yield from _outsiders(plan)
    yield from _speechless(plan)
    yield from _deaf_alarm(plan)
    yield from _closed_for_ever(plan)


def _together(loc: Loc, tree: object, path: tuple[str, ...], of: str) -> Iterator[Flaw]:
    if len({name for _, name in each(tree, *path) if isinstance(name, str)}) > MOST_TOGETHER:
        yield Flaw(loc, f"tells more than {MOST_TOGETHER} names {of} together")


def _outsiders(plan: object) -> Iterator[Flaw]:
    known: set[object] = set()
    for loc, inform in mappings(plan, "severities", "*", "inform", "*"):
        if inform.get("audience") != "external":
            continue
        if "template" not in inform:
            yield Flaw((*loc, "audience"), "needs a template: the standard words are for inside")
        known |= {name for _, name in each(inform, "notify", "*")}
        if len(known) > MOST_OUTSIDE:
            yield Flaw((*loc, "notify"), f"names more than {MOST_OUTSIDE} outsiders, all severities together")
            return


def _speechless(plan: object) -> Iterator[Flaw]:
    """Who is only reached in public hears the plan's own words or nothing: there must be some."""
    public = public_channels(plan)
    contacts = {
        str(loc[-1])
        for loc, contact in mappings(plan, "contacts", "*")
        if (ways := [str(way) for _, way in each(contact, "reach", "*", "channel")]) and set(ways) <= public
    }
    known = {str(loc[-1]) for loc, _ in mappings(plan, "templates", "*")}
    for key, kind in (("steps", "escalation"), ("inform", "inform"), ("updates", "update")):
        for loc, told in mappings(plan, "severities", "*", key, "*"):
            names = {str(name) for _, name in each(told, "notify", "*")} & contacts
            inside = told.get("audience") != "external" and loc[3] != "external"
            if names and inside and "resolved" not in known:
                yield Flaw(
                    (*loc, "notify"), f"{min(names)} is reached in public alone: name a template resolved"
                )
            if names and "template" not in told and kind not in known:
                yield Flaw((*loc, "notify"), f"{min(names)} is reached in public alone and needs a template")
    for loc, told in mappings(plan, "severities", "*", "still_open"):
        names = {str(name) for _, name in each(told, "notify", "*")} & contacts
        if names and "still-open" not in known:
            why = f"{min(names)} is reached in public alone: name a template still-open"
            yield Flaw((*loc, "notify"), why)


def _deaf_alarm(plan: object) -> Iterator[Flaw]:
    """An alarm that only goes to rotations without a fallback goes nowhere when nobody is on call."""
    backed = {str(loc[-1]) for loc, rotation in mappings(plan, "rotations", "*") if "fallback" in rotation}
    rotations = {str(loc[-1]) for loc, _ in mappings(plan, "rotations", "*")}
    for loc, names in each(plan, "alarm", "notify"):
        named = {str(name) for name in names} if isinstance(names, list) else set()
        if named and named <= rotations - backed:
            yield Flaw(loc, "reaches nobody while nobody is on call; name a contact as well")


def _closed_for_ever(plan: object) -> Iterator[Flaw]:
    """Business time must go on some day."""
    names = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
    for loc, hours in mappings(plan, "hours"):
        open_on = {names.index(str(day)) for _, day in each(hours, "days", "*") if str(day) in names}
        holidays = {day for _, text in each(hours, "holidays", "*") if (day := _date(text)) is not None}
        for holiday in sorted(holidays) if open_on else ():
            ahead = (holiday + timedelta(days=days) for days in range(LONGEST_CLOSED.days))
            if not any(day.weekday() in open_on and day not in holidays for day in ahead):
                yield Flaw((*loc, "holidays"), f"leave no business day in the 60 days from {holiday} on")
                return


def _date(text: object) -> date | None:
    try:
        return datetime.strptime(str(text), "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError:
        return None
