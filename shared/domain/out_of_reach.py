"""Whom rules name and nobody can reach: a plan's other rules may name people whom its file has dropped."""

from __future__ import annotations

from collections.abc import Iterator

from shared.domain.plan import Contact, Directory, Rules


def out_of_reach(rules: Rules, directory: Directory) -> list[str]:
    """Names in the rules that the directory does not have, or has no way to at any of their severities."""
    known = {role.name for role in rules.roles} | directory.rotations.keys()
    known |= {name for name, contact in directory.contacts.items() if _has_a_way(contact, rules)}
    return sorted(set(_named(rules)) - known)


def _has_a_way(contact: Contact, rules: Rules) -> bool:
    """Where it lists none at all, nothing is lost by ruling on."""
    severities = {severity.name for severity in rules.severities}
    return not contact.reach or any(
        not way.severities or severities & set(way.severities) for way in contact.reach
    )


def _named(rules: Rules) -> Iterator[str]:
    for severity in rules.severities:
        for step in severity.steps:
            yield from step.notify
        for inform in severity.inform:
            yield from inform.notify
        for updates in severity.updates:
            yield from (*updates.notify, *updates.remind)
        if severity.still_open is not None:
            yield from severity.still_open.notify
    for role in rules.roles:
        yield from filter(None, (role.primary, role.secondary))
    if rules.review is not None:
        yield from (*rules.review.notify, *rules.review.overdue_notify)
    yield from (*rules.action_items.notify, *rules.alarm)
