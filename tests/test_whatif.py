"""What would have been: recorded incidents under another plan, and the same plan gives what was recorded."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from shared.adapters.plan_files import read_plan
from shared.domain.cadence import PostUpdate
from shared.domain.checklist import Tick
from shared.domain.response import Acknowledge, Escalate, Reopen, Resolve
from shared.domain.roles import HandOver
from shared.domain.severity import SetSeverity
from shared.domain.timeline import Event, Text, canonical, record
from shared.plans.replay import replayed
from shared.plans.whatif import main
from tests.builders import NOON, an_alert, hours, minutes, seconds
from tests.stage import Stage
from tests.stories import Story

OLD = """
plan: acme
timezone: UTC
services: {api: {}}
default_service: api
severities:
  high:
    respond_within: 10m
    resolve_within: 4h
    steps: [{after: 0s, notify: [first-line]}, {after: 15m, notify: [lead]}, {after: 30m, notify: [boss]}]
    acknowledgement_expires: 2h
  low:
    respond_within: 1h
    steps: [{after: 30m, notify: [lead]}]
default_severity: high
classify: [{name: quiet, when: {alert: "quiet*"}, severity: low}]
reopen_within: 30m
alarm: {notify: [boss]}
contacts:
  anna: {reach: [{channel: log}]}
  ben: {reach: [{channel: log}]}
  lead: {reach: [{channel: log}]}
  boss: {reach: [{channel: log}]}
rotations:
  first-line:
    layers: [{members: [anna, ben], starts: "2026-11-18T00:00", handoff: 1d}]
channels: {log: {kind: log}}
"""
RICH = (
    OLD.replace(
        "    acknowledgement_expires: 2h\n",
        "    acknowledgement_expires: 40m\n"
        "    repeat: {times: 1, every: 20m}\n"
        "    inform: [{after: 10m, notify: [boss]}]\n"
        "    updates: {internal: {every: 30m, remind: [commander], remind_before: 5m, notify: [lead]}}\n"
        "    still_open: {every: 1h}\n",
    )
    + """
roles: {commander: {primary: first-line, secondary: lead}}
checklists: {first: {phase: initial, items: [{id: known, text: Known, required: true}]}}
closing: {codes: {fixed: Fixed}}
"""
)
SOONER = OLD.replace("{after: 15m, notify: [lead]}", "{after: 5m, notify: [lead]}")


class Told(Stage):
    """A stage on a plan from a file, whose timelines are written down."""

    def __init__(self, storage: str, folder: Path) -> None:
        super().__init__(storage)
        self.folder = folder
        self.ids: list[str] = []
        self.lives_by(OLD)

    def lives_by(self, text: str) -> None:
        """The plan that rules what is recorded from now on."""
        self.text = text.replace("plan: acme", f"plan: {self.name}")
        (self.folder / "old.yaml").write_text(self.text)
        self.plans.plan = read_plan(self.folder / "old.yaml")

    def opens(self, name: str, at: datetime = NOON) -> str:
        [outcome] = self.hear(an_alert(name, at=at), at=at)
        assert outcome.id is not None
        self.ids.append(outcome.id)
        return outcome.id

    def ends(self, name: str, at: datetime) -> None:
        self.hear(an_alert(name, firing=False, ended_at=at), at=at)

    def goes_on(self, until: datetime, *incidents: str) -> None:
        """Each deadline at its instant, as a punctual timer has it."""
        for incident in incidents:
            while (due := self.incident(incident).deadline) is not None and due <= until:
                self.advance(incident, at=due)

    def written(self) -> Path:
        path = self.folder / "timeline.jsonl"
        lines = [canonical(record(event)) for one in sorted(self.ids) for event in self.events(one)]
        path.write_bytes(b"".join(line + b"\n" for line in lines))
        return path

    def other(self, text: str) -> Path:
        path = self.folder / "new.yaml"
        path.write_text(text.replace("plan: acme", f"plan: {self.name}"))
        return path


@pytest.fixture
def told(storage: str, tmp_path: Path) -> Iterator[Told]:
    with Told(storage, tmp_path) as told:
        yield told


def asked(told: Told, new: str, *options: str, timelines: Path | None = None) -> list[str]:
    """The arguments of a question."""
    paths = (told.folder / "old.yaml", told.other(new), timelines or told.written())
    return [*map(str, paths), *options]


def answer(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def lived_through(told: Told) -> None:
    """Three incidents: one answered after 20 minutes, one quiet and not answered, one made louder."""
    one = told.opens("burning")
    told.goes_on(NOON + minutes(20), one)
    told.respond(one, Acknowledge(), NOON + minutes(20))
    told.goes_on(NOON + hours(1), one)
    told.ends("burning", NOON + hours(1))
    two = told.opens("quiet-one", NOON + hours(1))
    told.goes_on(NOON + hours(2), two)
    told.ends("quiet-one", NOON + hours(2) + minutes(1))
    three = told.opens("quiet-two", NOON + hours(1))
    told.respond(three, SetSeverity("high"), NOON + hours(1) + minutes(1))
    told.respond(three, Escalate("ben"), NOON + hours(1) + minutes(2))
    told.respond(three, Acknowledge(), NOON + hours(1) + minutes(3))
    told.goes_on(NOON + hours(5), three)
    told.respond(three, Resolve(), NOON + hours(5) + minutes(1))


def owed(told: Told, incident: str) -> list[tuple[str, str, str]]:
    """Whom the recorded incident told, when, of what."""
    found = told.store.deliveries(told.incident(incident))
    return sorted(
        (each.owed_at.isoformat(timespec="seconds").replace("+00:00", "Z"), each.contact, each.message.kind)
        for each in found
        if each.message.kind != "refresh"
    )


def test_the_same_plan_tells_whom_the_record_told_and_differs_in_nothing(
    told: Told, capsys: pytest.CaptureFixture[str]
) -> None:
    lived_through(told)
    assert main(asked(told, told.text, "--json")) == 0
    found = answer(capsys)
    assert [each["id"] for each in found["incidents"] if each["changed"]] == []
    for each in found["incidents"]:
        replayed = sorted((one["at"], one["contact"], one["kind"]) for one in each["old"]["told"])
        assert replayed == owed(told, each["id"]), each["id"]
        incident = told.incident(each["id"])
        assert (each["old"]["respond"] == "missed") is incident.respond.breached
        assert (each["old"]["resolve"] == "missed") is incident.resolve.breached
    assert found["totals"]["incidents"] == 3
    assert found["totals"]["ruled_by_others"] == 0


def is_worked_on(told: Told) -> str:
    """An incident with all that people do, left at its reopening."""
    told.lives_by(RICH)
    one = told.opens("burning")
    told.goes_on(NOON + minutes(12), one)
    told.respond(one, Acknowledge(), NOON + minutes(12) + seconds(5))
    told.respond(one, HandOver("commander", "ben"), NOON + minutes(13))
    told.respond(one, PostUpdate("investigating", Text("so", "salt")), NOON + minutes(14))
    told.goes_on(NOON + minutes(90), one)  # two updates are missed, the acknowledgement expires
    told.respond(one, Escalate(), NOON + minutes(91))
    told.respond(one, Tick("known", "ticked"), NOON + minutes(92))
    told.respond(one, Resolve(Text("done", "salt"), "fixed"), NOON + minutes(93))
    told.respond(one, Reopen(), NOON + minutes(94))
    return one


def is_reopened_by_its_source(told: Told, one: str) -> None:
    told.goes_on(NOON + minutes(200), one)
    told.respond(one, Tick("known", "overridden", Text("why", "salt")), NOON + minutes(201))
    told.ends("burning", NOON + minutes(202))
    told.hear(an_alert("burning", at=NOON + minutes(210)), at=NOON + minutes(210))
    told.goes_on(NOON + minutes(230), one)
    told.respond(one, Tick("known", "ticked"), NOON + minutes(231))
    told.ends("burning", NOON + minutes(232))
    told.respond(one, Acknowledge(), NOON + minutes(233))


def test_all_that_people_do_is_replayed(told: Told, capsys: pytest.CaptureFixture[str]) -> None:
    one = is_worked_on(told)
    is_reopened_by_its_source(told, one)
    kinds = {"acknowledgement-expired", "update-lapsed", "still-open", "acknowledged-late", "roles-assigned"}
    assert kinds <= set(told.types(one))
    assert main(asked(told, told.text, "--json")) == 0
    [found] = answer(capsys)["incidents"]
    replayed = sorted((each["at"], each["contact"], each["kind"]) for each in found["old"]["told"])
    assert replayed == owed(told, one)
    assert found["old"]["remarks"] == []


def test_what_the_other_plan_would_refuse_is_said(told: Told, capsys: pytest.CaptureFixture[str]) -> None:
    is_worked_on(told)
    assert main(asked(told, OLD, "--json")) == 1
    [found] = answer(capsys)["incidents"]
    assert [each for each in found["new"]["remarks"] if "role" not in each] == []
    assert main(asked(told, RICH.replace("id: known", "id: seen"), "--json")) == 1
    [found] = answer(capsys)["incidents"]
    assert "required checks are taken for done by the resolution: seen" in found["new"]["remarks"]


def test_a_sooner_step_tells_the_lead_sooner_and_names_both(
    told: Told, capsys: pytest.CaptureFixture[str]
) -> None:
    lived_through(told)
    assert main(asked(told, SOONER, "--only-changed")) == 1
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"{told.ids[0]} high api 2026-11-18T12:00:00Z"
    assert said[1:3] == [
        "  + 2026-11-18T12:05:00Z (+0:05:00) lead by log: escalation",
        "  - 2026-11-18T12:15:00Z (+0:15:00) lead by log: escalation",
    ]
    assert f"{told.ids[1]}" not in "\n".join(said)
    assert any(line.startswith("3 incidents replayed: ") for line in said)
    assert any(line.startswith("respond SLA met: 1 of 3") for line in said)


def test_a_longer_window_meets_the_sla_that_was_missed(
    told: Told, capsys: pytest.CaptureFixture[str]
) -> None:
    lived_through(told)
    assert main(asked(told, OLD.replace("respond_within: 10m", "respond_within: 20m"), "--json")) == 1
    found = answer(capsys)
    first = next(each for each in found["incidents"] if each["id"] == told.ids[0])
    assert (first["old"]["respond"], first["new"]["respond"]) == ("missed", "met")
    assert found["incidents"][0] == first
    names = ("respond SLA met", "resolve SLA met")
    assert [found["totals"][side][names[0]]["met"] for side in ("old", "new")] == [1, 2]


def test_a_rotation_is_whoever_is_on_call_by_that_plan_then(
    told: Told, capsys: pytest.CaptureFixture[str]
) -> None:
    lived_through(told)
    assert main(asked(told, OLD.replace("[anna, ben], starts", "[ben, anna], starts"), "--json")) == 1
    first = next(each for each in answer(capsys)["incidents"] if each["id"] == told.ids[0])
    assert first["old"]["told"][0]["contact"] == "anna"
    assert first["new"]["told"][0]["contact"] == "ben"


def test_an_acknowledgement_at_the_very_instant_of_a_step_beats_it(
    told: Told, capsys: pytest.CaptureFixture[str]
) -> None:
    one = told.opens("burning")
    told.respond(one, Acknowledge(), NOON + minutes(5))
    told.respond(one, Resolve(), NOON + minutes(6))
    assert main(asked(told, SOONER)) == 0
    late = SOONER.replace("after: 5m", "after: 4m59s")
    assert main(asked(told, late)) == 1
    assert "+ 2026-11-18T12:04:59Z (+0:04:59) lead by log: escalation" in capsys.readouterr().out


def test_a_severity_that_the_new_plan_lacks_is_said_and_counts_as_a_difference(
    told: Told, capsys: pytest.CaptureFixture[str]
) -> None:
    lived_through(told)
    new = OLD.replace("severity: low", "severity: minor").replace("  low:", "  minor:")
    assert main(asked(told, new)) == 1
    said = capsys.readouterr().out
    assert f"not replayed: 2 incidents, each has severity low, which {told.name} lacks" in said
    assert "1 incidents replayed: 0 come out differently, 1 the same" in said


def test_where_people_would_have_to_resolve_it_stays_open_and_that_is_said(
    told: Told, capsys: pytest.CaptureFixture[str]
) -> None:
    lived_through(told)
    assert (
        main(asked(told, OLD.replace("reopen_within", "auto_resolve: false\nreopen_within"), "--json")) == 1
    )
    second = next(each for each in answer(capsys)["incidents"] if each["id"] == told.ids[1])
    [remark] = second["new"]["remarks"]
    assert "leaves resolving to people" in remark


def test_what_is_still_open_is_replayed_up_to_the_latest_event_of_all(
    told: Told, capsys: pytest.CaptureFixture[str]
) -> None:
    told.opens("burning")
    other = told.opens("quiet-one", NOON + hours(1))
    told.goes_on(NOON + hours(1) + minutes(30), other)
    assert main(asked(told, OLD.replace("{after: 30m, notify: [boss]}", "{after: 90m, notify: [boss]}"))) == 1
    assert "+ 2026-11-18T13:30:00Z (+1:30:00) boss by log: escalation" in capsys.readouterr().out


def test_an_incident_that_lapses_without_end_is_left_at_so_many_lapses_in_all(tmp_path: Path) -> None:
    path = tmp_path / "restless.yaml"
    path.write_text(OLD.replace("    acknowledgement_expires: 2h\n", "    still_open: {every: 5m}\n"))
    data = {"group": "g", "name": "x", "service": "api", "severity": "high", "rule": "default"}
    kept = Story().tell("opened", NOON, {**data, "source": "generic", "rules": "a" * 64, "drill": None})
    kept.acknowledged(NOON + hours(24 * 10))  # after some 2,880 of them

    one = replayed(kept.events, read_plan(path), NOON + hours(24 * 18))

    assert one.remarks == ("more than 5000 things lapse; the rest is left out",)


def test_a_bundle_and_a_folder_say_the_same_as_their_timelines(
    told: Told, capsys: pytest.CaptureFixture[str]
) -> None:
    lived_through(told)
    path = told.written()
    assert main(asked(told, SOONER, timelines=path)) == 1
    plain = capsys.readouterr().out
    weeks = told.folder / "exports" / "2026-W47"
    weeks.mkdir(parents=True)
    with zipfile.ZipFile(weeks / "bundle.zip", "w") as bundle:
        bundle.write(path, "timeline.jsonl")
    shorter = path.read_text().splitlines(keepends=True)[:-3]
    (weeks / "timeline.jsonl").write_text("".join(shorter))
    for source in (weeks / "bundle.zip", told.folder / "exports"):
        assert main(asked(told, SOONER, timelines=source)) == 1
        assert capsys.readouterr().out == plain


def test_what_cannot_be_read_is_named_and_exits_2(told: Told, capsys: pytest.CaptureFixture[str]) -> None:
    told.opens("burning")
    path = told.written()
    assert main(asked(told, OLD.replace("respond_within: 10m", "respond_within: soon"))) == 2
    assert "new.yaml:" in capsys.readouterr().err
    path.write_text(path.read_text() + "{}\n")
    assert main(asked(told, OLD, timelines=path)) == 2
    assert f"{path}:{len(path.read_text().splitlines())}: is no event" in capsys.readouterr().err
    empty = told.folder / "empty"
    empty.mkdir()
    for missing in (empty, told.folder / "nothing.jsonl", told.folder / "nothing.zip"):
        assert main(asked(told, OLD, timelines=missing)) == 2
        assert str(missing) in capsys.readouterr().err


def test_drills_and_other_plans_are_left_out(told: Told, capsys: pytest.CaptureFixture[str]) -> None:
    one = told.opens("burning")
    path = told.written()

    def rewritten(**data: object) -> None:
        events = [_with(event, data) for event in told.events(one)]
        path.write_bytes(b"".join(canonical(record(event)) + b"\n" for event in events))

    rewritten(drill="failover")
    assert main(asked(told, SOONER, timelines=path)) == 0
    assert "0 incidents replayed" in capsys.readouterr().out
    rewritten(plan="globex")
    assert main(asked(told, SOONER, timelines=path)) == 1
    assert "each is of the plan globex" in capsys.readouterr().out


def _with(event: Event, data: dict[str, object]) -> Event:
    return replace(event, data={**event.data, **data}) if event.type == "opened" else event
