"""What alerts do to an incident: open it, count on it, resolve it, open it again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from shared.domain import opening
from shared.domain.change import RESERVE, AlertSeen, Change, Draft
from shared.domain.checklist import unmet
from shared.domain.classification import Signal
from shared.domain.escalation import fire_lapsed
from shared.domain.incident import MOST_ALERTS, MOST_WAITS, AlertState, Head, Held, Incident
from shared.domain.opening import closing_rows
from shared.domain.plan import Directory, Rules
from shared.domain.severity import raise_severity
from shared.domain.timeline import stamp, stamp_or_none

Action = Literal["opened", "updated", "resolved", "pending", "suppressed", "ignored"]
MOST_IN_ONE_CHANGE = 50
"""Fingerprints per change."""
EARLY_KEPT = 256
OTHERS_FIRE = "other alerts of the incident are firing"
LAST_RESOLVED = "with it the last firing alert is resolved"


@dataclass(frozen=True)
class Disposition:
    """What became of one alert; ``incident`` is None where it touched none."""

    signal: Signal
    action: Action
    rule: str
    incident: str | None = None


@dataclass(frozen=True)
class Slot:
    """Where a group's alerts go: its partition, the partition's head, and its newest incident."""

    partition: str
    group: str
    head: Head | None = None
    newest: Incident | None = None


@dataclass(frozen=True)
class Received:
    """The outcome for a prefix of the signals; the rest belongs in the next change."""

    change: Change | None
    dispositions: tuple[Disposition, ...]
    head: Head | None = None
    """The head, where it alone changes: an early resolution is remembered."""


def receive(
    slot: Slot,
    signals: Sequence[Signal],
    frozen: Rules | None,
    current: Rules,
    directory: Directory,
    now: datetime,
) -> Received:
    """Apply signals of one group, in order, as far as one change carries.

    ``frozen`` are the rules of ``slot.newest`` (None where there is none), ``current`` those of today, by
    which a new incident opens.
    """
    return _Intake(slot, frozen, current, directory, now).run(signals)


@dataclass
class _Intake:
    slot: Slot
    frozen: Rules | None
    current: Rules
    directory: Directory
    now: datetime
    draft: Draft | None = None
    head: Head | None = None
    done: list[Disposition] = field(default_factory=list)
    signals: Sequence[Signal] = ()

    def run(self, signals: Sequence[Signal]) -> Received:
        self.signals = signals
        if self._something_lapsed() and not self._caught_up(self._edit()):
            return self._close()
        for signal in signals:
            if self._full() or self._next_incident_needed(signal) or self._too_full_to_resolve(signal):
                break
            action, rule = self._firing(signal) if signal.alert.firing else self._resolved(signal)
            incident = self._incident
            self.done.append(Disposition(signal, action, rule, incident.id if incident else None))
        return self._close()

    @property
    def _incident(self) -> Incident | None:
        return self.draft.incident if self.draft else self.slot.newest

    def _something_lapsed(self) -> bool:
        """What had lapsed before the call comes first, if it takes changes of its own."""
        newest = self.slot.newest
        if newest is None or newest.over or newest.deadline is None:
            return False
        return newest.deadline < self.now

    def _full(self) -> bool:
        """No room for one more alert and all that may follow from it, and the event that lists them."""
        if self.draft is None or not self.done:
            return False
        return len(self.draft.alerts) >= MOST_IN_ONE_CHANGE or self.draft.room < RESERVE + 2

    def _caught_up(self, draft: Draft) -> bool:
        """Whether what had lapsed leaves room for whatever the call sets in motion; else it comes first."""
        if draft.events and draft.room < closing_rows(draft) + 4:
            draft.complete = False
        return draft.complete

    def _too_full_to_resolve(self, signal: Signal) -> bool:
        """The last resolution may tell many at once, and so takes a change that is nearly empty."""
        if self.draft is None or not self.done or signal.alert.firing or self.draft.incident.over:
            return False
        seen = self.draft.incident.alerts.get(signal.alert.fingerprint)
        last = seen is not None and seen.firing and self.draft.incident.firing == 1
        return last and self.draft.room < closing_rows(self.draft) + 2

    def _next_incident_needed(self, signal: Signal) -> bool:
        """Two incidents never share a change."""
        if self.draft is None or not self.draft.incident.over or not signal.alert.firing:
            return False
        return not self._reopens(self.draft.incident, signal) and not self._over(signal)

    def _firing(self, signal: Signal) -> tuple[Action, str]:
        if self._over(signal):
            return "ignored", "this occurrence is resolved already"
        action, rule = self._begin(signal)
        draft = self._edit()
        if not self._see(draft, signal):
            return "suppressed", f"more than {MOST_ALERTS} alerts in one incident"
        self._raise_severity(draft, signal)
        if draft.incident.status == "pending":
            return self._wait_or_declare(draft, signal)
        return action, rule

    def _begin(self, signal: Signal) -> tuple[Action, str]:
        """The incident that a firing alert goes to, begun or begun again where need be."""
        incident = self._incident
        if incident is None or (incident.over and not self._reopens(incident, signal)):
            self.draft = self._open(signal)
            return "opened", signal.rule
        if incident.status == "resolved":
            draft = self._edit()
            opening.reopen(draft, "source", _actor(signal), signal.alert.started_at, None, self.now)
            fire_lapsed(draft, self.now, inclusive=True)
            return "updated", "fires again within the plan's window"
        return "updated", "joins the open incident"

    def _wait_or_declare(self, draft: Draft, signal: Signal) -> tuple[Action, str]:
        """A pending incident is declared as soon as one of its alerts need not wait (any more)."""
        if signal.declare_at is not None and signal.declare_at > self.now:
            held = _waiting(draft, signal, signal.declare_at)
            if held.until > self.now:
                return "pending", f"{signal.declaration}: not declared before {stamp(held.until)}"
        opening.declare(draft, _actor(signal), self.now)
        fire_lapsed(draft, self.now, inclusive=True)
        return "opened", signal.rule

    def _resolved(self, signal: Signal) -> tuple[Action, str]:
        alert, incident = signal.alert, self._incident
        if incident is None:
            self._remember(signal)
            return "ignored", "nothing is open; the resolution is remembered"
        seen = incident.alerts.get(alert.fingerprint)
        if seen is not None and not seen.firing and seen.started_at >= alert.started_at:
            return "ignored", "this occurrence is resolved already"
        if seen is not None and alert.start_known and (alert.ended_at or alert.started_at) < seen.started_at:
            return "ignored", "an earlier occurrence; a later one is firing"
        if incident.over and seen is None:
            self._remember(signal)
            return "ignored", "nothing is open; the resolution is remembered"
        draft = self._edit()
        if not self._see(draft, signal):
            return "suppressed", f"more than {MOST_ALERTS} alerts in one incident"
        if seen is None:
            return "ignored", "was not firing here; the resolution is remembered"
        return self._resolve_if_last(draft, signal)

    def _resolve_if_last(self, draft: Draft, signal: Signal) -> tuple[Action, str]:
        if draft.incident.over:
            return "updated", "the incident is resolved already"
        if draft.incident.firing:
            _no_more_waiting(draft, signal)
            return "updated", OTHERS_FIRE
        ended = signal.alert.ended_at or self.now
        if draft.incident.status == "pending":
            opening.drop(draft, _actor(signal), min(ended, self.now))
            return "resolved", "cleared before it was declared"
        if why := _for_people(draft):
            opening.clear(draft, _actor(signal), min(ended, self.now))
            return "updated", why
        opening.resolve(draft, "source", _actor(signal), min(ended, self.now), None, None, self.now)
        self.done = [_with_the_last(entry) for entry in self.done]
        return "resolved", LAST_RESOLVED

    def _over(self, signal: Signal) -> bool:
        alert, incident = signal.alert, self._incident
        seen = incident.alerts.get(alert.fingerprint) if incident else None
        if seen is not None and not seen.firing and seen.started_at >= alert.started_at:
            return True
        head = self.head or self.slot.head
        early = head.resolved_early.get(alert.fingerprint) if head else None
        return early is not None and early >= alert.started_at

    def _reopens(self, incident: Incident, signal: Signal) -> bool:
        """Soon enough after the resolution; but what has to wait before it is declared reopens nothing."""
        if signal.declare_at is not None and signal.declare_at > self.now:
            return False
        rules = self.draft.rules if self.draft else self.frozen
        if incident.status != "resolved" or incident.resolved_at is None:
            return False
        if rules is None or not rules.reopen_within:
            return False
        return self.now - incident.resolved_at < rules.reopen_within

    def _open(self, signal: Signal) -> Draft:
        head = self._remembering_what_is_over()
        alert, n = signal.alert, head.next_n
        firing = [each for each in self.signals if each.alert.firing and not self._over(each)]
        loudest = min(firing, key=lambda each: self.current.loudness(each.severity))
        incident = Incident(
            self.slot.partition,
            n,
            self.current.plan,
            alert.source,
            self.slot.group,
            alert.name,
            signal.service,
            loudest.severity,
            self.current.hash,
            self.now,
            title=alert.name,
            summary=alert.summary,
            source_url=alert.url,
        )
        self.head = replace(head, next_n=n + 1)
        began = min(each.alert.started_at for each in firing)
        if held := _held(firing, loudest.rule, self.now):
            return opening.hold(incident, self.current, self.directory, _actor(signal), held, began, self.now)
        draft = opening.open_incident(
            incident, self.current, self.directory, _actor(signal), loudest.rule, began, None, self.now
        )
        fire_lapsed(draft, self.now, inclusive=True)
        return draft

    def _edit(self) -> Draft:
        if self.draft is None:
            newest, frozen = self.slot.newest, self.frozen
            if newest is None or frozen is None:
                raise AssertionError("an incident comes with the rules that rule it")
            self.draft = Draft(newest, newest, frozen, self.directory, self.now)
            fire_lapsed(self.draft, self.now, inclusive=False)
        return self.draft

    def _see(self, draft: Draft, signal: Signal) -> bool:
        incident, alert = draft.incident, signal.alert
        before = incident.alerts.get(alert.fingerprint)
        if before is None and len(incident.alerts) >= MOST_ALERTS:
            return False
        count = (before.count if before else 0) + alert.firing
        goes_on = before is not None and before.firing and not alert.start_known
        started_at = before.started_at if before is not None and goes_on else alert.started_at
        state = AlertState(alert.firing, started_at, count)
        alerts = {**incident.alerts, alert.fingerprint: state}
        draft.set(alerts=alerts, alert_count=incident.alert_count + alert.firing)
        earlier = draft.alerts.get(alert.fingerprint)
        new = before is None or (earlier is not None and earlier.new)
        draft.alerts[alert.fingerprint] = AlertSeen(alert, state, new)
        return True

    def _raise_severity(self, draft: Draft, signal: Signal) -> None:
        if raise_severity(draft, signal.severity, _actor(signal), signal.rule):
            fire_lapsed(draft, self.now, inclusive=True)

    def _remember(self, signal: Signal) -> None:
        head = self.head or self.slot.head or Head(self.slot.group)
        self.head = _with_over(head, {signal.alert.fingerprint: signal.alert.started_at})

    def _remembering_what_is_over(self) -> Head:
        """Occurrences that ended in the incident before stay over when the next one opens."""
        head, newest = self.head or self.slot.head or Head(self.slot.group), self._incident
        states = newest.alerts.items() if newest else ()
        return _with_over(head, {key: state.started_at for key, state in states if not state.firing})

    def _close(self) -> Received:
        done = tuple(self.done)
        if self.draft is None:
            return Received(None, done, self.head)
        draft = self.draft
        draft.head = self.head
        draft.keep_waiting()
        if not done:
            return Received(draft.finish(), done)
        own = [entry for entry in done if entry.incident == draft.incident.id]
        firsts = min((entry.signal.alert.started_at for entry in own), default=self.now)
        draft.event("alerts", _actor(done[0].signal), {"alerts": folded(own)}, firsts)
        return Received(draft.finish(), done)


def _with_the_last(entry: Disposition) -> Disposition:
    """What ended in the same change as the last alert resolved the incident with it."""
    if entry.signal.alert.firing or entry.rule != OTHERS_FIRE:
        return entry
    return replace(entry, action="resolved", rule=LAST_RESOLVED)


def _with_over(head: Head, over: Mapping[str, datetime]) -> Head:
    kept = {key: instant for key, instant in head.resolved_early.items() if key not in over}
    return replace(head, resolved_early=dict([*kept.items(), *over.items()][-EARLY_KEPT:]))


def folded(dispositions: Sequence[Disposition]) -> list[dict[str, str | int | None]]:
    """One entry per fingerprint, occurrence, state, disposition and rule, with how many there were."""
    counts: dict[tuple[str, str, str | None, str, str, str], int] = {}
    for entry in dispositions:
        alert = entry.signal.alert
        ended = stamp_or_none(alert.ended_at)
        state = "firing" if alert.firing else "resolved"
        key = (alert.fingerprint, stamp(alert.started_at), ended, state, entry.action, entry.rule[:120])
        counts[key] = counts.get(key, 0) + 1
    names = ("fingerprint", "started_at", "ended_at", "state", "disposition", "rule")
    return [dict(zip(names, key, strict=True)) | {"count": count} for key, count in counts.items()]


def _actor(signal: Signal) -> str:
    return f"source:{signal.alert.source}"


def _waiting(draft: Draft, signal: Signal, until: datetime) -> Held:
    """The pending incident also waits for this alert; the earliest wait of those still firing counts."""
    held = draft.incident.held
    if held is None:
        raise AssertionError("a pending incident says until when")
    until = min(until, held.waits.get(signal.alert.fingerprint, until))
    waits = {**held.waits, signal.alert.fingerprint: until}
    kept = dict(sorted(waits.items(), key=lambda each: each[1])[:MOST_WAITS])
    held = replace(held, until=min(kept.values()), waits=kept)
    draft.set(held=held)
    return held


def _no_more_waiting(draft: Draft, signal: Signal) -> None:
    """An alert of a pending incident has ended: how long it had gone on counts no more."""
    held = draft.incident.held
    if held is None or signal.alert.fingerprint not in held.waits:
        return
    waits = {key: until for key, until in held.waits.items() if key != signal.alert.fingerprint}
    draft.set(held=replace(held, until=min(waits.values(), default=draft.now), waits=waits))


def _held(firing: Sequence[Signal], rule: str, now: datetime) -> Held | None:
    """Until when a new incident waits: the earliest instant at which one of its alerts need not any more."""
    waits = [(each.declare_at, each.declaration or "") for each in firing if each.declare_at is not None]
    if len(waits) < len(firing) or not waits:
        return None
    until, declaration = min(waits)
    own = {each.alert.fingerprint: each.declare_at for each in firing if each.declare_at is not None}
    kept = dict(sorted(own.items(), key=lambda each: each[1])[:MOST_WAITS])
    return Held(until, rule, declaration, kept) if until > now else None


def _for_people(draft: Draft) -> str | None:
    """Why the source's resolution does not resolve the incident, where it does not."""
    if not draft.rules.auto_resolve:
        return "the plan leaves resolving to people"
    left = unmet(draft.incident, draft.rules)
    return f"the plan asks people to check {left[0].id} first" if left else None
