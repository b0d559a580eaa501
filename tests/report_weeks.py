"""Weeks written by hand, in the shape of a bundle's members, for the report and the workbook."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.domain.timeline import stamp
from shared.kpi import audit_csv, incidents_csv
from shared.kpi.csv_cells import line
from shared.kpi.definition import Definition, shown
from shared.kpi.definitions import DEFINITIONS
from shared.kpi.workbook_xlsx import SHEETS

START = datetime(2026, 11, 8, 23, tzinfo=UTC)
TARGETS = {"time_to_acknowledge": 300, "time_to_resolve": 5400, "resolve_sla_attainment": 95}
VALUES = {
    "time_to_acknowledge": (364.25, 244.0, 250.5),
    "time_to_resolve": (4210.5, 5022.0, 6100.0),
    "first_response_within_5m": (92.8571, 100.0, 97.1),
    "respond_sla_attainment": (96.4286, 96.4286, 95.0),
    "resolve_sla_attainment": (99.999, 91.3, 93.0),
    "review_completion": (None, 50.0, None),
    "alerts_per_incident": (3.21429, 7.5, 6.0),
    "alerts_by_disposition": (412, 980, 800),
    "incidents_opened": (28, 31, 33.5),
}
HOSTILE = (
    "=cmd|' /C calc'!A0",
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "\u202egnp.exe\u202c",
    "x" * 10_000,
    "<r><t>raw</t></r>",
    "</style><style>*{display:none}",
    "{{ 7 * 7 }}",
    "-1+1",
    "a.b%c",
    "_x0041_ \ufffe",
)


@dataclass(frozen=True)
class Week:
    """What the report and the workbook are made from."""

    kpi: dict[str, Any]
    baseline: dict[str, Any]
    read: Callable[[str], Iterable[bytes]]


def week(
    incidents: int = 28, names: tuple[str, ...] = ("DiskFull",), weeks: int = 12, *, provisional: bool = False
) -> Week:
    """A week with so many incidents, whose alerts and services are so named."""
    members = {
        "incidents.csv": lambda: _incidents(incidents, names),
        "audit.csv": lambda: _audit(incidents, names),
    }

    def read(name: str) -> Iterable[bytes]:
        return members[name]() if name in members else _other(name)

    kpi = {
        "plan": "acme",
        "week": "2026-W46",
        "timezone": "Europe/Brussels",
        "from": stamp(START),
        "to": stamp(START + timedelta(days=7)),
        "as_of": stamp(START + timedelta(days=3 if provisional else 7)),
        "provisional": provisional,
        "definitions_version": 4,
        "kpis": {one.name: _kpi(one, names) for one in DEFINITIONS},
        "controls": {
            "backlog": {
                "opening": 3,
                "opened": 28,
                "reopened": 1,
                "resolved": 30,
                "closing": 2,
                "holds": True,
            },
            "breaches": {"unrecorded": {"respond": 0, "resolve": 1}, "underived": {}, "holds": False},
        },
        "attestation": {"quiet": False, "watched_hours": 168, "sweeps": 10080, "longest_gap_seconds": 61},
        "drift": [
            {
                "measure": "time_to_resolve_seconds",
                "service": name,
                "now": 20,
                "before": 99,
                "d": 0.31,
                "p": 0.00123,
            }
            | {"drifted": number == 0}
            for number, name in enumerate(names)
        ],
    }
    return Week(kpi, {"plan": "acme", "week": "2026-W46", "length": 12, "weeks": _weeks(weeks)}, read)


def _kpi(one: Definition, names: tuple[str, ...]) -> dict[str, Any]:
    value, previous, baseline = VALUES.get(one.name, (0, 0, None))
    plan: dict[str, Any] = {"value": value, "previous": previous, "baseline": baseline, "baseline_weeks": 12}
    plan["excluded"] = {reason.reason: 2 for reason in one.exclusions}
    plan["change_percent"] = round(100 * (value - baseline) / baseline, 2) if value and baseline else None
    if one.kind == "duration":
        plan |= {"numerator": 10199, "denominator": 28, "p50": value, "p90": 902, "p95": 1204, "max": 90061}
    if one.kind in ("share", "ratio"):
        plan |= {"numerator": 27, "denominator": 28}
    if one.kind == "breakdown":
        plan["by"] = {"opened": 28, "updated": 384}
    if one.target:
        target = TARGETS.get(one.name)
        met = None
        if target is not None and value is not None:
            met = value <= target if one.target == "at most" else value >= target
        plan |= {"target": target, "met": met}
    parts = {"by_severity": ("SEV1", "SEV2"), "by_service": names, "by_version": ("a" * 64,)}
    return {
        "definition": shown(one),
        "definition_sha256": "0" * 64,
        "plan": plan,
        **{key: {part: {"value": value} for part in listed} for key, listed in parts.items()},
    }


def _weeks(count: int) -> dict[str, Any]:
    told = {}
    for number in range(46 - count, 46):
        swing = (number * 7) % 5
        kpis: dict[str, Any] = {
            "time_to_acknowledge": {
                "value": 200.5 + 40 * swing,
                "p50": 150,
                "p90": 500 + 30 * swing,
                "target": 300,
            },
            "time_to_resolve": {
                "value": 5000 + 300 * swing,
                "p50": 4000,
                "p90": 9000 + 400 * swing,
                "target": 5400,
            },
            "respond_sla_attainment": {"value": 90.0 + swing},
            "resolve_sla_attainment": {"value": 88.0 + 2 * swing, "target": 95},
            "alerts_per_incident": {"value": 5.5 + swing},
            "alerts_by_disposition": {"value": 700 + 30 * swing},
            "incidents_opened": {"value": 20 + 3 * swing},
        }
        told[f"2026-W{number}"] = {
            "revision": 1,
            "manifest_sha256": "0" * 64,
            "kpis": {} if number == 38 else kpis,
        }
    return told


def _incidents(count: int, names: tuple[str, ...]) -> Iterator[bytes]:
    yield line(incidents_csv.COLUMNS)
    for n in range(count):
        opened = START + timedelta(seconds=(n * 600) % 600_000, microseconds=n)
        name, late = names[n % len(names)], n % 7 == 0
        cells = {
            "id": f"INC-{n:08d}-1",
            "name": name,
            "service": name,
            "severity": f"SEV{n % 3 + 1}",
            "state": "open" if n == 5 else "resolved",
            "opened_at": stamp(opened),
            "acknowledged_at": stamp(opened + timedelta(seconds=60 + n % 900)),
            "resolved_at": None if n == 5 else stamp(opened + timedelta(seconds=3000 + n % 9000)),
            "alerts": 3,
            "respond_met": 0 if late else 1,
            "resolve_met": None if n == 5 else 1,
            "rules": "a" * 64,
        }
        yield line(cells.get(column) for column in incidents_csv.COLUMNS)


def _audit(count: int, names: tuple[str, ...]) -> Iterator[bytes]:
    yield line(audit_csv.COLUMNS)
    facts = (
        ("incident_opened", 1, ""),
        ("incident_alerts", 3, "/opened"),
        ("time_to_acknowledge_seconds", None, ""),
        ("respond_sla_met", None, ""),
        ("incident_resolved", 1, "/person"),
        ("time_to_resolve_seconds", None, "/person"),
    )
    row = 0
    for n in range(count):
        for metric, value, code in facts:
            row += 1
            measured = value if value is not None else int(n % 7 != 0) if "sla" in metric else 60 + n % 900
            notes = f"SEV{n % 3 + 1}/{names[n % len(names)]}{code}"
            yield line((row, stamp(START + timedelta(seconds=n)), f"INC-{n:08d}-1", metric, measured, notes))


def _other(name: str) -> Iterator[bytes]:
    assert name in SHEETS
    yield line(("id", "due", "lateness_seconds", "channel"))
    yield line(("INC-00000000-1", stamp(START), 4, "42"))
