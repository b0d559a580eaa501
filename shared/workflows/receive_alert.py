"""A source calls: verify, parse, classify, and store each group's alerts before anybody hears 202."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice

from shared.domain.alert import Alert
from shared.domain.classification import Signal, classify, classify_by
from shared.domain.errors import Conflict, NotFound, StoreUnavailable, TooLarge
from shared.domain.incident import GroupKey, Incident
from shared.domain.intake import OTHERS_FIRE, Action, Disposition, receive
from shared.domain.journal import Entry, Journal, journal_of, note_dispositions
from shared.domain.personal import Pseudonyms
from shared.domain.plan import Plan, Rules, SourceTrust
from shared.ports import (
    AdvanceQueue,
    IncidentStore,
    Journals,
    Place,
    Plans,
    RulesArchive,
    Secrets,
    Source,
    Stored,
)
from shared.workflows.group_commit import GroupCommit
from shared.workflows.punctuality import come_back, let_others_go_first

log = logging.getLogger(__name__)

LARGEST_BODY = 1024 * 1024
MOST_GROUPS = 400
"""Groups in one call; each is a commit of its own, and the sender waits for all of them."""
AT_ONCE = 8
MOST_TRIES = 8
MOST_SIGNALS = 200
"""Signals per change, which its one event lists."""
MOST_TEXT = 200_000
"""Characters of labels and annotations per change; stored, one can take seven bytes."""
LARGEST_ALERT = 25_000
"""Characters that one alert counts at most: its row cuts them."""
MOST_NOTES = 16
"""Events per journal entry."""
_ORDER: tuple[Action, ...] = ("opened", "updated", "resolved", "pending", "suppressed", "ignored")


@dataclass(frozen=True)
class Outcome:
    """What the sender is told of one group of its call; all but ``action`` None without an incident."""

    action: Action
    id: str | None = None
    status: str | None = None
    severity: str | None = None


@dataclass
class ReceiveAlert:
    """The workflow behind ``POST /api/v1/plans/{plan}/alerts/{source}``."""

    plans: Plans
    sources: Mapping[str, Source]
    secrets: Secrets
    store: IncidentStore
    journals: Journals
    rules: RulesArchive
    queue: AdvanceQueue
    people_key: str = "people-key"
    """Name of the secret under which personal labels become tokens."""

    def __post_init__(self) -> None:
        """Group commits for the whole process, by group and rules, and by journal."""
        self.commits: GroupCommit[Sequence[Signal], Outcome] = GroupCommit()
        self.notes: GroupCommit[Sequence[Disposition], None] = GroupCommit()

    def receive(
        self, plan_name: str, source_name: str, headers: Mapping[str, str], body: bytes, now: datetime
    ) -> list[Outcome]:
        """One outcome per group of the call, in the order of the body; all of it is durable.

        Raises NotFound, TooLarge, Unauthenticated, InvalidPayload, SecretUnavailable, StoreUnavailable.
        """
        plan, source = self.plans.get(plan_name), self.sources.get(source_name)
        if source is None:
            known = ", ".join(sorted(self.sources))
            raise NotFound(f"there is no source {source_name!r}; there are {known}")
        if len(body) > LARGEST_BODY:
            raise TooLarge(f"the body has {len(body)} bytes; at most {LARGEST_BODY} are taken")
        source.verify(headers, body, plan.sources.get(source_name, SourceTrust()), self.secrets, now)
        groups: dict[GroupKey, tuple[Plan, list[Signal]]] = {}
        for alert in self._known_by_pseudonym(plan, source.parse(body, now)):
            signal, rules = classify_by(alert, plan)
            groups.setdefault(signal.group, (_ruled(plan, rules), []))[1].append(signal)
        if len(groups) > MOST_GROUPS:
            raise TooLarge(f"the body has {len(groups)} groups of alerts; at most {MOST_GROUPS} are taken")
        return self._submit_all(groups, now)

    def _known_by_pseudonym(self, plan: Plan, alerts: list[Alert]) -> list[Alert]:
        """Labels that the plan declares personal never come past here. Raises SecretUnavailable."""
        if not plan.personal_labels:
            return alerts
        key = self.secrets.get(self.people_key)
        pseudonyms = Pseudonyms(plan.personal_labels, plan.name, key)
        return [pseudonyms.of(alert) for alert in alerts]

    def _submit_all(
        self, groups: Mapping[GroupKey, tuple[Plan, Sequence[Signal]]], now: datetime
    ) -> list[Outcome]:
        if len(groups) == 1:
            return [self._submit(plan, group, signals, now) for group, (plan, signals) in groups.items()]
        with ThreadPoolExecutor(min(AT_ONCE, len(groups))) as pool:
            tries = [
                pool.submit(self._submit, plan, group, signals, now)
                for group, (plan, signals) in groups.items()
            ]
        return [each.result() for each in tries]

    def _submit(self, plan: Plan, group: GroupKey, signals: Sequence[Signal], now: datetime) -> Outcome:
        def commit(batches: Sequence[Sequence[Signal]]) -> Sequence[Outcome]:
            return self._commit(plan, group.digest, batches, now)

        return self.commits.submit(f"{group.digest} {plan.rules.hash}", signals, commit)

    def _commit(
        self, plan: Plan, group: str, batches: Sequence[Sequence[Signal]], now: datetime
    ) -> Sequence[Outcome]:
        """Store every batch's signals, as few changes as they fit in; one outcome a batch."""
        pending = [signal for batch in batches for signal in batch]
        done: list[tuple[Disposition, Incident | None]] = []
        place: Place | None = None
        tries = 0
        while len(done) < len(pending):
            try:
                self.rules.keep(plan.rules)
                place = place or self.store.place(group)
                place, stored = self._store_some(plan, place, _portion(pending, len(done)), now)
            except Conflict:
                place, tries = None, tries + 1
                if tries == MOST_TRIES:
                    raise StoreUnavailable("too many others are changing this incident") from None
                let_others_go_first(tries)
                continue
            done, tries = done + stored, 0
        return _outcomes(batches, done)

    def _store_some(
        self, plan: Plan, place: Place, signals: Sequence[Signal], now: datetime
    ) -> tuple[Place | None, list[tuple[Disposition, Incident | None]]]:
        newest = place.newest.incident if place.newest else None
        frozen = self.rules.get(newest.rules) if newest else None
        signals = _judged(signals, newest, frozen, plan.rules, now)
        left: Place | None = place
        received = receive(place.slot, signals, frozen, plan.rules, plan.directory, now)
        change, after = received.change, newest
        if not received.dispositions and (change is None or change.complete):
            raise AssertionError("a round takes an alert, or catches up with what had lapsed")
        if change is not None:
            basis = place.newest if change.before is not None else None
            stored, _ = self.store.save(change, basis, place.head_tag)
            after = stored.incident
            come_back(self.queue, change.before, after, now, owes=bool(change.owed))
            left = _moved(place, stored) if change.head is None else None
        elif received.head is not None:
            self.store.save_head(place.slot.partition, received.head, place.head_tag)
            left = None
        self._note(plan, received.dispositions, change.after.id if change else None, now)
        touched = {incident.id: incident for incident in (newest, after) if incident}
        return left, [(entry, touched.get(entry.incident or "")) for entry in received.dispositions]

    def _note(
        self, plan: Plan, dispositions: Sequence[Disposition], changed: str | None, now: datetime
    ) -> None:
        """Whatever changed no incident has its disposition in the plan's journal."""
        left = [entry for entry in dispositions if changed is None or entry.incident != changed]
        if not left:
            return
        empty = journal_of(plan.name, left[0].signal.group.digest, now)

        def commit(batches: Sequence[Sequence[Disposition]]) -> Sequence[None]:
            for at in range(0, len(batches), MOST_NOTES):
                self._append(plan, empty, batches[at : at + MOST_NOTES], now)
            return [None] * len(batches)

        self.notes.submit(empty.id, left, commit)

    def _append(
        self, plan: Plan, empty: Journal, notes: Sequence[Sequence[Disposition]], now: datetime
    ) -> None:
        """One event a note, all of them in one entry."""
        for tried in range(MOST_TRIES):
            try:
                before, tag = self.journals.journal(empty)
                entry = Entry(before, ())
                for note in notes:
                    noted = note_dispositions(entry.after, note, plan.rules.timezone, now)
                    entry = Entry(noted.after, entry.events + noted.events)
                self.journals.append(before, tag, entry)
            except Conflict:
                let_others_go_first(tried)
            else:
                return
        raise StoreUnavailable("too many others are writing to the journal")


def _judged(
    signals: Sequence[Signal], newest: Incident | None, frozen: Rules | None, rules: Rules, now: datetime
) -> Sequence[Signal]:
    """By the rules of the incident that they join; ``rules`` only know what they open.

    Whether they begin it again or open the next one is for ``rules`` to say, which may ask them to wait.
    """
    if newest is None or frozen is None or frozen.hash == rules.hash:
        return signals
    own = [replace(classify(each.alert, frozen), group=each.group) for each in signals]
    if not newest.over:
        return own
    if newest.status != "resolved" or newest.resolved_at is None:
        return signals
    if now - newest.resolved_at >= frozen.reopen_within:
        return signals
    if any(each.alert.firing and each.declare_at is not None and each.declare_at > now for each in signals):
        return signals
    return [
        replace(each, severity=by_own.severity, rule=by_own.rule)
        for each, by_own in zip(signals, own, strict=True)
    ]


def _ruled(plan: Plan, rules: Rules) -> Plan:
    """The plan as it rules a group: by the rules on trial, or as it is."""
    return plan if rules is plan.rules else replace(plan, rules=rules)


def _portion(signals: Sequence[Signal], start: int) -> list[Signal]:
    """What comes from ``start`` on, as far as one change is sure to carry."""
    portion: list[Signal] = []
    room = MOST_TEXT
    for signal in islice(signals, start, start + MOST_SIGNALS):
        room -= min(LARGEST_ALERT, _length(signal.alert))
        if portion and room < 0:
            break
        portion.append(signal)
    return portion


def _length(alert: Alert) -> int:
    texts = (*alert.labels, *alert.labels.values(), *alert.annotations, *alert.annotations.values())
    return sum(map(len, texts))


def _moved(place: Place, stored: Stored) -> Place:
    return replace(place, slot=replace(place.slot, newest=stored.incident), newest=stored)


def _outcomes(
    batches: Sequence[Sequence[Signal]], done: Sequence[tuple[Disposition, Incident | None]]
) -> list[Outcome]:
    outcomes, at = [], 0
    for batch in batches:
        outcomes.append(_outcome(done[at : at + len(batch)]))
        at += len(batch)
    return outcomes


def _outcome(own: Sequence[tuple[Disposition, Incident | None]]) -> Outcome:
    """The first action that applies, and the incident as the last change of the call left it."""
    incident = next((touched for _, touched in reversed(own) if touched is not None), None)
    entries = [entry for entry, _ in own]
    if any(entry.action == "resolved" for entry in entries):
        entries = [entry for entry in entries if entry.rule != OTHERS_FIRE]
    action = min((entry.action for entry in entries), key=_ORDER.index)
    if incident is None or incident.hidden:
        return Outcome(action)
    return Outcome(action, incident.id, incident.status, incident.severity)
