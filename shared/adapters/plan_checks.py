"""What the shape of a plan file cannot show: names that nobody bears, ladders out of order, severities louder
than those above them. Looks at files of any shape, so that everything is told at once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from fnmatch import fnmatchcase

from shared.adapters.plan_crowds import check_crowds
from shared.adapters.plan_loudness import check_loudness
from shared.adapters.plan_names import check_names, names_of, twice
from shared.adapters.plan_reach import check_people
from shared.adapters.plan_times import check_times
from shared.adapters.plan_tree import each, mappings, nothings
from shared.adapters.plan_values import did_you_mean, quoted
from shared.adapters.plan_yaml import Flaw, Loc
from shared.domain.plan import Template

_LISTS_OF_RULES = ("classify", "declare", "group", "runbooks")
"""In which the first that matches decides."""


def check_sense(plan: object, known_sources: Collection[str] | None) -> Iterator[Flaw]:
    """Every flaw of sense. ``known_sources``: the names of the sources, or None where nobody knows."""
    yield from check_names(plan)
    yield from _conditions(plan, known_sources)
    yield from check_times(plan)
    yield from check_loudness(plan)
    yield from check_crowds(plan)
    yield from check_people(plan)
    yield from _rules(plan)
    yield from _customers(plan)
    yield from _calendars(plan)
    for loc, stated in each(plan, "chat"):
        if stated == {}:
            yield Flaw(loc, "names neither slack nor teams")


def check_nothing(plan: object) -> Iterator[Flaw]:
    """A flaw for every key that says nothing."""
    for loc in nothings(plan):
        yield Flaw(loc, "says nothing: give it a value or leave it out")


def _conditions(plan: object, known_sources: Collection[str] | None) -> Iterator[Flaw]:
    services = names_of(plan, "services")
    for rules in _LISTS_OF_RULES:
        yield from _unmatched(each(plan, rules, "*", "when", "service"), services, "service")
        yield from _unmatched(each(plan, rules, "*", "when", "source"), known_sources, "source")
    yield from _unmatched(each(plan, "services", "*", "match", "*", "source"), known_sources, "source")
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


def _rules(plan: object) -> Iterator[Flaw]:
    for kind in _LISTS_OF_RULES:
        yield from twice((), list(each(plan, kind, "*", "name")))
        rules = list(mappings(plan, kind, "*"))
        for loc, rule in rules[:-1]:
            if not rule.get("when"):
                yield Flaw(loc, "matches every alert, so that the rules below it never apply; put it last")


def _customers(plan: object) -> Iterator[Flaw]:
    if any(flag == "true" for _, flag in each(plan, "services", "*", "customer_facing")):
        return
    for key in ("inform", "updates"):
        for loc, flag in each(plan, "severities", "*", key, "*", "customer_facing"):
            if flag == "true":
                yield Flaw(loc, "never holds: no service is customer_facing")


def _calendars(plan: object) -> Iterator[Flaw]:
    for loc, calendar in mappings(plan, "contacts", "*", "calendar"):
        if ("url" in calendar) == ("secret" in calendar):
            yield Flaw(loc, "needs either url or secret, and only one of them")


def check_words(plan: object) -> Iterator[Flaw]:
    """Every flaw in the plan's templates. Each is tried out, which takes its time."""
    stated = list(mappings(plan, "templates", "*"))
    if not stated:
        return
    from shared.adapters.templates import check

    for loc, template in stated:
        body, subject = template.get("body"), template.get("subject", "")
        if isinstance(body, str) and isinstance(subject, str):
            why = check(Template(body, subject), roles=names_of(plan, "roles"), links=names_of(plan, "links"))
            if why:
                yield Flaw((*loc, "body"), "; ".join(why))
