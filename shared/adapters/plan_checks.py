"""What the shape of a plan file cannot show: names that nobody bears, ladders out of order, severities louder
than those above them. Looks at files of any shape, so that everything is told at once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import timedelta
from fnmatch import fnmatchcase

from shared.adapters.plan_tree import each, mappings
from shared.adapters.plan_values import did_you_mean, parse_duration, quoted
from shared.adapters.plan_yaml import Flaw, Loc

_REFERENCES: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (("severities", "*", "steps", "*", "notify", "*"), "contacts", "contact"),
    (("alarm", "notify", "*"), "contacts", "contact"),
    (("contacts", "*", "reach", "*", "channel"), "channels", "channel"),
    (("classify", "*", "severity"), "severities", "severity"),
    (("default_severity",), "severities", "severity"),
    (("default_service",), "services", "service"),
)


def check_sense(plan: object, known_sources: Collection[str] | None) -> Iterator[Flaw]:
    """Every flaw of sense. ``known_sources``: the names of the sources, or None where nobody knows."""
    yield from _references(plan)
    yield from _conditions(plan, known_sources)
    yield from _ladders(plan)
    yield from _loudness(plan)
    yield from _rules(plan)


def _names(plan: object, kind: str) -> list[str] | None:
    """The names that the plan gives, or None where it says so badly that nothing can be held against it."""
    if not isinstance(plan, dict):
        return None
    named = plan.get(kind, {})
    return list(named) if isinstance(named, dict) else None


def _references(plan: object) -> Iterator[Flaw]:
    for path, kind, one in _REFERENCES:
        known = _names(plan, kind)
        for loc, name in each(plan, *path):
            if known is not None and isinstance(name, str) and name not in known:
                yield Flaw(loc, f"there is no {one} {quoted(name)}{did_you_mean(name, known)}")


def _conditions(plan: object, known_sources: Collection[str] | None) -> Iterator[Flaw]:
    services = _names(plan, "services")
    for rules in ("classify", "group"):
        yield from _unmatched(each(plan, rules, "*", "when", "service"), services, "service")
    for path in (("classify", "*", "when"), ("group", "*", "when"), ("services", "*", "match", "*")):
        yield from _unmatched(each(plan, *path, "source"), known_sources, "source")
    for loc, match in each(plan, "services", "*", "match", "*"):
        if match == {}:
            yield Flaw(
                loc, "states no condition and would match every alert; that is what default_service is for"
            )


def _unmatched(
    patterns: Iterable[tuple[Loc, object]], known: Collection[str] | None, one: str
) -> Iterator[Flaw]:
    for loc, pattern in patterns:
        if known is None or not isinstance(pattern, str):
            continue
        if not any(fnmatchcase(name, pattern) for name in known):
            yield Flaw(loc, f"there is no {one} {quoted(pattern)}{did_you_mean(pattern, known)}")


def _ladders(plan: object) -> Iterator[Flaw]:
    for loc, steps in each(plan, "severities", "*", "steps"):
        latest = timedelta(0)
        for (nth, _), after in each(steps, "*", "after"):
            pause = _pause(after)
            if pause is not None and pause < latest:
                yield Flaw((*loc, nth, "after"), "comes before the step above it")
            latest = max(latest, pause or latest)
    for path in (("severities", "*", "steps", "*", "notify"), ("alarm", "notify"), ("group", "*", "by")):
        for loc, names in each(plan, *path):
            yield from _twice(loc, list(each(names, "*")))


def _twice(loc: Loc, entries: list[tuple[Loc, object]]) -> Iterator[Flaw]:
    seen: list[object] = []
    for inner, entry in entries:
        if isinstance(entry, str) and entry in seen:
            yield Flaw((*loc, *inner), f"{quoted(entry)} is written twice")
        seen.append(entry)


def _loudness(plan: object) -> Iterator[Flaw]:
    """A lower severity must not be owed an answer, a resolution or a first call sooner than a higher one."""
    folded = [(loc, str(loc[-1]).lower()) for loc, _ in each(plan, "severities", "*")]
    for nth, (loc, name) in enumerate(folded):
        if name in [above for _, above in folded[:nth]]:
            yield Flaw(loc, "differs from a severity above it only by upper and lower case")
    for path in (("respond_within",), ("resolve_within",), ("steps", "*", "after")):
        yield from _louder(plan, path)
    for loc, severity in mappings(plan, "severities", "*"):
        respond, resolve = _pause(severity.get("respond_within")), _pause(severity.get("resolve_within"))
        if respond and resolve and resolve < respond:
            yield Flaw((*loc, "resolve_within"), "is shorter than respond_within")


def _louder(plan: object, path: tuple[str, ...]) -> Iterator[Flaw]:
    slowest, of = timedelta(0), ""
    for loc, severity in mappings(plan, "severities", "*"):
        first, text = next(each(severity, *path), ((), None))
        pause = _pause(text)
        if pause is None:
            continue
        if pause < slowest:
            yield Flaw((*loc, *first), f"is sooner than that of {of}, which is the higher severity")
        else:
            slowest, of = pause, str(loc[-1])


def _pause(text: object) -> timedelta | None:
    try:
        return parse_duration(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _rules(plan: object) -> Iterator[Flaw]:
    for kind in ("classify", "group"):
        yield from _twice((), [(loc, name) for loc, name in each(plan, kind, "*", "name")])
        rules = list(mappings(plan, kind, "*"))
        for loc, rule in rules[:-1]:
            if not rule.get("when"):
                yield Flaw(loc, "matches every alert, so that the rules below it never apply; put it last")
