"""How one made-up incident went: opened, escalated, told, answered, resolved, perhaps reopened, reviewed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any

from bench.doings import doings, review, review_required
from bench.made import SOURCE, TOCSIN, Made, hash_of, spread
from shared.domain.timeline import stamp
from shared.domain.week import week_after, week_bounds, week_of

SERVICES = ("checkout", "payments", "search", "maps", "accounts", "reports")
ALERTS = ("HighLatency", "ErrorRate", "DiskFull", "QueueStuck", "CertificateExpires")
TARGETS: Mapping[str, tuple[int | None, int | None]] = {
    "critical": (300, 3_600),
    "high": (900, 14_400),
    "medium": (3_600, 86_400),
    "low": (None, None),
}
"""Severity -> seconds to respond and to resolve."""
VERSIONS = tuple(hashlib.sha256(f"rules {nth}".encode()).hexdigest() for nth in range(4))
DRIFTS = ("alerts_per_day", "time_to_acknowledge_seconds", "time_to_resolve_seconds")
_LADDER = (0, 300, 900)


@dataclass
class Course:
    """The course of one incident; ``share``: how far the year is, ``drills``: how many are some; 0 to 1.

    ``faults``: how often its timeline tells what Tocsin would not, for figures to be right even then.
    """

    rng: Random
    plan: str
    timezone: str
    id: str
    share: float
    drills: float = 0.005
    faults: float = 0.0
    made: list[Made] = field(default_factory=list)
    told: bool = False
    deliveries: int = 0
    drill: bool = False
    service: str = ""
    severity: str = ""
    person: str = ""

    def run(self, opened_at: datetime) -> list[Made]:
        """Every event, as they were recorded."""
        rng = self.rng
        self.drill = rng.random() < self.drills
        self.service = rng.choices(SERVICES, (30, 20, 20, 15, 10, 5))[0]
        self.severity = rng.choices(tuple(TARGETS), (8, 22, 40, 30))[0]
        self.person = f"person:{rng.randrange(1 << 16):016x}"
        by_hand = not self.drill and rng.random() < 0.04
        if not by_hand and not self.drill and rng.random() < 0.05:
            self._pending(opened_at - timedelta(seconds=rng.randint(60, 600)))
            if rng.random() < 0.3:
                self._add(opened_at, "dropped", TOCSIN, {})
                return self.made
        self._open(opened_at, by_hand)
        ended = self._round(opened_at, by_hand=by_hand)
        while ended is not None:
            self._require(ended)
            if rng.random() >= 0.05:
                break
            ended = self._reopen(ended, ended + timedelta(seconds=spread(rng, 20_000, 1.5)))
            if ended is not None and self._errs:
                ended = self._reopen(ended, ended - timedelta(seconds=1))
        if ended is not None and self._reviewed:
            self.made += review(rng, self.person, self._salted, ended)
        self._weeks(opened_at, ended)
        return sorted(self.made, key=lambda one: one.recorded_at)

    @property
    def _reviewed(self) -> bool:
        return self.severity in ("critical", "high")

    @property
    def _errs(self) -> bool:
        """Whether Tocsin errs this time."""
        return self.rng.random() < self.faults

    @property
    def _salted(self) -> str:
        """Of some text about it."""
        return hashlib.sha256(self.id.encode()).hexdigest()

    def _require(self, ended: datetime) -> None:
        if self._reviewed:
            self.made += review_required(self.rng, self.person, ended)

    def _add(
        self, at: datetime, type: str, actor: str, data: Mapping[str, Any], occurred: datetime | None = None
    ) -> None:
        self.made.append(Made(at, occurred or at, type, actor, data))

    def _due(self, at: datetime) -> dict[str, str | None]:
        respond, resolve = TARGETS[self.severity]
        return {
            "respond_due": None if respond is None else stamp(at + timedelta(seconds=respond)),
            "resolve_due": None if resolve is None else stamp(at + timedelta(seconds=resolve)),
        }

    def _named(self, source: str | None) -> dict[str, Any]:
        return {
            "plan": self.plan,
            "source": source,
            "name": self.rng.choice(ALERTS) if source else "declared",
            "service": self.service,
            "severity": self.severity,
            "rules": VERSIONS[min(3, int(self.share * 4 + self.rng.random() * 0.2))],
            "group": hashlib.sha256(self.id.encode()).hexdigest(),
            "rule": f"{self.severity} for {self.service}",
            "declaration": None,
        }

    def _pending(self, at: datetime) -> None:
        named = self._named("alertmanager") | {
            "declaration": "down-for-5m",
            "declare_due": stamp(at + timedelta(minutes=5)),
        }
        started = at - timedelta(seconds=self.rng.randint(1, 90))
        self._add(at, "pending", SOURCE, named, started)
        self._alerts(at, "pending", started)

    def _open(self, at: datetime, by_hand: bool) -> None:
        rng = self.rng
        source = None if by_hand or self.drill else "alertmanager"
        data = self._named(source) | {"drill": "monthly" if self.drill else None} | self._due(at)
        if self.drill:
            data["name"] = "monthly"
        actor = self.person if by_hand else (TOCSIN if self.drill else SOURCE)
        if by_hand and rng.random() < 0.15:
            measure = rng.choice(DRIFTS)
            actor, data = TOCSIN, data | {"name": f"drift-{measure}", "rule": f"drift {measure}"}
        started = at - timedelta(seconds=rng.randint(0, 240)) if source else at
        if source and rng.random() < 0.005:
            started = at + timedelta(seconds=30)
        self._add(at, "opened", actor, data, started)
        if source:
            self._alerts(at, "opened", started)
        if rng.random() < 0.06 and self.severity in ("medium", "high"):
            before, self.severity = self.severity, "critical" if self.severity == "high" else "high"
            moved = {"from": before, "to": self.severity, **self._due(at)}
            later = at + timedelta(seconds=rng.randint(5, 60))
            if rng.random() < 0.5:
                self._add(later, "severity-raised", SOURCE, moved | {"rule": "worse"})
            else:
                self._add(later, "severity-changed", self.person, moved | {"text_sha256": None})

    def _alerts(self, at: datetime, disposition: str, started: datetime, state: str = "firing") -> None:
        entry = {
            "fingerprint": hashlib.sha256(f"{self.id} {self.rng.randrange(3)}".encode()).hexdigest()[:32],
            "started_at": stamp(started),
            "ended_at": stamp(at) if state == "resolved" else None,
            "state": state,
            "disposition": disposition,
            "rule": f"{self.severity} for {self.service}",
            "count": self.rng.choices((1, 2, 7), (80, 15, 5))[0],
        }
        self._add(at, "alerts", SOURCE, {"alerts": [entry]}, started)

    def _round(self, at: datetime, *, by_hand: bool) -> datetime | None:
        """From an opening or reopening to the resolution; None where it stays open."""
        rng = self.rng
        slow = 3.0 if self.share > 0.9 and self.service == "payments" else 1.0
        answered = None
        if by_hand or rng.random() < 0.82:
            answered = at + timedelta(seconds=self._on_the_dot() or spread(rng, 180 * slow, 1.1))
        ended, by = self._ending(at, answered)
        if ended is not None and answered is not None and answered >= ended:
            answered = None
        self._climb(at, answered or ended)
        since = self._worsen(at, answered or ended)
        self._breaches(at, since, answered if by == "source" else (answered or ended), ended)
        if answered is not None:
            self._answer(at, answered, ended)
            self._work(answered, ended)
        self._remind(at, ended)
        if rng.random() < 0.5 and not by_hand and not self.drill:
            more = at + timedelta(seconds=rng.randint(20, 1_200))
            if ended is None or more < ended:
                self._alerts(more, "updated", more - timedelta(seconds=9))
        if ended is not None:
            self._resolve(ended, by)
        return ended

    def _ending(self, at: datetime, answered: datetime | None) -> tuple[datetime | None, str]:
        rng = self.rng
        if rng.random() < (0.15 if self.drill else 0.002):
            return None, ""
        if self.drill and rng.random() < 0.3:
            return at + timedelta(seconds=86_400 if rng.random() < 0.7 else 240), "tocsin"
        if answered is None:
            by = "person" if self.drill or rng.random() < 0.1 else "source"
            return at + timedelta(seconds=spread(rng, 1_500, 1.2)), by
        faster = 1.0 - 0.3 * self.share
        by = "person" if self.drill else rng.choice(("person", "source", "person"))
        return answered + timedelta(seconds=spread(rng, 2_700 * faster, 1.3)), by

    def _on_the_dot(self) -> int | None:
        """Now and then somebody answers at the very instant at which that was due."""
        return TARGETS[self.severity][0] if self.rng.random() < 0.01 else None

    def _worsen(self, at: datetime, stopped: datetime | None) -> datetime:
        """What had no target gets one late, perhaps in the past; since when it has it."""
        later = at + timedelta(seconds=self.rng.randint(30, 2_400))
        if self.severity != "low" or self.rng.random() > 0.1 or (stopped is not None and stopped <= later):
            return at
        before, self.severity = self.severity, "critical"
        moved = {"from": before, "to": "critical", **self._due(at)}
        self._add(later, "severity-changed", self.person, moved | {"text_sha256": None})
        return later

    def _climb(self, at: datetime, stopped: datetime | None) -> None:
        for step, after in enumerate(_LADDER, start=1):
            due = at + timedelta(seconds=after)
            fired = due + timedelta(seconds=self.rng.choices((0, 1, 40, 700), (70, 20, 9, 1))[0])
            if stopped is not None and fired >= stopped:
                return
            data = {
                "round": 1,
                "step": step,
                "of": len(_LADDER),
                "due": stamp(due),
                "late_seconds": (fired - due) // timedelta(seconds=1),
                "notify": ["primary"],
                "on_call": {"primary": "engineer-1"},
            }
            self._add(fired, "escalated", TOCSIN, data, due)
            if step == 1 and self._reviewed:
                informed = {"nth": 1, "notify": ["lead"], "on_call": {}}
                self._add(fired, "informed", TOCSIN, {**informed, "due": stamp(due), "late_seconds": 0}, due)
            self._page(fired, stopped)
        due = at + timedelta(minutes=30)
        if stopped is None or due < stopped:
            self._add(due, "exhausted", TOCSIN, {"due": stamp(due), "late_seconds": 0, "rounds": 1})

    def _page(self, at: datetime, stopped: datetime | None) -> None:
        rng, self.deliveries = self.rng, self.deliveries + 1
        name, taken = f"d{self.deliveries}", at + timedelta(seconds=self._trying(), microseconds=250_000)
        told = {
            "delivery": name,
            "kind": "page",
            "contact": "engineer-1",
            "channel": rng.choice(("chat", "sms")),
            "caused_by": 1,
            "owed_at": stamp(at),
            "attempts": rng.choices((1, 2, 5), (94, 5, 1))[0],
        }
        if stopped is not None and taken >= stopped:
            self._add(stopped, "delivery-withdrawn", TOCSIN, told)
            return
        if rng.random() < 0.02:
            self._add(taken, "delivery-failed", TOCSIN, told | {"status": 503})
            if rng.random() < 0.3:
                data = {"contact": "engineer-1", "kind": "page", "caused_by": 1, "escalates": True}
                self._add(taken, "contact-unreachable", TOCSIN, data)
            return
        proof = {
            "status": 200,
            "provider_id": f"{rng.getrandbits(48):012x}",
            "sent_at": stamp(at),
            "body_sha256": hash_of(rng),
            "template": "page",
            "template_version": "0c1d2e3f4a5b",
            "digest": None,
        }
        self._add(taken, "delivered", TOCSIN, told | proof)
        self._heard(taken, told)

    def _trying(self) -> int:
        """How long until a provider takes a message."""
        return self.rng.randint(0, 4) if self.rng.random() < 0.97 else self.rng.randint(60, 900)

    def _heard(self, taken: datetime, told: Mapping[str, Any]) -> None:
        rng = self.rng
        of = {key: told[key] for key in ("delivery", "contact", "channel")}
        if not self.told:
            self.told = True
            opened = next(one for one in self.made if one.type == "opened").recorded_at
            waited = (taken - opened) // timedelta(seconds=1)
            self._add(taken, "first-told", TOCSIN, of | {"seconds": waited})
        if told["channel"] == "sms" and rng.random() < 0.8:
            at = taken + timedelta(seconds=rng.randint(1, 50))
            states = ("undelivered",) if rng.random() < 0.05 else ("delivered", "read")[: rng.randint(1, 2)]
            for nth, state in enumerate(states):
                receipt = of | {"state": state, "provider_id": None}
                self._add(at + timedelta(seconds=nth), "receipt", f"channel:{told['channel']}", receipt)

    def _breaches(
        self, at: datetime, since: datetime, answered: datetime | None, ended: datetime | None
    ) -> None:
        """What the sweeper found lapsed, and when it did; a target of the severity as it was changed."""
        for name, seconds, stopped in zip(
            ("respond", "resolve"), TARGETS[self.severity], (answered or ended, ended), strict=True
        ):
            if seconds is None:
                continue
            due = at + timedelta(seconds=seconds)
            if stopped is not None and stopped <= max(due, since):
                continue
            if self._errs:
                continue
            told = max(due, since) + timedelta(seconds=self.rng.choice((0, *range(1, 58, 3))))
            data = {"clock": name, "due": stamp(due), "late_seconds": (told - due) // timedelta(seconds=1)}
            self._add(told, "breached", TOCSIN, data, due)
            if self._errs:
                self._add(told, "breached", TOCSIN, data | {"due": stamp(due - timedelta(seconds=1))}, due)

    def _answer(self, begun: datetime, at: datetime, ended: datetime | None) -> None:
        rng = self.rng
        if rng.random() < 0.01:
            # It was told by a provider that cannot say who it was.
            before = begun + (at - begun) / 2
            self._add(before, "acknowledged", "channel:sms", {"first": True, "expires": None})
        if rng.random() < 0.6:
            through = {
                "contact": "engineer-1",
                "by": rng.choice(("link", "slack", "sms")),
                "delivery": "d1",
                "command": "acknowledge",
            }
            self._add(at, "acted-on", self.person, through)
        expires = at + timedelta(minutes=30) if rng.random() < 0.1 else None
        said = {"first": True, "expires": None if expires is None else stamp(expires)}
        self._add(at, "acknowledged", self.person, said)
        self._pass_over(at)
        if expires is not None and (ended is None or expires < ended):
            self._add(expires, "acknowledgement-expired", TOCSIN, {"due": stamp(expires), "late_seconds": 0})
            again = expires + timedelta(seconds=rng.randint(60, 600))
            if rng.random() < 0.5 and (ended is None or again < ended):
                self._add(again, "acknowledged", self.person, {"first": False, "expires": None})

    def _pass_over(self, at: datetime) -> None:
        """A step that is only for what nobody has acknowledged."""
        if self.rng.random() < 0.03:
            data = {"round": 1, "step": 3, "due": stamp(at), "late_seconds": 0, "why": "acknowledged"}
            self._add(at, "step-passed", TOCSIN, data)

    def _remind(self, at: datetime, ended: datetime | None) -> None:
        """Those who asked for it are told that it is not over: after 4 hours, and once more after 8."""
        for nth in (1, 2):
            due = at + nth * timedelta(hours=4)
            if self._reviewed and (ended is None or due < ended):
                data = {"due": stamp(due), "late_seconds": 0, "nth": nth, "notify": ["lead"]}
                self._add(due, "still-open", TOCSIN, data)

    def _work(self, since: datetime, until: datetime | None) -> None:
        """What people write and do until it is resolved."""
        for type, actor, data in doings(self.rng, self.person, self._salted):
            at = since + timedelta(seconds=self.rng.randint(5, 4_000))
            if until is None or at < until:
                self._add(at, type, actor, data)

    def _resolve(self, at: datetime, by: str) -> None:
        data = {"by": by, "code": "fixed" if by == "person" else None, "text_sha256": None}
        if by == "source" and not self.drill:
            self._alerts(at, "resolved", at - timedelta(seconds=90), "resolved")
        self._add(at, "resolved", {"person": self.person, "tocsin": TOCSIN}.get(by, SOURCE), data)
        if by != "person" and self.rng.random() < 0.03:
            self._add(at + timedelta(seconds=20), "acknowledged-late", self.person, {})

    def _reopen(self, ended: datetime, at: datetime) -> datetime | None:
        if self._errs and ended < at:
            late = ended + (at - ended) / 2
            self._add(late, "acknowledged", self.person, {"first": False, "expires": None})
        data = {"by": "source", **self._due(at), "text_sha256": None}
        self._add(at, "reopened", SOURCE, data)
        if not self.drill:
            self._alerts(at, "updated", at - timedelta(seconds=5))
        return self._round(at, by_hand=False)

    def _weeks(self, opened_at: datetime, ended: datetime | None) -> None:
        """An incident that is open when a week begins says so."""
        until = ended or opened_at + timedelta(days=30)
        week = week_after(week_of(opened_at, self.timezone))
        while (start := week_bounds(week, self.timezone)[0]) < until:
            if self._open_at(start):
                self._add(start + timedelta(seconds=7), "open", TOCSIN, {"week": week}, start)
            week = week_after(week)

    def _open_at(self, at: datetime) -> bool:
        """Whether it was open or acknowledged just before an instant."""
        turns = [
            (one.recorded_at, one.type)
            for one in self.made
            if one.type in ("opened", "reopened", "resolved") and one.recorded_at <= at + timedelta(seconds=7)
        ]
        return bool(turns) and max(turns)[1] != "resolved"
