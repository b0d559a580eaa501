"""Whatever people, sources and clocks do, in whatever order, the invariants of an incident hold."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from shared.domain import escalation
from shared.domain.cadence import PostUpdate
from shared.domain.change import Change
from shared.domain.checklist import Tick
from shared.domain.classification import classify
from shared.domain.deadlines import deadline
from shared.domain.delivery import Attempt, Delivery
from shared.domain.errors import InvalidInput, NotFound, Refused
from shared.domain.hours import BusinessHours, BusinessTime
from shared.domain.incident import Head, Incident
from shared.domain.intake import MOST_IN_ONE_CHANGE, Slot, receive
from shared.domain.matrix import Inform, Step, Updates
from shared.domain.oncall import Layer, Restriction, Rotation
from shared.domain.plan import (
    ActionItemRule,
    Checklist,
    ClosingCode,
    Declaration,
    Directory,
    Item,
    Match,
    ReviewRule,
    Role,
    Rules,
)
from shared.domain.response import Acknowledge, Command, Escalate, Note, Reopen, Resolve, respond
from shared.domain.review import ChangeItem, WriteReview
from shared.domain.roles import HandOver
from shared.domain.severity import SetSeverity
from shared.domain.timeline import Event, Text, first_break, parse_stamp, stamp
from tests.builders import NOON, a_directory, a_severity, an_alert, minutes, some_rules

PARTITION = "ABCDEFGH"
BEGINS_ANEW = ("reopened", "severity-raised", "severity-changed", "acknowledgement-expired")
jumps = st.sampled_from([0, 0, 1, 59, 60, 61, 299, 300, 600, 899, 900, 901, 3600, 86_400, 700_000])
identities = st.sampled_from(["a", "b", "c"])


class AnIncident(RuleBasedStateMachine):
    """One group key, its incidents one after another, and everything that may happen to them."""

    @initialize(
        until=st.sampled_from(["acknowledged", "resolved"]),
        repeats=st.integers(0, 2),
        expires=st.sampled_from([None, minutes(7), minutes(20)]),
        timezone=st.sampled_from(["UTC", "America/Barbados", "Pacific/Auckland"]),
        respond=st.sampled_from([None, minutes(5)]),
        reopen=st.sampled_from([minutes(0), minutes(30)]),
        auto=st.booleans(),
        rich=st.booleans(),
    )
    def begin(self, until, repeats, expires, timezone, respond, reopen, auto, rich) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
        quiet = a_severity(
            "P2", steps=((minutes(5), ("oncall",)),), respond_within=respond, resolve_within=None
        )
        loud = a_severity(
            "P1",
            until=until,
            repeats=repeats,
            every=minutes(10),
            acknowledgement_expires=expires,
            respond_within=respond,
        )
        self.ruling: Rules = some_rules(
            loud, quiet, reopen_within=reopen, auto_resolve=auto, timezone=timezone
        )
        if rich:
            self.ruling = _enriched(self.ruling)
        known = a_directory(oncall=("one", "two"), lead=("one",), manager=("one",))
        week = Layer(("oncall", "lead"), "2026-01-05T09:00", minutes(7 * 1440))
        sre = Rotation("sre", layers=(replace(week, only=Restriction((0, 1, 2, 3, 4))),))
        rotations = {"sre": sre, "vacant": Rotation("vacant")}
        self.directory = replace(known, rotations=rotations)
        self.now: datetime = NOON
        self.head: Head | None = None
        self.incidents: list[Incident] = []
        self.timelines: dict[str, list[Event]] = {}
        self.outbox: dict[str, dict[str, Delivery]] = {}
        self.firings = 0
        self.suppressed = 0

    @property
    def newest(self) -> Incident | None:
        return self.incidents[-1] if self.incidents else None

    def keep(self, change: Change | None) -> None:
        if change is None:
            return
        after = change.after
        if change.before is None:
            self.incidents.append(after)
            self.timelines[after.id], self.outbox[after.id] = [], {}
        else:
            assert change.before == self.incidents[after.n - 1], "a change holds only on top of what it saw"
            self.incidents[after.n - 1] = after
        self.timelines[after.id] += change.events
        owed = self.outbox[after.id]
        for delivery in change.settled:
            owed.pop(delivery.id)
        for delivery in change.owed:
            assert delivery.id not in owed
            owed[delivery.id] = delivery
        self.head = change.head or self.head

    @rule(jump=jumps)
    def time_passes(self, jump: int) -> None:
        self.now += timedelta(seconds=jump)

    @rule(jump=st.integers(1, 30))
    def another_instance_has_a_slow_clock(self, jump: int) -> None:
        self.now -= timedelta(seconds=jump)

    @rule(
        heard=st.lists(
            st.tuples(identities, st.booleans(), st.integers(0, 3), st.sampled_from(["P1", "P2", None])),
            min_size=1,
            max_size=6,
        )
    )
    def alerts_arrive(self, heard: list[tuple[str, bool, int, str | None]]) -> None:
        signals = [
            classify(
                an_alert(
                    identity=identity,
                    firing=firing,
                    severity=severity,
                    group="g",
                    labels={"slow": "yes"} if identity == "c" else {},
                    at=NOON + minutes(20 * occurrence),
                ),
                self.ruling,
            )
            for identity, firing, occurrence, severity in heard
        ]
        left = signals
        while left:
            slot = Slot(PARTITION, "f" * 64, self.head, self.newest)
            received = receive(slot, left, self.ruling, self.ruling, self.directory, self.now)
            caught_up = received.change is not None and not received.change.complete
            assert received.dispositions or caught_up, "every change makes headway, so that a call ends"
            self.keep(received.change)
            self.head = received.head or self.head
            if received.change is not None:
                counted = received.change.after.id
                self.firings += sum(
                    entry.signal.alert.firing and entry.action in ("opened", "updated", "pending")
                    for entry in received.dispositions
                    if entry.incident == counted
                )
            left = left[len(received.dispositions) :]

    @precondition(lambda self: self.newest is not None)
    @rule(
        command=st.sampled_from(
            [
                Acknowledge(),
                Note("cause", Text("disk", "00")),
                Escalate(),
                Escalate("lead", Text("help", "01")),
                Resolve(Text("fixed", "02"), "fixed"),
                Reopen(),
                PostUpdate("identified", Text("it is the disk", "03")),
                PostUpdate("monitoring", Text("it is mended", "04"), "external"),
                HandOver("commander", "lead"),
                SetSeverity("P1"),
                SetSeverity("P2", Text("it is not so bad", "05")),
                Tick("verified", "ticked"),
                Tick("verified", "overridden", Text("no time", "06")),
                WriteReview({"root-cause": Text("disk", "07"), "lessons": Text("two disks", "08")}, True),
                ChangeItem(None, Text("buy a disk", "09"), "lead", NOON + minutes(500), "high", None),
                ChangeItem("A1", None, None, None, None, "done"),
            ]
        )
    )
    def a_person_acts(self, command: Command) -> None:
        incident = self.newest
        assert incident is not None
        key = f"k{incident.version}"
        try:
            change = respond(incident, command, self.ruling, self.directory, "person:1", key, self.now)
        except (Refused, InvalidInput, NotFound):
            return
        self.keep(change)
        assert self.newest is not None
        again = respond(self.newest, command, self.ruling, self.directory, "person:1", key, self.now)
        assert again is None, "a command with a key that was seen is not applied twice"

    @precondition(lambda self: bool(self.incidents))
    @rule(data=st.data(), ok=st.booleans())
    def a_delivery_is_tried(self, data: st.DataObject, ok: bool) -> None:
        owed = [(key, each) for key, rows in self.outbox.items() for each in rows.values()]
        due = [
            (key, each)
            for key, each in owed
            if each.state in ("queued", "leased") and each.due_at <= self.now
        ]
        if not due:
            return
        key, delivery = data.draw(st.sampled_from(due))
        attempt = Attempt(self.now, ok, 200 if ok else 503)
        tried = delivery.claimed(self.now).after(attempt, permanent=False, retry_after=None)
        if delivery.moot(next(each.status for each in self.incidents if each.id == key)):
            tried = delivery.withdrawn()
        self.outbox[key][delivery.id] = tried

    @precondition(lambda self: bool(self.incidents))
    @rule()
    def the_sweep_runs(self) -> None:
        for incident in list(self.incidents):
            for _ in range(200):
                owed = list(self.outbox[incident.id].values())
                now_is = self.incidents[incident.n - 1]
                change = escalation.advance(now_is, owed, self.ruling, self.directory, self.now)
                if change is None:
                    break
                self.keep(change)
            else:
                raise AssertionError("advancing does not come to rest")
            after = self.incidents[incident.n - 1]
            outcome_waits = any(
                each.state in ("accepted", "failed", "withdrawn") for each in self.outbox[after.id].values()
            )
            assert not outcome_waits
            due_now = [each.due_at for each in self.outbox[after.id].values()]
            rest = deadline(replace(after, deliver_at=None), self.ruling)
            assert rest is None or rest > self.now, "everything that lapsed has been acted on"
            assert after.deadline == min([*due_now, *([rest] if rest else [])], default=None)

    @invariant()
    def every_chain_is_intact(self) -> None:
        for incident in getattr(self, "incidents", []):
            events = self.timelines[incident.id]
            assert first_break(events) is None
            assert (incident.length, incident.head) == (len(events), events[-1].hash)

    @invariant()
    def no_step_fires_twice_and_none_is_skipped(self) -> None:
        for incident in getattr(self, "incidents", []):
            fired: list[tuple[int, int, bool, bool]] = []
            begun_anew, dropped = True, False
            for event in self.timelines[incident.id]:
                if (
                    event.type in ("escalated", "escalated-manually", "step-passed")
                    and event.data["round"] is not None
                ):
                    fired.append((event.data["round"], event.data["step"], begun_anew, dropped))
                    dropped = False
                    begun_anew = event.data["step"] == self._steps(incident.id, event.seq)
                elif event.type in BEGINS_ANEW:
                    begun_anew = True
                    dropped = dropped or event.type == "acknowledgement-expired"
            assert len(fired) == len({(round_, step) for round_, step, _, _ in fired})
            for before, after in pairwise(fired):
                next_step = after[:2] == (before[0], before[1] + 1)
                anew = after[0] > before[0] and after[2]
                assert next_step or (anew and (after[1] == 1 or after[3]))

    def _steps(self, incident: str, seq: int) -> int:
        """Steps of the ladder in force when the event of that number was recorded."""
        severity = ""
        for event in self.timelines[incident][:seq]:
            if event.type in ("opened", "severity-raised", "severity-changed"):
                severity = str(event.data.get("to") or event.data["severity"])
        return len(self.ruling.severity(severity).steps)

    @invariant()
    def an_open_incident_has_a_deadline_no_later_than_anything_it_waits_for(self) -> None:
        for incident in getattr(self, "incidents", []):
            if incident.status == "pending":
                assert incident.held is not None
                assert incident.deadline == incident.held.until
            elif not incident.over:
                assert incident.deadline is not None
                assert incident.week_due is not None
                assert incident.deadline <= incident.week_due
            for delivery in self.outbox[incident.id].values():
                if delivery.state in ("queued", "leased"):
                    assert incident.deadline is not None
                    assert (
                        incident.deadline <= max(delivery.due_at, self.now) or incident.deadline <= self.now
                    )

    @invariant()
    def nothing_counted_is_lost(self) -> None:
        if not hasattr(self, "incidents"):
            return
        assert sum(incident.alert_count for incident in self.incidents) == self.firings
        listed = sum(
            entry["count"]
            for events in self.timelines.values()
            for event in events
            if event.type == "alerts"
            for entry in event.data["alerts"]
            if entry["state"] == "firing" and entry["disposition"] in ("opened", "updated", "pending")
        )
        assert listed == self.firings

    @invariant()
    def the_facts_that_figures_use_can_be_read_from_the_events_alone(self) -> None:
        for incident in getattr(self, "incidents", []):
            if incident.hidden:
                continue
            facts = _facts_from(self.timelines[incident.id])
            assert facts["status"] == incident.status
            assert facts["severity"] == incident.severity
            assert facts["respond_due"] == incident.respond.due
            assert facts["resolve_due"] == incident.resolve.due
            assert facts["breached"] == {
                name
                for name, clock in (("respond", incident.respond), ("resolve", incident.resolve))
                if clock.breached
            }

    @invariant()
    def at_most_one_incident_of_a_group_is_open(self) -> None:
        live = [incident for incident in getattr(self, "incidents", []) if not incident.over]
        assert len(live) <= 1

    @invariant()
    def nobody_hears_of_what_is_not_declared(self) -> None:
        for incident in getattr(self, "incidents", []):
            if incident.hidden:
                types = {event.type for event in self.timelines[incident.id]}
                assert types <= {"pending", "alerts", "dropped"}
                assert not self.outbox[incident.id]


def _enriched(rules: Rules) -> Rules:
    """The same severities with everything else that a plan may ask for."""
    informs = (Inform(minutes(30), ("manager",)), Inform(BusinessTime(), ("sre",)))
    updates = (
        Updates("internal", minutes(60), None, ("commander",), minutes(10), ("lead",)),
        Updates("external", None, minutes(15), ("nobody",)),
    )
    loud, quiet = rules.severities
    more = Step(BusinessTime(minutes(600)), ("commander", "sre"), unless="acknowledged")
    return replace(
        rules,
        severities=(
            replace(loud, steps=(*loud.steps, more), inform=informs, updates=updates),
            replace(quiet, inform=informs, updates=updates),
        ),
        hours=BusinessHours(),
        declare=(Declaration("slowly", minutes(5), Match(labels={"slow": "yes"})),),
        roles=(Role("commander", primary="sre", secondary="oncall"), Role("nobody", primary="vacant")),
        checklists=(Checklist("before", "verification", (Item("verified", "It works", required=True),)),),
        closing_codes=(ClosingCode("fixed"),),
        review=ReviewRule(("P1",), minutes(2880), ("commander",), (minutes(1440), minutes(60)), ("manager",)),
        action_items=ActionItemRule(("manager",), minutes(10_080)),
    )


def _facts_from(events: list[Event]) -> dict[str, object]:
    status = "open"
    breached: set[str] = set()
    facts: dict[str, object] = {}
    for event in events:
        data = event.data
        if event.type in ("opened", "reopened"):
            status, breached = "open", set()
        if event.type in ("opened", "reopened", "severity-raised", "severity-changed"):
            facts |= {name: _instant(data[name]) for name in ("respond_due", "resolve_due")}
        if event.type == "opened":
            facts["severity"] = data["severity"]
        if event.type in ("severity-raised", "severity-changed"):
            facts["severity"] = data["to"]
        if event.type == "breached":
            breached.add(data["clock"])
        status = {
            "acknowledged": "acknowledged",
            "acknowledgement-expired": "open",
            "resolved": "resolved",
        }.get(event.type, status)
    return facts | {"status": status, "breached": breached}


def _instant(text: str | None) -> datetime | None:
    return parse_stamp(text) if text else None


TestAnIncident = AnIncident.TestCase
TestAnIncident.settings = settings(max_examples=250, stateful_step_count=60, deadline=None)


def test_a_change_never_outgrows_one_transaction() -> None:
    crowd = tuple(f"c{n}" for n in range(20))
    loud = a_severity("P1", steps=tuple((minutes(n), crowd) for n in range(20)))
    quiet = a_severity("P2", steps=((minutes(0), crowd),))
    rules = some_rules(loud, quiet, alarm=tuple(f"alarm{n}" for n in range(20)))
    for directory in (a_directory(**dict.fromkeys(crowd, ("log",))), a_directory(other=("log",))):
        _walk_through_a_long_outage(rules, directory)


def _walk_through_a_long_outage(rules: Rules, directory: Directory) -> None:
    """Fifty quiet alerts and a loud one, three weeks of silence, then a resolution."""
    heard = [an_alert(identity=str(n), group="g", severity="P1" if n == 50 else "P2") for n in range(51)]
    slot, left = Slot(PARTITION, "f" * 64), [classify(alert, rules) for alert in heard]
    incident: Incident | None = None
    while left:
        received = receive(slot, left, rules, rules, directory, NOON)
        assert received.change is not None
        incident = _fits(received.change)
        slot, left = (
            replace(slot, head=Head("f" * 64, 2), newest=incident),
            left[len(received.dispositions) :],
        )
    assert incident is not None
    later = NOON + minutes(60 * 24 * 21)
    change = respond(incident, Resolve(), rules, directory, "person:1", None, later)
    caught_up = 0
    while change is not None and not change.complete:
        incident, caught_up = _fits(change), caught_up + 1
        change = respond(incident, Resolve(), rules, directory, "person:1", None, later)
    assert change is not None
    assert _fits(change).status == "resolved"
    assert change.after.respond.breached, "what lapsed before the command is on record"
    assert caught_up


def test_a_crowd_on_every_list_still_fits_and_the_incident_can_be_resolved() -> None:
    crowds = {name: tuple(f"{name}{n}" for n in range(20)) for name in ("a", "b", "c", "d", "e")}
    updates = (
        Updates("internal", minutes(60), None, crowds["a"], minutes(10), crowds["b"][:10]),
        Updates("external", minutes(60), None, crowds["a"], minutes(10), crowds["b"][10:]),
    )
    steps = ((minutes(0), crowds["c"]), (minutes(5), crowds["d"]))
    loud = replace(
        a_severity("P1", steps=steps, until="resolved"),
        inform=(Inform(minutes(0), crowds["a"]),) * 5,
        updates=updates,
    )
    rules = replace(
        some_rules(loud, replace(loud, name="P2"), alarm=crowds["e"]),
        review=ReviewRule(("P1",), minutes(60), crowds["d"][:10], (), crowds["d"][10:]),
        action_items=ActionItemRule(crowds["c"][:19]),
    )
    everybody = [name for crowd in crowds.values() for name in crowd]
    for directory in (a_directory(**dict.fromkeys(everybody, ("log",))), a_directory(other=("log",))):
        _walk_through_a_long_outage(rules, directory)
        _end_by_the_source(rules, directory)


def _end_by_the_source(rules: Rules, directory: Directory) -> None:
    """Fifty alerts, all of which end in one call."""
    slot, incident = Slot(PARTITION, "f" * 64), None
    for firing in (True, False):
        left = [
            classify(an_alert(identity=str(n), group="g", firing=firing, severity="P2"), rules)
            for n in range(50)
        ]
        while left:
            received = receive(slot, left, rules, rules, directory, NOON)
            assert received.change is not None
            incident = _fits(received.change)
            slot = replace(slot, head=Head("f" * 64, 2), newest=incident)
            left = left[len(received.dispositions) :]
    assert incident is not None
    assert incident.status == "resolved"


def _fits(change: Change) -> Incident:
    rows = 2 + len(change.alerts) + len(change.events) + len(change.texts)
    assert rows + len(change.owed) + 2 * len(change.settled) <= 100
    return change.after


def test_fifty_alerts_fit_in_one_change() -> None:
    rules, directory = some_rules(), a_directory()
    signals = [classify(an_alert(identity=str(n), group="g"), rules) for n in range(200)]
    received = receive(Slot(PARTITION, "f" * 64), signals, None, rules, directory, NOON)
    assert received.change is not None
    assert len(received.dispositions) == MOST_IN_ONE_CHANGE
    change = received.change
    assert len(change.alerts) + len(change.events) + len(change.owed) + 2 <= 100


def test_stamps_read_back_as_they_were() -> None:
    assert parse_stamp(stamp(NOON)) == NOON
