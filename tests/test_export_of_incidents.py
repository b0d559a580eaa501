"""What the rules decided while it happened, the export derives afterwards from the events alone."""

from __future__ import annotations

import json
import tempfile
from datetime import timedelta
from pathlib import Path

from hypothesis import settings

from shared.domain.week import week_after, week_of
from shared.kpi import verify
from shared.kpi.facts import account_of
from shared.kpi.figures import Tally, controls
from shared.workflows.export_kpis import compile_week, list_bundles
from tests.builders import NOON, a_plan
from tests.test_incident_rules import AnIncident
from tests.working_fakes import MemoryExports, MemoryTimelines


class AnExportedIncident(AnIncident):
    """At the end the sweep runs once more, and every week that was touched is exported and verified."""

    def teardown(self) -> None:
        if not getattr(self, "incidents", []):
            return
        self.now += timedelta(hours=1)
        self.the_sweep_runs()
        self.the_controls_hold()
        self.every_week_is_verified_and_hands_its_backlog_on()

    def the_controls_hold(self) -> None:
        tally, start, end = Tally(), NOON - timedelta(days=1), self.now + timedelta(microseconds=1)
        for subject, events in self.timelines.items():
            account = account_of(subject, events, start, end)
            assert account is not None
            tally.add(account)
        found = controls(tally)
        assert found["backlog"]["holds"], found
        assert found["breaches"]["holds"], found

    def every_week_is_verified_and_hands_its_backlog_on(self) -> None:
        zone = self.ruling.timezone
        timelines = MemoryTimelines(zone).keep("acme", *self.timelines.values())
        exports, plan, week = MemoryExports(), a_plan(self.ruling), week_of(NOON, zone)
        backlog = 0
        with tempfile.TemporaryDirectory() as folder:
            while week <= week_of(self.now, zone):
                compile_week(plan, week, timelines, exports, "1.0", self.now + timedelta(days=14))
                bundle = list_bundles("acme", exports)[-1]
                path = Path(folder) / f"{week}.zip"
                path.write_bytes(exports.read(bundle.blob("bundle.zip")))
                assert verify.main([str(path)]) == 0
                backlog = self.backlog_of(exports.read(bundle.blob("kpi.json")), backlog)
                week = week_after(week)

    @staticmethod
    def backlog_of(kpi: bytes, opening: int) -> int:
        backlog = json.loads(kpi)["controls"]["backlog"]
        assert backlog["holds"]
        assert backlog["opening"] == opening
        return int(backlog["closing"])


TestAnExportedIncident = AnExportedIncident.TestCase
TestAnExportedIncident.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
