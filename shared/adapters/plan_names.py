"""Who and what a plan names: everyone and everything named must exist, be of a kind that can stand there, and
be named only once. Looks at files of any shape."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from shared.adapters.plan_tree import each, mappings
from shared.adapters.plan_values import did_you_mean, quoted
from shared.adapters.plan_yaml import Flaw, Loc

_WHOM = ("contacts", "rotations", "roles")
_ON_DUTY = ("contacts", "rotations")
_CONTACTS = ("contacts",)
_SERVICES, _SEVERITIES, _TEMPLATES = ("services",), ("severities",), ("templates",)
_ONE = {
    "contacts": "contact",
    "rotations": "rotation",
    "roles": "role",
    "channels": "channel",
    "severities": "severity",
    "services": "service",
    "templates": "template",
}
_REFERENCES: Mapping[str, tuple[str, ...]] = {
    "severities.*.steps.*.notify.*": _WHOM,
    "severities.*.inform.*.notify.*": _WHOM,
    "severities.*.updates.*.notify.*": _WHOM,
    "severities.*.updates.*.remind.*": _WHOM,
    "severities.*.still_open.notify.*": _WHOM,
    "review.notify.*": _WHOM,
    "review.overdue.notify.*": _WHOM,
    "action_items.notify.*": _WHOM,
    "digests.*.notify.*": _ON_DUTY,
    "exports.notify.*": _ON_DUTY,
    "alarm.notify.*": _ON_DUTY,
    "roles.*.primary": _ON_DUTY,
    "roles.*.secondary": _ON_DUTY,
    "rotations.*.layers.*.members.*": _CONTACTS,
    "rotations.*.overrides.*.contact": _CONTACTS,
    "rotations.*.fallback": _CONTACTS,
    "contacts.*.reach.*.channel": ("channels",),
    "channels.*.fallback": ("channels",),
    "contacts.*.reach.*.severities.*": _SEVERITIES,
    "classify.*.severity": _SEVERITIES,
    "default_severity": _SEVERITIES,
    "checklists.*.severities.*": _SEVERITIES,
    "review.severities.*": _SEVERITIES,
    "drills.*.severity": _SEVERITIES,
    "digests.*.severities.*": _SEVERITIES,
    "default_service": _SERVICES,
    "severities.*.steps.*.services.*": _SERVICES,
    "severities.*.inform.*.services.*": _SERVICES,
    "roles.*.services.*": _SERVICES,
    "drills.*.service": _SERVICES,
    "severities.*.steps.*.template": _TEMPLATES,
    "severities.*.inform.*.template": _TEMPLATES,
    "severities.*.updates.*.template": _TEMPLATES,
    "digests.*.template": _TEMPLATES,
}
_MAY_REPEAT = {"rotations.*.layers.*.members.*"}
_LISTS = (
    *(path.removesuffix(".*") for path in _REFERENCES if path.endswith(".*") and path not in _MAY_REPEAT),
    "group.*.by",
    "hours.days",
    "hours.holidays",
    "rotations.*.layers.*.only.days",
    "contacts.*.reach.*.kinds",
    "contacts.*.reach.*.only.days",
)


def check_names(plan: object) -> Iterator[Flaw]:
    """Every flaw in what is named."""
    yield from _references(plan)
    yield from _shared(plan)
    for path in _LISTS:
        for loc, entries in each(plan, *path.split(".")):
            yield from twice(loc, list(each(entries, "*")))
    yield from twice((), list(each(plan, "checklists", "*", "items", "*", "id")))
    yield from _vacant(plan)


def names_of(plan: object, section: str) -> list[str] | None:
    """The names that the plan gives, or None where it says so badly that nothing can be held against it."""
    if not isinstance(plan, dict):
        return None
    named = plan.get(section, {})
    return list(named) if isinstance(named, dict) else None


def twice(loc: Loc, entries: list[tuple[Loc, object]]) -> Iterator[Flaw]:
    """A flaw for each text that stands among the entries before."""
    seen: list[object] = []
    for inner, entry in entries:
        if isinstance(entry, str) and entry in seen:
            yield Flaw((*loc, *inner), f"{quoted(entry)} is written twice")
        seen.append(entry)


def _references(plan: object) -> Iterator[Flaw]:
    named = {section: names_of(plan, section) for section in _ONE}
    for path, sections in _REFERENCES.items():
        if any(named[section] is None for section in sections):
            continue
        for loc, name in each(plan, *path.split(".")):
            if isinstance(name, str) and not any(name in (named[section] or ()) for section in sections):
                yield Flaw(loc, _unknown(name, sections, named))


def _unknown(name: str, sections: tuple[str, ...], named: Mapping[str, list[str] | None]) -> str:
    if sections[0] in _WHOM:
        for other in _WHOM:
            if name in (named[other] or ()):
                return f"{quoted(name)} is a {_ONE[other]}; here it must be a {_or(sections)}"
    known = [each for section in sections for each in named[section] or ()]
    stated = [section for section in sections if named[section]] or sections[:1]
    return f"there is no {_or(stated)} {quoted(name)}{did_you_mean(name, known)}"


def _or(sections: tuple[str, ...] | list[str]) -> str:
    words = [_ONE[section] for section in sections]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _shared(plan: object) -> Iterator[Flaw]:
    """Contacts, rotations and roles are named in the same places, so that a name can only be one of them."""
    taken: dict[str, str] = {}
    for section in _WHOM:
        for name in names_of(plan, section) or ():
            if name in taken:
                yield Flaw((section, name), f"is the name of a {taken[name]} as well; give it another")
            taken.setdefault(name, _ONE[section])


def _vacant(plan: object) -> Iterator[Flaw]:
    """A step may not call a role that nobody can hold."""
    roles = {str(loc[-1]): role for loc, role in mappings(plan, "roles", "*")}
    known = names_of(plan, "services") or []
    for at, step in mappings(plan, "severities", "*", "steps", "*"):
        services = _texts(step.get("services")) or known
        for (nth,), name in each(step.get("notify"), "*"):
            role = roles.get(str(name))
            if role is None:
                continue
            loc = (*at, "notify", nth)
            if "primary" not in role and "secondary" not in role:
                yield Flaw(loc, f"nobody holds the role {quoted(str(name))}: it has no primary")
            held = _texts(role.get("services"))
            without = [one for one in services if held and one not in held]
            if without and set(known).issuperset({*services, *held}):
                yield Flaw(
                    loc,
                    f"nobody holds the role {quoted(str(name))} for {_some(without)}; "
                    "give the step the services that the role has",
                )


def _texts(value: object) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _some(names: list[str]) -> str:
    shown = ", ".join(quoted(name) for name in names[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown
