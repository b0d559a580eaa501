"""Events of a bundle as a table of pandas, from the documentation of the figures alone."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import pandas as pd

Json = dict[str, Any]

SECOND = 1_000_000  # instants are whole microseconds since 1970
HOUR = 3600 * SECOND
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EVENT = ["subject", "seq", "type", "occurred_at", "recorded_at", "actor", "data"]


@dataclass(frozen=True)
class Period:
    """The week: from its first instant to the one at which its figures end, in the plan's time zone."""

    start: int
    end: int
    timezone: str

    @classmethod
    def of(cls, stated: Json) -> Period:
        """That which `kpi.json` or `manifest.json` states."""
        return cls(micros(stated["from"]), micros(stated["as_of"]), stated["timezone"])

    @property
    def week_before(self) -> str:
        """Name of the ISO week that ends where this one begins."""
        first = pd.Timestamp(self.start, unit="us", tz="UTC").tz_convert(self.timezone)
        year, week, _ = (first - timedelta(days=1)).isocalendar()
        return f"{year}-W{week:02}"


@cache
def micros(text: str) -> int:
    """Microseconds since 1970 of an instant as the bundle writes it."""
    return (datetime.fromisoformat(text) - EPOCH) // timedelta(microseconds=1)


def written(instant: int) -> str:
    """An instant as the bundle writes it."""
    return (EPOCH + timedelta(microseconds=instant)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def seconds(begin: int, end: int) -> int:
    """Whole seconds from one to the other, rounded down."""
    return (end - begin) // SECOND


def read(lines: Iterable[str]) -> pd.DataFrame:
    """The events, in the order of their lines, each with its round and with the kind of its subject.

    `round` is 0 for what comes before the opening, and for all of what is no incident.
    """
    events = pd.DataFrame([json.loads(line) for line in lines if line.strip()], columns=EVENT)
    events["at"] = events["recorded_at"].map(micros).astype("int64")
    events["since"] = events["occurred_at"].map(micros).astype("int64")
    events["person"] = events["actor"].astype(str).str.startswith("person:").astype(bool)
    events["journal"] = events["subject"].astype(str).str.startswith("JRN-").astype(bool)
    begins = events["type"].isin({"opened", "reopened"}) & ~events["journal"]
    opened = events["type"].eq("opened").groupby(events["subject"]).cummax()
    events["round"] = (begins & opened).groupby(events["subject"]).cumsum()
    events["live"] = events["journal"] | events["round"].gt(0)
    return events


def value_of(events: pd.DataFrame, key: str) -> pd.Series[Any]:
    """What the events say under a key; None where they do not."""
    return pd.Series([data.get(key) for data in events["data"]], index=events.index, dtype=object)


def of_type(events: pd.DataFrame, *types: str) -> pd.DataFrame:
    """The events of these types."""
    return events[events["type"].isin(types)]


def incidents(events: pd.DataFrame) -> pd.DataFrame:
    """What was opened, by subject: `drill`, severity, service and rules."""
    openings = of_type(events[events["round"].eq(1)], "opened").set_index("subject")
    found = pd.DataFrame(
        {key: value_of(openings, key) for key in ("drill", "severity", "service", "rules", "source", "name")}
    )
    found["at"] = openings["at"]
    found["since"] = openings["since"]
    changes = of_type(events[events["round"].gt(0)], "severity-raised", "severity-changed")
    last = changes.assign(to=value_of(changes, "to")).groupby("subject")["to"].last()
    found["severity"] = last.reindex(found.index).fillna(found["severity"])
    return found
