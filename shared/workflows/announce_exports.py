"""Tells the contacts that a plan names when a bundle is ready, with a link for those who have no account."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.domain.agenda import told
from shared.domain.delivery import Message
from shared.domain.plan import Contact, Plan
from shared.domain.ways import open_ways
from shared.domain.week import week_bounds
from shared.export_ports import Exports
from shared.kpi.shelf import NOTED, Bundle
from shared.ports import Channel, Journals, Plans, Secrets
from shared.workflows import export_kpis
from shared.workflows.export_kpis import write_once
from shared.workflows.note_in_journal import note_in_journal
from shared.workflows.serve_exports import ServeExports
from shared.workflows.tell_contact import Told, tell

ANNOUNCED = "announced"
NOBODY = Told(None, accepted=False, again=True)
"""Of a rotation in which nobody is on call: later somebody may be."""
TRIED_FOR = timedelta(days=5)
LAST = 3
"""Weeks that are announced; whoever begins to be told is not told of all that there ever was."""
Clock = Callable[[], datetime]


@dataclass
class AnnounceExports:
    """Runs after the exports' timer; a bundle is announced once, again only after a crash in between."""

    plans: Plans
    exports: Exports
    serving: ServeExports
    journals: Journals
    channels: Mapping[str, Channel]
    secrets: Secrets

    def announce(self, clock: Clock) -> int:
        """Tell of the last weeks' bundles whoever wants to hear of them and has not; how many were told.

        Of a week that was restated only the last revision is announced.

        What fails stops no other plan: the failures are raised together at the end. Whom nothing reaches for
        now is tried again by the next run, until the bundle is `TRIED_FOR` old.
        """
        done, failures = 0, list[Exception]()
        for plan in self.plans.all():
            try:
                bundles = export_kpis.list_bundles(plan.name, self.exports) if plan.exports.notify else []
                last = {bundle.week: bundle for bundle in bundles}
                for week in sorted(last)[-LAST:]:
                    done += self._tell_all(plan, last[week], clock)
            except Exception as error:  # noqa: BLE001  (one plan must stop no other; raised below)
                failures.append(error)
        if failures:
            raise ExceptionGroup(f"{len(failures)} plans' exports could not be announced", failures)
        return done

    def _tell_all(self, plan: Plan, bundle: Bundle, clock: Clock) -> int:
        known = set(self.exports.names(bundle.beside("")))
        if bundle.beside(NOTED) not in known:
            return 0  # it is being made by another instance; the next run tells of it
        left: dict[str, list[str]] = {}
        """By contact, or by rotation where nobody is on call: the markers of the names that lead there."""
        for name in plan.exports.notify:
            marker = bundle.beside(f"{ANNOUNCED}-{name}")
            if marker not in known:
                contacts, _ = told(plan, (name,), clock())
                left.setdefault((contacts or [name])[0], []).append(marker)
        done = 0
        for name, markers in left.items():
            contact, own = plan.directory.contacts.get(name), bundle.beside(f"{ANNOUNCED}-{name}")
            if contact and own in known:  # told already, by another name
                self._mark(markers)
                continue
            sent = self._tell(plan, bundle, contact, clock) if contact else NOBODY
            if sent.again and not sent.accepted and clock() - _ended(plan, bundle) < TRIED_FOR:
                continue
            self._note(plan, bundle, name, sent.channel if sent.accepted else None, clock())
            done += sent.accepted
            self._mark((own, *markers))
        return done

    def _mark(self, markers: Iterable[str]) -> None:
        for marker in markers:
            write_once(self.exports, marker)

    def _tell(self, plan: Plan, bundle: Bundle, contact: Contact, clock: Clock) -> Told:
        message = self._message(plan, bundle, contact.name, clock())
        ways = [way for _, way in open_ways(plan.directory, contact, message.severity, message.kind, clock())]
        key = hashlib.sha256(f"{bundle.blob('')}\n{contact.name}".encode()).hexdigest()[:40]
        return tell(plan, ways, message, key, self.channels, self.secrets, clock)

    def _message(self, plan: Plan, bundle: Bundle, name: str, now: datetime) -> Message:
        lines = [f"Plan {plan.title or plan.name}, week {bundle.week}, revision {bundle.label}."]
        address = None
        if plan.exports.link is not None and self.serving.public_url:
            link, address = self.serving.link_for(name, plan, bundle, plan.exports.link, now)
            lines.append(f"The link opens it without an account until {link.expires:%Y-%m-%d %H:%M} UTC.")
        return Message(
            "digest",
            plan.name,
            "-",
            f"KPI audit export {bundle.week} is ready",
            "-",
            "-",
            "open",
            now,
            "export ready",
            "\n".join(lines),
            source_url=address,
        )

    def _note(self, plan: Plan, bundle: Bundle, contact: str, channel: str | None, now: datetime) -> None:
        data = {"week": bundle.week, "revision": bundle.label, "contact": contact, "channel": channel}
        note_in_journal(self.journals, plan, "export-announced", data, now, now)


def _ended(plan: Plan, bundle: Bundle) -> datetime:
    """When its week was over."""
    return week_bounds(bundle.week, plan.rules.timezone)[1]
