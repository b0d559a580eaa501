"""A plan's document changes: what changed, and how its new rules come to rule, stage by stage, or do not."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from shared.domain.change import TOCSIN
from shared.domain.errors import Refused
from shared.domain.plan import Plan, document_hash
from shared.domain.timeline import stamp, stamp_or_none

MOST_CHANGED = 100
"""Paths that one event lists."""
MOST_LEAVES = 2000
DEEPEST = 3
ORDER = "(order)"
"""What stands for the order of names in a path."""
LOOK_EVERY = timedelta(minutes=15)
"""How often the figures are reckoned anew while a stage lasts."""
WAIT_AGAIN = timedelta(hours=1)
WAIT_AT_MOST = timedelta(days=7)
"""How long a stage in all waits for a first incident under the new rules."""

Why = Literal["targets-hold", "no-incidents", "targets-missed", "by-hand", "superseded", "unservable"]


@dataclass(frozen=True)
class Comparison:
    """One target of the plan: the figures under the old and the new rules, and whether the new hold."""

    kpi: str
    target: int
    old: str | None
    new: str | None
    holds: bool


@dataclass(frozen=True)
class Figures:
    """How the incidents since the start went, under either version."""

    old_incidents: int = 0
    new_incidents: int = 0
    comparisons: tuple[Comparison, ...] = ()

    @property
    def missed(self) -> bool:
        """Whether a target fails the rollout."""
        return any(not each.holds for each in self.comparisons)


@dataclass(frozen=True)
class Stand:
    """Where a rollout stands; every instant is of the record."""

    rules: str
    """The new rules' hash."""
    stages: tuple[int, ...]
    hold: timedelta
    started_at: datetime
    since: datetime
    """When the present stage began."""
    until: datetime
    """When it ends, as announced."""
    look_at: datetime
    """When the figures are next reckoned."""
    stage: int = 0
    figures: Figures = Figures()
    reckoned_at: datetime | None = None

    @property
    def percent(self) -> int:
        """Of the new incidents, how many the new rules take."""
        return self.stages[self.stage]


@dataclass(frozen=True)
class Note:
    """An event that is owed to the plan's journal; ``at`` and the rest make it one of its own."""

    type: str
    data: Mapping[str, Any]
    at: datetime
    actor: str = TOCSIN


@dataclass(frozen=True)
class Leaves:
    """Salted digests of a document's parts by path: they tell whether two differ, and nothing else."""

    salt: str
    depth: int
    digests: Mapping[str, str]


@dataclass(frozen=True)
class PlanRecord:
    """What is on record of a plan's versions."""

    document: str
    """Hash of the document last seen."""
    leaves: Leaves
    rules: str
    """Hash of that document's rules."""
    stable: str
    """Hash of the rules that rule, or rule the rest while others are tried."""
    deployed_at: datetime
    """When the process that saw the document began: what an older one has is old."""
    refused: str | None = None
    """Rules that were tried and failed."""
    stand: Stand | None = None
    owed: tuple[Note, ...] = field(default=())


@dataclass(frozen=True)
class Deployment:
    """What a process brings: its code, who deployed it (as an actor), and when it began."""

    commit: str
    actor: str
    since: datetime


def leaves_of(document: str, salt: str, deepest: int = DEEPEST) -> Leaves:
    """The document's parts down to `DEEPEST` keys, or fewer where those would be too many to keep."""
    whole = json.loads(document)
    orders = {f"{key}.{ORDER}": _digest(salt, names) for key, names in whole["order"].items()}
    for depth in range(deepest, 0, -1):
        parts = {path: _digest(salt, part) for path, part in _parts(whole["document"], "", depth)}
        digests = parts | orders if depth > 1 else parts
        if len(digests) <= MOST_LEAVES or depth == 1:
            return Leaves(salt, depth, digests)
    raise AssertionError("a document has at least one key deep")


def changed_paths(before: Leaves, document: str) -> list[str]:
    """The keys whose parts differ, sorted: dotted, items of lists by their names, at most `DEEPEST` keys."""
    after = leaves_of(document, before.salt, before.depth)
    if after.depth != before.depth:  # it has grown beyond what is kept: its top keys are compared
        return sorted({path.partition(".")[0] for path in (*before.digests, *after.digests)})
    paths = before.digests.keys() | after.digests.keys()
    differ = {path for path in paths if before.digests.get(path) != after.digests.get(path)}
    return sorted(path for path in differ if not _follows(path, differ))


def is_news(record: PlanRecord, plan: Plan) -> bool:
    """Whether the plan's document is another than the one on record."""
    return document_hash(plan.document) != record.document or plan.rules.hash != record.rules


def first_seen(plan: Plan, deployment: Deployment, salt: str, now: datetime) -> PlanRecord:
    """The record of a plan that was not seen before: its rules rule."""
    hash, rules = document_hash(plan.document), plan.rules.hash
    note = _changed(None, hash, None, rules, [], deployment, now)
    return PlanRecord(hash, leaves_of(plan.document, salt), rules, rules, deployment.since, owed=(note,))


def seen(record: PlanRecord, plan: Plan, deployment: Deployment, salt: str, now: datetime) -> PlanRecord:
    """The record once the plan's document is known to be this one; the same where it was.

    A process that is older than the one that saw the document on record has nothing new to say. Where the
    document is the same and only Tocsin freezes its rules in another form, they stand as they stood.
    """
    hash, rules = document_hash(plan.document), plan.rules.hash
    if not is_news(record, plan) or deployment.since < record.deployed_at:
        return record
    paths = changed_paths(record.leaves, plan.document)
    note = _changed(record.document, hash, record.rules, rules, paths, deployment, now)
    after = replace(
        record,
        document=hash,
        leaves=leaves_of(plan.document, salt),
        rules=rules,
        deployed_at=deployment.since,
        owed=(*record.owed, note),
    )
    if rules == record.rules and plan.rollout is not None:
        return after
    if hash == record.document and plan.rollout is not None and record.stand is None:
        stable = rules if record.stable == record.rules else record.stable
        return replace(after, stable=stable, refused=rules if record.refused == record.rules else None)
    stable = record.stable if plan.rollout is not None else rules
    if after.stand is not None:
        after = _ended(after, after.stand, stable, "superseded", TOCSIN, now)
    after = replace(after, stable=stable, refused=None)
    return after if rules == stable else _started(after, plan, now)


def unservable(record: PlanRecord, now: datetime) -> PlanRecord:
    """The record where the stable rules can rule nothing any more: those of the file rule at once."""
    stand, rules = record.stand, record.rules
    figures = stand.figures if stand is not None else Figures()
    return replace(_over(record, rules, figures, rules, "unservable", TOCSIN, now), refused=None)


def due(record: PlanRecord, now: datetime) -> bool:
    """Whether the figures of a rollout are to be reckoned."""
    return record.stand is not None and record.stand.look_at <= now


def looked(record: PlanRecord, figures: Figures, now: datetime) -> PlanRecord:
    """The record after a look at the figures: the stage goes on, the next begins, or it is over."""
    stand = record.stand
    if stand is None:
        return record
    stand = replace(stand, figures=figures, reckoned_at=now)
    if now < stand.until:
        return replace(record, stand=replace(stand, look_at=min(now + LOOK_EVERY, stand.until)))
    if figures.missed:
        return _back(record, stand, "targets-missed", TOCSIN, now)
    if figures.new_incidents:
        return _on(record, stand, "targets-hold", TOCSIN, now)
    if now - stand.since >= WAIT_AT_MOST:
        return _on(record, stand, "no-incidents", TOCSIN, now)
    again = min(now + WAIT_AGAIN, stand.since + WAIT_AT_MOST)
    return replace(record, stand=replace(stand, look_at=again))


def standing(record: PlanRecord, percent: int | None) -> Stand:
    """The rollout that somebody wants to steer, who saw it at that percentage (None: does not say).

    Raises Refused where there is none, or it is at another.
    """
    if record.stand is None:
        raise Refused("no rollout is under way")
    if percent not in (None, record.stand.percent):
        raise Refused(f"the rollout is at {record.stand.percent} % and not at {percent} %")
    return record.stand


def by_hand(
    record: PlanRecord, action: Literal["back", "on"], figures: Figures, actor: str, now: datetime
) -> PlanRecord:
    """A person ends the rollout, or sends it on to its next stage. Raises Refused where there is none."""
    stand = replace(standing(record, None), figures=figures, reckoned_at=now)
    if action == "back":
        return _back(record, stand, "by-hand", actor, now)
    return _on(record, stand, "by-hand", actor, now)


def settled(record: PlanRecord, notes: int) -> PlanRecord:
    """The record once its first ``notes`` owed events are in the journal."""
    return replace(record, owed=record.owed[notes:])


def _started(record: PlanRecord, plan: Plan, now: datetime) -> PlanRecord:
    if plan.rollout is None:
        raise AssertionError("a rollout is the plan's own wish")
    until = now + plan.rollout.hold
    look_at = min(now + LOOK_EVERY, until)
    stand = Stand(plan.rules.hash, plan.rollout.stages, plan.rollout.hold, now, now, until, look_at)
    data = {"from": record.stable, "to": stand.rules, "percent": stand.percent, "until": stamp(until)}
    return replace(record, stand=stand, owed=(*record.owed, Note("rollout-started", data, now)))


def _on(record: PlanRecord, stand: Stand, why: Why, actor: str, now: datetime) -> PlanRecord:
    last = stand.stage + 1 == len(stand.stages)
    until = None if last else now + stand.hold
    data = {
        "from": record.stable,
        "to": stand.rules,
        "percent": 100 if last else stand.stages[stand.stage + 1],
        "until": stamp_or_none(until),
        "why": why,
        "figures": shown(stand.figures),
    }
    owed = (*record.owed, Note("rollout-advanced", data, now, actor))
    if until is None:
        return _ended(replace(record, owed=owed), stand, stand.rules, why, actor, now)
    look_at = min(now + LOOK_EVERY, until)
    further = replace(stand, stage=stand.stage + 1, since=now, until=until, look_at=look_at)
    return replace(record, stand=further, owed=owed)


def _back(record: PlanRecord, stand: Stand, why: Why, actor: str, now: datetime) -> PlanRecord:
    return replace(_ended(record, stand, record.stable, why, actor, now), refused=stand.rules)


def _ended(record: PlanRecord, stand: Stand, stable: str, why: Why, actor: str, now: datetime) -> PlanRecord:
    return _over(record, stand.rules, stand.figures, stable, why, actor, now)


def _over(
    record: PlanRecord, tried: str, figures: Figures, stable: str, why: Why, actor: str, now: datetime
) -> PlanRecord:
    data = {"from": record.stable, "to": tried, "stable": stable, "why": why, "figures": shown(figures)}
    owed = (*record.owed, Note("rollout-ended", data, now, actor))
    return replace(record, stable=stable, stand=None, owed=owed)


def shown(figures: Figures) -> list[dict[str, Any]]:
    """The figures as an event carries them."""
    return [
        {"kpi": each.kpi, "target": each.target, "old": each.old, "new": each.new, "holds": each.holds}
        for each in figures.comparisons
    ]


def _changed(
    before: str | None,
    after: str,
    rules_from: str | None,
    rules_to: str,
    paths: Sequence[str],
    deployment: Deployment,
    now: datetime,
) -> Note:
    data = {
        "from": before,
        "to": after,
        "rules_from": rules_from,
        "rules_to": rules_to,
        "commit": deployment.commit,
        "changed": list(paths[:MOST_CHANGED]),
        "more": max(0, len(paths) - MOST_CHANGED),
    }
    return Note("plan-changed", data, now, deployment.actor)


def _parts(value: object, path: str, depth: int) -> Iterator[tuple[str, object]]:
    named = _named(value)
    if not depth or not named:
        yield path, value
        return
    for key, part in named.items():
        yield from _parts(part, f"{path}.{key}" if path else key, depth - 1)


def _follows(path: str, differ: set[str]) -> bool:
    """Whether an order differs only because names have come or gone, which says it already."""
    within = path.removesuffix(ORDER)
    return within != path and any(other != path and other.startswith(within) for other in differ)


def _named(value: object) -> dict[str, object]:
    """A mapping as it is, a list by the names of its items where each has one of its own; else nothing."""
    if isinstance(value, dict):
        return {str(key): part for key, part in value.items()}
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        return {}
    names = [item.get("name") or item.get("id") for item in value]
    if None in names or len(set(map(str, names))) < len(names):
        return {}
    order = {ORDER: list(map(str, names))}
    return {**dict(zip(map(str, names), value, strict=True)), **order}


def _digest(salt: str, part: object) -> str:
    text = json.dumps(part, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(f"{salt}\n{text}".encode()).hexdigest()[:16]
