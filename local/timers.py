"""Fires timer triggers by their schedules, and makes up for a tick missed while the host was down."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from azure.functions.timer import TimerRequest

from local import ncrontab
from local.functions import CannotLoad, Function
from local.invocations import Invocations
from local.settings import expand

NEVER = "0001-01-01T00:00:00+00:00"


@dataclass
class Timer:
    """A timer trigger; ``late`` while its next run makes up for a missed tick."""

    function: Function
    schedule: ncrontab.Schedule
    late: bool = False


class RunNotes:
    """When each timer ran last and was to run next, in a file that outlives the host; or nowhere."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._notes: dict[str, dict[str, str]] = {}
        if path is not None and path.exists():
            self._notes = json.loads(path.read_text(encoding="utf-8"))

    def missed(self, timer: Timer, now: datetime) -> bool:
        """Whether a tick of the same schedule went by unserved."""
        note = self._notes.get(timer.function.name)
        if note is None or note["schedule"] != timer.schedule.expression:
            self.write(timer, NEVER, now)
            return False
        return datetime.fromisoformat(note["next"]) <= now

    def write(self, timer: Timer, last: str, now: datetime) -> None:
        """Note a run, and the tick that follows ``now``; schedules of less than a minute are not kept."""
        if self._path is None or not timer.schedule.at_most_once_a_minute:
            return
        with self._lock:
            following = timer.schedule.next_after(now).isoformat()
            note = {"schedule": timer.schedule.expression, "last": last, "next": following}
            self._notes[timer.function.name] = note
            draft = self._path.with_suffix(".tmp")
            draft.write_text(json.dumps(self._notes, indent=1), encoding="utf-8")
            draft.replace(self._path)

    def status(self, timer: Timer) -> dict[str, str]:
        """The platform's ``schedule_status``; empty for what is not kept."""
        note = self._notes.get(timer.function.name)
        return {"Last": note["last"], "Next": note["next"], "LastUpdated": note["last"]} if note else {}


class Timers:
    """The timer triggers of an app."""

    def __init__(
        self,
        functions: Iterable[Function],
        settings: Mapping[str, str],
        invocations: Invocations,
        notes: RunNotes,
    ) -> None:
        self._timers = [Timer(function, _schedule(function, settings)) for function in functions]
        self._invocations = invocations
        self._notes = notes
        for noisy in ("apscheduler.scheduler", "apscheduler.executors.default"):
            logging.getLogger(noisy).setLevel(logging.ERROR)
        pool = ThreadPoolExecutor(max(1, len(self._timers)))
        # A tick that comes while the last run goes on is skipped, and a late one still fires: once.
        defaults = {"max_instances": 1, "coalesce": True, "misfire_grace_time": None}
        self._scheduler = BackgroundScheduler(
            executors={"default": pool}, job_defaults=defaults, timezone=UTC
        )

    def start(self) -> None:
        """Fire from now on; at once what is late and what runs on start-up."""
        now = datetime.now(UTC)
        for timer in self._timers:
            timer.late = timer.schedule.at_most_once_a_minute and self._notes.missed(timer, now)
            at_once = timer.late or timer.function.trigger.get("runOnStartup")
            first = now if at_once else timer.schedule.next_after(now)
            self._scheduler.add_job(self._run, timer.schedule.trigger, [timer], next_run_time=first)
        self._scheduler.start()

    def stop(self) -> None:
        """Fire no more; what runs is not waited for."""
        self._scheduler.shutdown(wait=False)

    def _run(self, timer: Timer) -> None:
        started = datetime.now(UTC)
        late, timer.late = timer.late, False
        request = TimerRequest(
            past_due=late, schedule_status=self._notes.status(timer), schedule={"AdjustForDST": True}
        )
        self._invocations.run(timer.function, request)
        self._notes.write(timer, started.isoformat(), started)


def _schedule(function: Function, settings: Mapping[str, str]) -> ncrontab.Schedule:
    try:
        return ncrontab.parse(expand(function.trigger["schedule"], settings))
    except ValueError as fault:
        raise CannotLoad(f"function {function.name}: {fault}") from fault
