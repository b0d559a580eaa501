"""Tier order: a lower severity must not be louder than a higher one. Looks at files of any shape."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from shared.adapters.plan_names import names_of
from shared.adapters.plan_spans import span_of, surely_shorter, worst
from shared.adapters.plan_tree import each, mappings
from shared.adapters.plan_yaml import Flaw, Loc
from shared.domain.hours import Span

_Found = Iterable[tuple[str, Loc, Span]]
"""What is compared (a service, an audience, whom), where it stands, and how soon it is."""


def check_loudness(plan: object) -> Iterator[Flaw]:
    """Every way in which a severity is louder than one above it."""
    folded = [(loc, str(loc[-1]).lower()) for loc, _ in each(plan, "severities", "*")]
    for nth, (loc, name) in enumerate(folded):
        if name in [above for _, above in folded[:nth]]:
            yield Flaw(loc, "differs from a severity above it only by upper and lower case")
    yield from _sooner(plan)
    yield from _longer(plan)
    for loc, severity in mappings(plan, "severities", "*"):
        respond, resolve = span_of(severity.get("respond_within")), span_of(severity.get("resolve_within"))
        if respond is not None and resolve is not None and surely_shorter(resolve, respond):
            yield Flaw((*loc, "resolve_within"), "is shorter than respond_within")


def _sooner(plan: object) -> Iterator[Flaw]:
    """What is owed sooner than by a higher severity, where both owe it."""
    services = names_of(plan, "services") or []
    slowest: dict[str, tuple[Span, str]] = {}
    told: set[Loc] = set()
    for loc, severity in mappings(plan, "severities", "*"):
        for what, inner, span in (*_windows(severity), *_first_pages(severity, services), *_told(severity)):
            found = slowest.get(what)
            if found is None or worst(span) >= worst(found[0]):
                slowest[what] = span, str(loc[-1])
            elif (*loc, *inner) not in told:
                told.add((*loc, *inner))
                yield Flaw((*loc, *inner), f"is sooner than that of {found[1]}, which is the higher severity")


def _windows(severity: dict[str, object]) -> _Found:
    for key in ("respond_within", "resolve_within", "acknowledgement_expires"):
        span = span_of(severity.get(key))
        if span is not None:
            yield key, (key,), span
    for _, text in each(severity, "still_open", "every"):
        span = span_of(text)
        if span is not None:
            yield "still_open every", ("still_open", "every"), span
    for loc, updates in mappings(severity, "updates", "*"):
        for key in ("every", "first_within"):
            stated = key if key in updates else "every"
            span = span_of(updates.get(stated))
            if span is not None:
                yield f"updates {loc[-1]} {key}", (*loc, stated), span


def _first_pages(severity: dict[str, object], services: list[str]) -> _Found:
    """By service, since a step may be for some only; a file without services has nothing to compare by."""
    for service in services or [""]:
        for loc, step in mappings(severity, "steps", "*"):
            only = step.get("services") or [service]
            if isinstance(only, list) and service in only:
                span = span_of(step.get("after"))
                if span is not None:
                    yield f"first page of {service}", (*loc, "after"), span
                break


def _told(severity: dict[str, object]) -> _Found:
    """The first time that anybody is informed, unless only some services are meant."""
    seen: set[str] = set()
    for loc, inform in mappings(severity, "inform", "*"):
        span = span_of(inform.get("after"))
        if span is None or inform.get("services"):
            continue
        facing = str(inform.get("customer_facing", "false"))
        for _, name in each(inform, "notify", "*"):
            what = f"inform {name} {facing}"
            if what not in seen:
                seen.add(what)
                yield what, (*loc, "after"), span


def _longer(plan: object) -> Iterator[Flaw]:
    """What goes on for longer than at a higher severity, where people are paged at all."""
    above: list[tuple[str, dict[str, object]]] = []
    for loc, severity in mappings(plan, "severities", "*"):
        name = str(loc[-1])
        if not severity.get("steps"):
            above.append((name, severity))
            continue
        for higher, stated in above:
            yield from (Flaw((*loc, *inner), why) for inner, why in _outlasts(severity, stated, higher))
        above.append((name, severity))


def _outlasts(lower: dict[str, object], higher: dict[str, object], name: str) -> Iterator[tuple[Loc, str]]:
    which = f"{name}, which is the higher severity"
    if not higher.get("steps"):
        yield ("steps",), f"calls people, but nobody is called for {which}"
        return
    if lower.get("until") == "resolved" and higher.get("until", "acknowledged") == "acknowledged":
        yield ("until",), f"goes on for longer than that of {which}"
    if _times(lower) > _times(higher):
        yield ("repeat", "times"), f"is more than that of {which}"


def _times(severity: dict[str, object]) -> int:
    times = next((str(value) for _, value in each(severity, "repeat", "times")), "0")
    return int(times) if times.isdecimal() and len(times) <= 3 else 0
