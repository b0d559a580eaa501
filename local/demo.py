"""`make demo`: the main job, start to end, on real components; exits non-zero if any part does not happen."""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from local.demo_job import calls
from local.demo_job.host import Client, DemoFailed, running_host
from local.demo_job.receivers import Inbox, hook, mailbox

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / ".local" / "demo"
STARTED = time.monotonic()
Notes = list[dict[str, Any]]


def main() -> int:
    """Tell the story; 0 if all of it happened. A folder as argument: its JSON files are sent as well."""
    shutil.rmtree(DATA, ignore_errors=True)
    (DATA / "plans").mkdir(parents=True)
    key = secrets.token_hex(16)
    inbox = Inbox(key, lambda where, what: say("  ←", f"{where}: {what}"))
    with ExitStack() as stack:
        try:
            address = stack.enter_context(hook(inbox))
            smtp = stack.enter_context(mailbox(inbox))
            plan = (ROOT / "local" / "demo_job" / "plan.yaml").read_text().replace("HOOK", address)
            (DATA / "plans" / "harbour.yaml").write_text(plan)
            say("•", "starting storage (Azurite) and the function app; the first time installs Azurite")
            settings = {
                "PLANS_DIR": str(DATA / "plans"),
                "ESCALATION_SCHEDULE": "*/1 * * * * *",
                "SECRET_DEMO_SIGNING_KEY": key,
                "SECRET_DEMO_SMTP": smtp,
            }
            client = stack.enter_context(running_host(ROOT, DATA, settings))
            say("•", f"Tocsin is up: {client.base}")
            Story(client, inbox).tell()
        except DemoFailed as failure:
            say("✗", str(failure))
            return 1
    say("✓", "the main job happened, start to end")
    return 0


def say(mark: str, what: str) -> None:
    """One line, with the seconds since the start."""
    print(f"{time.monotonic() - STARTED:6.1f}s {mark} {what}", flush=True)


@dataclass
class Story:
    """One act after another; each checks what it claims."""

    client: Client
    inbox: Inbox
    incidents: dict[str, str] = field(default_factory=dict)

    def tell(self) -> None:
        """The main job."""
        self._alerts_arrive()
        self._samples_arrive()
        self._nobody_answers_one()
        self._somebody_answers_the_other()
        self._it_is_over()
        self._the_auditor_checks()

    def _alerts_arrive(self) -> None:
        now = datetime.now(UTC)
        say("•", "four sources call")
        self._open("alertmanager", "checkout", calls.alertmanager_group(now))
        self._open("azure-monitor", "queue", calls.azure_metric(now))
        self._open("grafana", "disk", calls.grafana_mixed(now))
        self._open("generic", "backup", calls.generic(now))
        again = self.client.alert("alertmanager", calls.body(calls.alertmanager_group(now)))
        ensure(again[0]["action"] == "updated", "the same alerts again are counted on the same incident")
        shown = self._incident("checkout")
        ensure(shown["alert_count"] == 6, "three alerts, sent twice: one incident, six counted")

    def _open(self, source: str, name: str, call: dict[str, Any]) -> None:
        [outcome] = self.client.alert(source, calls.body(call))
        ensure(outcome["action"] == "opened", f"{source} opens {outcome['id']} ({outcome['severity']})")
        self.incidents[name] = outcome["id"]

    def _samples_arrive(self) -> None:
        """Real payloads, where a folder with them was named on the command line."""
        folders = {
            "prometheus_alertmanager": "alertmanager",
            "azure_monitor": "azure-monitor",
            "grafana": "grafana",
        }
        for folder, source in folders.items() if len(sys.argv) > 1 else ():
            for file in sorted((Path(sys.argv[1]) / folder).glob("*.json")):
                outcomes = self.client.alert(source, file.read_bytes())
                actions = ", ".join(f"{each['action']} {each['id'] or ''}".strip() for each in outcomes)
                say("  →", f"{source} {file.name}: {actions}")

    def _somebody_answers_the_other(self) -> None:
        """Acknowledged at once, so its ladder stays at the first step."""
        deliveries = self._incident("queue")["deliveries"]
        told = {each["contact"] for each in deliveries if each["kind"] == "escalation"}
        ensure(told == {"oncall"}, "the incident that was acknowledged went no further than its first step")

    def _nobody_answers_one(self) -> None:
        queue, checkout = self.incidents["queue"], self.incidents["checkout"]
        self._wait(
            lambda notes: _paged(notes, queue, "/pager"), "the on-call engineer is paged for the queue"
        )
        link = next(
            note["answer_url"]
            for note in self.inbox.arrived
            if note.get("incident") == queue and note["answer_url"]
        )
        self.client.follow(link)
        ensure(
            self._incident("queue")["status"] == "open",
            "a program that tries the page's link changes nothing",
        )
        self.client.follow(link, press="acknowledge")
        ensure(
            self._incident("queue")["status"] == "acknowledged",
            f"the engineer acknowledges {queue} by the link in the page; nobody answers {checkout}",
        )
        self._wait(
            lambda notes: _paged(notes, checkout, "/flaky"), "the team lead is paged, at the second try"
        )
        self._wait(
            lambda notes: any(note.get("to") == "manager@harbour.example" for note in notes),
            "the manager gets a mail",
        )
        ensure(self.inbox.refused == 1, "the busy receiver was tried again")
        copies = [each for each in self.inbox.arrived if each.get("incident") == checkout]
        paged = [each for each in copies if each["kind"] == "escalation" and each["where"] == "/pager"]
        ensure(len(paged) == 1, "the receiver that answered 200 was told once")
        clocks = self._incident("checkout")["sla"]
        ensure(clocks["respond"]["state"] == "breached", "the response window lapsed, and that is on record")

    def _it_is_over(self) -> None:
        resolved = calls.alertmanager_group(datetime.now(UTC), firing=False)
        [outcome] = self.client.alert("alertmanager", calls.body(resolved))
        ensure(outcome["action"] == "resolved", f"Alertmanager says it is over: {outcome['id']} is resolved")
        words = json.dumps({"resolution": "scaled the consumers out", "code": "fixed"}).encode()
        queue = self.incidents["queue"]
        self.client.person("ana:Responder", "POST", f"/api/v1/incidents/{queue}/resolve", words)
        ensure(self._incident("queue")["status"] == "resolved", f"ana resolves {queue}")
        self._wait(
            lambda notes: any(
                note["kind"] == "resolved" and note["incident"] == queue
                for note in notes
                if "incident" in note
            ),
            "those who were paged hear that it is over",
        )

    def _the_auditor_checks(self) -> None:
        year, week, _ = datetime.now(ZoneInfo("America/Barbados")).isocalendar()
        week_name = f"{year}-W{week:02d}"
        path = f"/api/v1/plans/harbour/exports/{week_name}"
        made = self.client.person("root:Admin", "POST", path, expect=201).json()
        say("•", f"the audit bundle of {week_name} is compiled ({made['revision']}; the week is not over)")
        bundle, keys = DATA / "bundle.zip", DATA / "keys.json"
        for name in ("bundle.zip", "manifest.sig", "report.html", "texts.zip"):
            (DATA / name).write_bytes(self.client.person("vera:Auditor", "GET", made["files"][name]).content)
        keys.write_bytes(self.client.person("vera:Auditor", "GET", "/api/v1/keys").content)
        texts = ["--texts", str(DATA / "texts.zip")]
        done = _verify(bundle, "--key", str(keys), *texts)
        ensure(done == 0, "the auditor verifies it offline: every row and figure, and whose signature it is")
        self._an_auditor_without_an_account(path, made["revision"], bundle)
        self._somebody_is_erased(made["files"]["texts.zip"], bundle)
        forged = bytearray(bundle.read_bytes())
        forged[len(forged) // 2] ^= 1
        (DATA / "forged.zip").write_bytes(forged)
        ensure(_verify(DATA / "forged.zip", quiet=True) == 1, "one flipped bit, and it does not verify")
        say("•", f"the bundle: {bundle}; to look at: {DATA / 'report.html'}")

    def _an_auditor_without_an_account(self, path: str, revision: str, bundle: Path) -> None:
        wanted = json.dumps({"hours": 24, "revision": revision}).encode()
        made = self.client.person("root:Admin", "POST", f"{path}/links", wanted, expect=201).json()
        fetched = self.client.session.get(made["url"] + "/bundle.zip", timeout=30).content
        ensure(fetched == bundle.read_bytes(), "an auditor without an account fetches it by a link for a day")

    def _somebody_is_erased(self, texts: str, bundle: Path) -> None:
        """Ana, with what she wrote; nothing that was counted changes."""
        ana = self.client.person(
            "ana:Responder", "GET", f"/api/v1/incidents/{self.incidents['queue']}/timeline"
        )
        actors = {event["actor"] for event in ana.json()["events"] if event["type"] == "resolved"}
        whom = {"plan": "harbour", "person": actors.pop().removeprefix("person:"), "texts": True}
        answer = self.client.person("root:Admin", "POST", "/api/v1/people/erase", json.dumps(whom).encode())
        ensure(answer.json()["done"], "ana asks to be erased, and is, with every word she wrote")
        (DATA / "texts.zip").write_bytes(self.client.person("vera:Auditor", "GET", texts).content)
        done = _verify(bundle, "--texts", str(DATA / "texts.zip"), quiet=True)
        ensure(done == 0, "the bundle verifies as before: what is gone is called erased, not broken")

    def _incident(self, name: str) -> dict[str, Any]:
        shown: dict[str, Any] = self.client.person(
            "ana:Responder", "GET", f"/api/v1/incidents/{self.incidents[name]}"
        ).json()
        return shown

    def _wait(self, wanted: Callable[[Notes], bool], what: str) -> None:
        ensure(self.inbox.wait_for(wanted, seconds=45), what)


def ensure(happened: bool, what: str) -> None:
    """Say that it happened, or stop the demo."""
    if not happened:
        raise DemoFailed(f"did not happen: {what}")
    say("✓", what)


def _paged(notes: Notes, incident: str, where: str) -> bool:
    return any(note.get("incident") == incident and note["where"] == where for note in notes)


def _verify(bundle: Path, *options: str, quiet: bool = False) -> int:
    command = [sys.executable, "-m", "shared.kpi.verify", str(bundle), *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if not quiet:
        for line in done.stdout.splitlines():
            say("   ", line)
    return done.returncode


if __name__ == "__main__":
    raise SystemExit(main())
