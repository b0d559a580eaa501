"""What would have been under another plan: ``python -m shared.plans.whatif OLD NEW TIMELINES``."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from shared.adapters.plan_files import read_plan
from shared.domain.errors import InvalidPlan
from shared.domain.plan import Plan
from shared.domain.timeline import Event
from shared.kpi.figures import rounded
from shared.plans.recorded import Recorded, Run, Unreadable, recorded
from shared.plans.replay import NotReplayed, Replayed, Told, replayed

SAME, DIFFERS, UNREADABLE = 0, 1, 2
EVERY = 1000
TORN = "in pieces here, or without its first events"
NOT_KNOWN = (
    "Both sides are replayed as if Tocsin had been punctual, every message had gone out by the first way of "
    "its contact, and nobody had been away by a calendar. Labels are not on record, so service, severity and "
    "group stay as they were decided; reviews, action items, drills and digests are left out."
)
_SLAS = {
    "respond_sla_met": "respond SLA met",
    "resolve_sla_met": "resolve SLA met",
    "first_response_met": "first response within 5m",
}


@dataclass(frozen=True)
class Case:
    """One incident under both plans."""

    id: str
    opened_at: datetime
    service: str
    severity: str
    old: Replayed
    new: Replayed
    rules: str
    """Hash of those that ruled it."""

    @property
    def changed(self) -> bool:
        """Whether anybody is told otherwise, an SLA comes out otherwise, or the remarks differ."""
        return _outcome(self.old) != _outcome(self.new)


def _outcome(one: Replayed) -> tuple[object, ...]:
    return one.told, one.respond, one.resolve, one.remarks


@dataclass
class Outcome:
    """All of it."""

    cases: list[Case] = field(default_factory=list)
    same: int = 0
    left_out: dict[str, list[str]] = field(default_factory=dict)
    """Why -> incidents."""
    others: int = 0
    """Incidents that other rules than OLD's have ruled."""
    sums: dict[str, Counter[str]] = field(default_factory=lambda: {"old": Counter(), "new": Counter()})
    people: dict[str, set[str]] = field(default_factory=lambda: {"old": set(), "new": set()})

    @property
    def code(self) -> int:
        """For scripts."""
        told_apart = any(case.changed for case in self.cases) or bool(self.left_out)
        return DIFFERS if told_apart else SAME


def compare(old: Plan, new: Plan, found: Recorded, *, only_changed: bool) -> Outcome:
    """Replay every incident under both plans. With ``only_changed`` the rest is counted and forgotten.

    Raises Unreadable.
    """
    outcome = Outcome()
    for done, (run, events) in enumerate(found.timelines(), start=1):
        try:
            case = _case_of(run, old, new, events, found)
        except NotReplayed as why:
            if str(why) not in ("is a drill", "was never declared"):
                outcome.left_out.setdefault(str(why), []).append(events[0].subject)
        else:
            _count(outcome, case, case.rules != old.rules.hash)
            if case.changed or not only_changed:
                outcome.cases.append(case)
        if done % EVERY == 0:
            print(f"{done} of {len(found.runs)} incidents replayed", file=sys.stderr)
    outcome.cases.sort(key=lambda case: (not case.changed, case.opened_at, case.id))
    return outcome


def _case_of(run: Run, old: Plan, new: Plan, events: Sequence[Event], found: Recorded) -> Case:
    """Raises NotReplayed or Unreadable."""
    if run.subject in found.torn:
        raise NotReplayed(TORN)
    try:
        return _case(old, new, events, found.horizon)
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise Unreadable(f"{run}: has an event that cannot be ({error!r})") from error


def _case(old: Plan, new: Plan, events: Sequence[Event], horizon: datetime) -> Case:
    opened = next((event for event in events if event.type == "opened"), None)
    if opened is not None and opened.data["plan"] != old.name:
        raise NotReplayed(f"is of the plan {opened.data['plan']}")
    before, after = (replayed(events, plan, horizon) for plan in (old, new))
    if opened is None:
        raise AssertionError("what was never declared is not replayed")
    data = opened.data
    place = (opened.subject, opened.recorded_at, data["service"], data["severity"])
    return Case(*place, before, after, data["rules"])


def _count(outcome: Outcome, case: Case, other: bool) -> None:
    outcome.same += not case.changed
    outcome.others += other
    for side, one in (("old", case.old), ("new", case.new)):
        sums = outcome.sums[side]
        sums["messages"] += len(one.told)
        sums["escalation steps"] += one.steps
        sums["escalations exhausted"] += one.exhausted
        outcome.people[side].update(each.contact for each in one.told)
        for metric, (met, of) in one.verdicts.items():
            sums[metric] += met
            sums[f"{metric} of"] += of


def lines(outcome: Outcome, *, only_changed: bool) -> Iterator[str]:
    """For people: differences first, totals at the end."""
    for case in outcome.cases:
        if case.changed:
            yield from _difference(case)
        elif not only_changed:
            yield f"{_heading(case)}: the same, {len(case.old.told)} told{_remarks(case)}"
    for why, incidents in outcome.left_out.items():
        yield f"not replayed: {len(incidents)} incidents, each {why}: {', '.join(incidents[:5])}" + (
            " …" if len(incidents) > 5 else ""
        )
    yield from _totals(outcome)
    yield NOT_KNOWN


def _heading(case: Case) -> str:
    return f"{case.id} {case.severity} {case.service} {_clock(case.opened_at)}"


def _difference(case: Case) -> Iterator[str]:
    yield _heading(case)
    for name, before, after in (
        ("respond", case.old.respond, case.new.respond),
        ("resolve", case.old.resolve, case.new.resolve),
    ):
        if before != after:
            yield f"  {name}: {before} -> {after}"
    gone = Counter(case.old.told) - Counter(case.new.told)
    come = Counter(case.new.told) - Counter(case.old.told)
    marked = [("-", each) for each in gone.elements()] + [("+", each) for each in come.elements()]
    for mark, told in sorted(marked, key=lambda one: (one[1].at, one[0], one[1].contact)):
        yield f"  {mark} {_clock(told.at)} {_after(told.at - case.opened_at)} {_who(told)}"
    for remark in dict.fromkeys((*case.old.remarks, *case.new.remarks)):
        yield f"  ! {remark}"


def _remarks(case: Case) -> str:
    said = dict.fromkeys((*case.old.remarks, *case.new.remarks))
    return f" ({'; '.join(said)})" if said else ""


def _who(told: Told) -> str:
    return f"{told.contact} by {told.channel}: {told.kind}"


def _clock(instant: datetime) -> str:
    return instant.isoformat(timespec="seconds").replace("+00:00", "Z")


def _after(span: timedelta) -> str:
    minutes, seconds = divmod(int(span.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    return f"(+{hours}:{minutes:02}:{seconds:02})"


def _totals(outcome: Outcome) -> Iterator[str]:
    compared = totals(outcome)
    yield (
        f"{compared['incidents']} incidents replayed: {compared['changed']} come out differently, "
        f"{compared['same']} the same"
    )
    if compared["ruled_by_others"]:
        yield f"{compared['ruled_by_others']} of them were ruled by other rules than those of OLD"
    for name, before in compared["old"].items():
        yield f"{name}: {_shown(before)} -> {_shown(compared['new'][name])}"


def _shown(value: object) -> str:
    if not isinstance(value, dict):
        return str(value)
    return f"{value['met']} of {value['of']}" + (f" ({value['percent']} %)" if value["of"] else "")


def totals(outcome: Outcome) -> dict[str, Any]:
    """The sums of both sides."""
    replays = outcome.same + sum(case.changed for case in outcome.cases)
    return {
        "incidents": replays,
        "changed": replays - outcome.same,
        "same": outcome.same,
        "ruled_by_others": outcome.others,
        **{side: _side(outcome.sums[side], outcome.people[side]) for side in ("old", "new")},
    }


def _side(sums: Mapping[str, int], people: set[str]) -> dict[str, Any]:
    counted: dict[str, Any] = {
        name: sums[name] for name in ("messages", "escalation steps", "escalations exhausted")
    }
    counted["contacts told"] = len(people)
    for metric, name in _SLAS.items():
        met, of = sums[metric], sums[f"{metric} of"]
        counted[name] = {"met": met, "of": of, "percent": rounded(100 * met / of) if of else None}
    return counted


def shown(outcome: Outcome, old: Plan, new: Plan) -> dict[str, Any]:
    """For programs."""
    return {
        "old": {"plan": old.name, "rules": old.rules.hash},
        "new": {"plan": new.name, "rules": new.rules.hash},
        "incidents": [
            {
                "id": case.id,
                "opened_at": _clock(case.opened_at),
                "service": case.service,
                "severity": case.severity,
                "changed": case.changed,
                "old": _side_of(case.old),
                "new": _side_of(case.new),
            }
            for case in outcome.cases
        ],
        "not_replayed": outcome.left_out,
        "totals": totals(outcome),
        "not_known": NOT_KNOWN,
    }


def _side_of(one: Replayed) -> dict[str, Any]:
    return {
        "told": [
            {"at": _clock(each.at), "contact": each.contact, "kind": each.kind, "channel": each.channel}
            for each in one.told
        ],
        "respond": one.respond,
        "resolve": one.resolve,
        "severity": one.severity,
        "remarks": list(one.remarks),
    }


def _met(count: int) -> None:
    if count % (10 * EVERY) == 0:
        print(f"{count} incidents found", file=sys.stderr)


def _say_skipped(found: Recorded) -> None:
    if again := sorted(found.skipped):
        named = ", ".join(again[:5]) + (" …" if len(again) > 5 else "")
        print(
            f"{len(again)} incidents are there more than once; of each the longest timeline is read, "
            f"{sum(found.skipped.values())} events are not: {named}",
            file=sys.stderr,
        )


def main(arguments: list[str] | None = None) -> int:
    """Replay recorded incidents under another plan, and say who would have been told when.

    Exits 0 where nothing differs, 1 where something does or could not be replayed, 2 where a file is not
    what it should be.
    """
    parser = argparse.ArgumentParser(prog="whatif", description=main.__doc__)
    parser.add_argument("old", type=Path, help="a plan's file: what there was")
    parser.add_argument("new", type=Path, help="the other plan's file")
    parser.add_argument("timelines", type=Path, help="timeline.jsonl, bundle.zip, or a folder of them")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--only-changed", action="store_true", help="leave out what stays the same")
    given = parser.parse_args(arguments)
    try:
        old, new = read_plan(given.old), read_plan(given.new)
        found = recorded(given.timelines, _met)
        _say_skipped(found)
        outcome = compare(old, new, found, only_changed=given.only_changed)
    except InvalidPlan as invalid:
        for fault in invalid.faults:
            print(fault, file=sys.stderr)
        return UNREADABLE
    except Unreadable as why:
        print(why, file=sys.stderr)
        return UNREADABLE
    if given.json:
        print(json.dumps(shown(outcome, old, new), indent=1, ensure_ascii=False))
    else:
        for line in lines(outcome, only_changed=given.only_changed):
            print(line)
    return outcome.code


if __name__ == "__main__":
    sys.exit(main())
