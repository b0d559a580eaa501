"""The samples that drift is tested on: times and alerts a day by service, from a bundle's members or live."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from shared.domain.hours import at_local, local_day
from shared.domain.timeline import Event, parse_stamp
from shared.kpi import alerts_csv, audit_csv, incidents_csv
from shared.kpi.account import Account
from shared.kpi.csv_cells import neutral
from shared.kpi.csv_rows import cells_of
from shared.kpi.drift import ALERTS, TIMES, Samples

MOST = 2000
"""Values that a sample keeps; see `thinned`."""
OWN_NAMES = frozenset(f"drift-{measure}" for measure in (ALERTS, *TIMES))
"""Names of the incidents that Tocsin opens because of a drift; they enter no sample."""

Members = Callable[[str], Iterable[bytes]]
"""The content of a bundle's member, in pieces, by its name."""


def samples_in(members: Members, timezone: str, start: datetime, as_of: datetime) -> Samples:
    """The samples of a week, from ``incidents.csv``, ``audit.csv`` and ``alerts.csv`` of its bundle."""
    sampler = Sampler(timezone, start, as_of)
    services = {
        cells["id"]: cells["service"]
        for cells in cells_of(members(incidents_csv.NAME))
        if not _is_own(cells["name"], cells["source"] or None)
    }
    for cells in cells_of(members(audit_csv.NAME)):
        if cells["metric"] in TIMES and cells["entity_id"] in services:
            sampler.time(cells["metric"], services[cells["entity_id"]], int(cells["value"]))
    for cells in cells_of(members(alerts_csv.NAME)):
        if cells["subject"] in services:
            at = parse_stamp(cells["recorded_at"])
            sampler.alerts(services[cells["subject"]], at, int(cells["count"]))
    return sampler.samples()


class Sampler:
    """Gathers one week's samples, up to ``as_of``."""

    def __init__(self, timezone: str, start: datetime, as_of: datetime) -> None:
        self.days = whole_days(timezone, start, as_of)
        self._times: dict[tuple[str, str], array[int]] = {}
        self._alerts: dict[str, list[int]] = {}

    def time(self, measure: str, service: str, seconds: int) -> None:
        """One time that was measured."""
        self._times.setdefault((measure, service), array("q")).append(seconds)

    def alerts(self, service: str, at: datetime, count: int) -> None:
        """Alerts recorded at an instant; those of a day that is not over are left out."""
        day = bisect_right(self.days, at) - 1
        if 0 <= day < len(self.days) - 1:
            self._alerts.setdefault(service, [0] * (len(self.days) - 1))[day] += count

    def take(self, account: Account, alerts: Sequence[tuple[datetime, int]]) -> None:
        """One subject: its facts, and the alerts that `counted` met on its timeline."""
        incident = account.incident
        if incident is None or incident.drill is not None or _is_own(incident.name, incident.source):
            return
        service = neutral(incident.service)  # as the cells of earlier weeks name it
        for fact in account.facts:
            if fact.metric in TIMES:
                self.time(fact.metric, service, fact.value)
        for at, count in alerts:
            self.alerts(service, at, count)

    def samples(self) -> Samples:
        """What was gathered; a service has a number for each day as soon as it has one alert."""
        found: Samples = {measure: {} for measure in (ALERTS, *TIMES)}
        for (measure, service), values in self._times.items():
            found[measure][service] = thinned(sorted(values))
        for service, counts in self._alerts.items():
            found[ALERTS][service] = sorted(counts)
        return found


def counted(
    events: Iterable[Event], alerts: list[tuple[datetime, int]], start: datetime, end: datetime
) -> Iterator[Event]:
    """Pass the events recorded before ``end`` on, noting when those since ``start`` brought alerts."""
    for event in events:
        if event.recorded_at >= end:
            return
        if event.type == "alerts" and event.recorded_at >= start:
            alerts.append((event.recorded_at, sum(entry["count"] for entry in event.data["alerts"])))
        yield event


def whole_days(timezone: str, start: datetime, as_of: datetime) -> list[datetime]:
    """The midnights, by the plan's clocks, of the days of a week that are over; the last is their end."""
    first = local_day(start, timezone)
    midnights = [at_local(first + timedelta(days=day), 0, timezone) for day in range(8)]
    return [at for at in midnights if at <= as_of]


def thinned(ascending: list[int]) -> list[int]:
    """At most `MOST` of the values: those in the middle of so many equal parts, so that the shape stays."""
    count = len(ascending)
    if count <= MOST:
        return ascending
    return [ascending[(2 * part + 1) * count // (2 * MOST)] for part in range(MOST)]


def _is_own(name: str, source: str | None) -> bool:
    return source is None and name in OWN_NAMES
