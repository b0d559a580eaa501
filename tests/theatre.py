"""Scenarios: the real app behind its real HTTP entrance, in the test's own process and on the test's clock.

Who was told is what real receivers got: a web server that plays every provider, and a mail server.
"""

from __future__ import annotations

import functools
import html
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, quote, urlsplit
from zoneinfo import ZoneInfo

import pytest
from azure.data.tables import TableServiceClient
from azure.functions.timer import TimerRequest

import shared.app
from functions import clock
from local.functions import HTTP, TIMER, Function, load_functions
from local.http_front import HttpFront
from local.http_server import HttpServer, bind
from local.invocations import Invocations
from local.settings import read_host_json
from local.sign_in import SignIn
from shared.adapters.app_setting_secrets import setting_of
from shared.adapters.deadline_index import DeadlineIndex
from shared.adapters.names import CONTAINER, QUEUE
from shared.adapters.plan_files import load
from shared.adapters.sealing_wraps import SECRET as TEXTS_KEY
from shared.adapters.storage_clients import StorageClients
from shared.domain.delivery import Attempt, Delivery
from shared.domain.plan import Plan
from shared.settings import SETTINGS, StorageAccess
from tests.host_process import KEY, http_call
from tests.mail_receivers import Mail, SmtpReceiver
from tests.played_vendors import PlayedVendors, played
from tests.receivers import HttpReceiver, Reply, Request
from tests.toy_host import ROOT, Answer

READER, RESPONDER = "rita:Reader", "ana:Responder"
PUBLIC_URL = "https://tocsin.example.com"
DOOMSDAY = datetime(2100, 1, 1, tzinfo=UTC)
WITH_TIME = ("keep_agenda", "sweep")
"""Timers that fire as time passes, in this order: what a drill opens the queue would have advanced at once.

The others only `Theatre.run` fires."""
BY_SECRET_URL = ("slack", "teams")
PROVIDERS = "https://providers.example"
"""In a plan: the address at which the theatre plays providers, whose first part names one, ``…/sms``."""
NOT_WORDS = {"type", "$schema", "version", "contentType", "action_id", "style", "size", "weight", "color",
             "spacing", "width", "emoji", "wrap"}  # fmt: skip
NO_APPOINTMENTS = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Tocsin tests//EN\r\nEND:VCALENDAR\r\n"


@dataclass(frozen=True)
class Told:
    """One notification that a provider took."""

    at: datetime
    """The theatre's instant, UTC."""
    when: str
    """The same as ``2026-11-18 14:00``, with seconds where there are any, in the theatre's time zone."""
    channel: str
    """The secret that holds the provider's URL, else the first part of its address, or ``email``.

    What goes to a log is told to nobody.
    """
    to: str | None
    """The address of a mail; the number of a text or call; the channel or person in Slack."""
    subject: str
    """The mail's subject; of other channels the first line."""
    text: str
    """Every word of it, as people read it."""
    key: str
    kind: str = "digest"
    """As its delivery says; what belongs to no incident is a digest."""
    contact: str | None = None
    incident: str | None = None
    drill: str | None = None
    reason: str = ""
    caused_by: int = 0


def organisation(name: str) -> dict[str, str]:
    """The plan of this repository of that name, for `Theatre`, which plays its pagers and status page."""
    return {name: played((ROOT / "plans" / f"{name}.yaml").read_text(encoding="utf-8"), PROVIDERS)}


class Theatre:
    """Plans on an empty storage: ``with Theatre(storage, tmp_path, monkeypatch, organisation("acme")) as …``.

    Everything in the storage account is deleted first, so it must be one that no other test uses meanwhile.
    """

    def __init__(
        self,
        storage: str,
        folder: Path,
        hand: pytest.MonkeyPatch,
        plans: Mapping[str, str],
        zone: str = "UTC",
    ) -> None:
        """``plans`` by name as YAML; ``zone`` is how instants without an offset are read and shown."""
        self.zone = ZoneInfo(zone)
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.refusing: dict[str, int | Reply] = {}
        """Channel, as `Told` names it -> what its provider answers instead of taking what comes."""
        self.playing: dict[str, Callable[[Request], Reply]] = {}
        """First part of an address below `PROVIDERS` -> who plays the provider there."""
        self.vendors = PlayedVendors()
        """PagerDuty and Statuspage, where nobody else plays them."""
        self.secrets: dict[str, str] = {}
        """Name -> value, of every secret that the app is given."""
        self.calendars: dict[str, str] = {}
        """Secret -> the ICS that its address gives."""
        self._storage, self._folder, self._hand, self._plans = storage, folder, hand, dict(plans)
        self._started = False
        self._heard: list[Told] = []
        self._deliveries: dict[str, tuple[str, Delivery]] = {}
        self._open = ExitStack()

    def __enter__(self) -> Self:
        house()  # before the environment is ours: it starts once for all
        folder = self._folder / "plans"
        folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as opening:
            opening.callback(empty, self._storage)  # no deadline is left for another test's sweep
            self.web = opening.enter_context(HttpReceiver(self._answer))
            self.mail = opening.enter_context(SmtpReceiver(heard=self._take_mail))
            for name, text in self._plans.items():
                (folder / f"{name}.yaml").write_text(text.replace(PROVIDERS, self.web.url), encoding="utf-8")
            self.plans: dict[str, Plan] = {plan.name: plan for plan in load(folder)}
            self.secrets = self._secrets()
            empty(self._storage)
            self._open = opening.pop_all()
        tables = StorageClients(StorageAccess(self._storage)).tables()
        self._index = DeadlineIndex(tables.get_table_client("Index"))
        self._set_up(folder)
        self._hand.setattr(clock, "now", lambda: self.now)
        self._hand.setattr(shared.app, "_app", None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shared.app._app = None  # noqa: SLF001  (the next app is built on another environment)
        self._open.close()

    def at(self, moment: str | datetime, every: timedelta | None = None) -> None:
        """Fast-forward to that moment: timers run at each deadline on the way, ``every`` so often, and then.

        The first moment is only the beginning.
        """
        target = self.instant(moment)
        assert target >= self.now or not self._started, "time does not run backwards"
        while self._started and (stop := self._next_stop(target, every)) is not None:
            self.now = stop
            self._run_timers()
        self.now, self._started = target, True
        self._run_timers()

    def forward(self, duration: timedelta, every: timedelta | None = None) -> None:
        """Fast-forward by that much."""
        self.at(self.now + duration, every)

    def instant(self, moment: str | datetime) -> datetime:
        """``2026-11-18 14:00`` in UTC, read in the theatre's time zone."""
        parsed = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=self.zone)).astimezone(UTC)

    def run(self, timer: str) -> None:
        """Fire one timer function, now."""
        function = house().timers[timer]
        outcome = house().invocations.run(function, TimerRequest(past_due=False, schedule_status={}))
        assert not outcome.failed, f"{timer} failed at {self.now}; the log says why"

    def alerts(self, plan: str, source: str, payload: object) -> list[dict[str, Any]]:
        """A monitoring system calls, and what that causes now happens; what became of each alert."""
        headers = dict(KEY)
        trust = self.plans[plan].sources.get(source)
        if trust is not None and trust.bearer_secret is not None:
            headers["Authorization"] = f"Bearer {self.secrets[trust.bearer_secret]}"
        answer = self.call("POST", f"/api/v1/plans/{plan}/alerts/{source}", payload, headers=headers)
        assert answer.status == 202, answer
        self._run_timers()
        found: list[dict[str, Any]] = answer.json()["incidents"]
        return found

    def alert(self, plan: str, source: str = "generic", payload: object = None, **fields: object) -> str:
        """One alert, given whole or by the ``fields`` of the generic form; the id of its incident."""
        [outcome] = self.alerts(plan, source, fields if payload is None else payload)
        assert outcome["id"], outcome
        return str(outcome["id"])

    def command(
        self, incident: str, command: str, body: object = b"", who: str = RESPONDER
    ) -> dict[str, Any]:
        """A person does something to an incident, and what that causes now happens; the incident."""
        return self.post(f"/api/v1/incidents/{quote(incident)}/{command}", body, who)

    def post(self, path: str, body: object = b"", who: str = RESPONDER) -> dict[str, Any]:
        """A person posts, and what that causes now happens; the answer. `call` is for what is refused."""
        answer = self.call("POST", path, body, who)
        assert answer.status in (200, 201), answer
        self._run_timers()
        found: dict[str, Any] = answer.json()
        return found

    def get(self, path: str, who: str = READER) -> Any:  # noqa: ANN401  (whatever the route answers)
        """What a person reads there."""
        answer = self.call("GET", path, who=who)
        assert answer.status == 200, answer
        return answer.json()

    def incident(self, incident: str, who: str = READER) -> dict[str, Any]:
        """One incident, whole."""
        found: dict[str, Any] = self.get(f"/api/v1/incidents/{quote(incident)}", who)
        return found

    def incidents(self, plan: str, who: str = READER) -> list[dict[str, Any]]:
        """The plan's incidents, newest first."""
        found: list[dict[str, Any]] = self.get(f"/api/v1/incidents?plan={quote(plan)}", who)["incidents"]
        return found

    def events(self, incident: str, who: str = READER) -> list[dict[str, Any]]:
        """The incident's timeline."""
        found: list[dict[str, Any]] = self.get(f"/api/v1/incidents/{quote(incident)}/timeline", who)["events"]
        return found

    def call(
        self,
        method: str,
        path: str,
        body: object = b"",
        who: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request; a ``body`` that is not bytes goes out as JSON. Nothing is swept."""
        return http_call(house().port, method, path, body, who, headers)

    @property
    def told(self) -> list[Told]:
        """Everything told so far: by instant; within one by what caused it, then by contact and channel."""
        self._recognise()
        return sorted(
            self._heard,
            key=lambda told: (told.at, told.caused_by, told.contact or "", told.channel, told.to or ""),
        )

    def told_since(self, count: int) -> list[Told]:
        """What was told after the first ``count``."""
        return self.told[count:]

    def _set_up(self, folder: Path) -> None:
        for name in [name for name in os.environ if name.startswith(("TOCSIN_", "SECRET_", "KEY_VAULT"))]:
            self._hand.delenv(name)
        settings = {
            "TOCSIN_STORAGE": self._storage,
            "PLANS_DIR": str(folder),
            "PUBLIC_URL": PUBLIC_URL,
            "WEBSITE_AUTH_ENABLED": "True",
            "WEBSITE_HOSTNAME": f"127.0.0.1:{house().port}",
            **{setting_of(name): value for name, value in self.secrets.items()},
        }
        for name, value in settings.items():
            self._hand.setenv(name, value)

    def _secrets(self) -> dict[str, str]:
        """Every secret that plans and settings name; those that are addresses lead to the receivers."""
        named = [TEXTS_KEY, *(each.default for each in SETTINGS if each.name.endswith("_SECRET"))]
        found = {name: f"only for tests: {name}" for name in named if name}
        for plan in self.plans.values():
            for trust in plan.sources.values():
                found |= {name: f"trust-{name}" for name in (trust.bearer_secret, trust.hmac_secret) if name}
            for channel in plan.directory.channels.values():
                here = channel.url is None or channel.url.startswith(self.web.url)
                assert here, f"{plan.name}: nobody in a theatre answers at {channel.url}"
                found |= self._of_channel(channel.kind, channel.secret, channel.options)
            chat = (plan.chat.slack_signing_secret, plan.chat.slack_bot_secret)
            found |= {name: f"signing-{name}" for name in chat if name}
            calendars = [contact.calendar for contact in plan.directory.contacts.values()]
            for secret in [calendar.secret for calendar in calendars if calendar and calendar.secret]:
                found[secret] = f"{self.web.url}/{secret}"
        return found

    def _of_channel(self, kind: str, secret: str | None, options: Mapping[str, str]) -> dict[str, str]:
        named = (options.get("auth_token_secret"), options.get("callback_secret"))
        found = {name: f"signing-{name}" for name in named if name}
        if url_secret := options.get("url_secret"):
            found[url_secret] = f"{self.web.url}/{url_secret}"
        if secret and kind in BY_SECRET_URL:
            found[secret] = f"{self.web.url}/{secret}"
        elif secret and kind.startswith("acs-"):
            found[secret] = f"endpoint={self.web.url};accesskey=b25seSBmb3IgdGVzdHM="
        elif secret:
            found[secret] = self.mail.url("off") if kind == "email" else f"signing-{secret}"
        return found

    def _next_stop(self, target: datetime, every: timedelta | None) -> datetime | None:
        """The next deadline, or multiple of ``every`` since midnight, that is later than now."""
        stops = [due.due_at for due in self._index.due(target) if due.due_at > self.now]
        if every is not None:
            midnight = self.now.astimezone(self.zone).replace(hour=0, minute=0, second=0, microsecond=0)
            since = self.now - midnight
            stops.append(self.now + every - since % every)
        return min((stop for stop in stops if stop < target), default=None)

    def _run_timers(self) -> None:
        for name in WITH_TIME:
            self.run(name)

    def _answer(self, request: Request) -> Reply:
        name = urlsplit(request.path).path.strip("/").partition("/")[0]
        if request.method == "GET" and "/v1/pages/" not in request.path:
            return Reply(200, body=self.calendars.get(name, NO_APPOINTMENTS).encode())
        if name in self.refusing:
            refusal = self.refusing[name]
            return refusal if isinstance(refusal, Reply) else Reply(refusal)
        if name in self.playing:
            reply = self.playing[name](request)
            self._hear_provider(name, request, reply)
            return reply
        taken = self.vendors.take(name, request)
        reply, lines = taken or (Reply(200), list(words(request.json())))
        if lines:  # a pager is also told how the incident stands, which is said to nobody
            self._hear(name, None, lines[0], "\n".join(lines), request.headers["idempotency-key"])
        return reply

    def _hear_provider(self, name: str, request: Request, reply: Reply) -> None:
        """What a provider took that can be read or heard; updates of what stands there are not."""
        answer = json.loads(reply.body) if reply.body.startswith(b"{") else {}
        if reply.reset or reply.status >= 300 or answer.get("ok") is False:
            return
        if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            form = dict(parse_qsl(request.body.decode()))
            text = form.get("Body") or re.sub("<[^>]+>", "\n", form.get("Twiml", ""))
            lines, to = [plain(line) for line in text.splitlines() if line], form.get("To")
        else:
            stated = request.json()
            lines, to = list(words(stated)), stated.get("channel")
        key = request.headers.get("idempotency-key")
        if key is None and request.path.endswith("/chat.postMessage"):
            key = self._of_slack(answer["channel"], answer["ts"], stated.get("thread_ts"))
        if key is not None and lines:
            self._hear(name, to, lines[0], "\n".join(lines), key)

    def _take_mail(self, mail: Mail) -> None:
        body = mail.message.get_body(("plain",))
        assert body is not None
        subject, key = str(mail.message["Subject"]), str(mail.message["Message-ID"])
        text = f"{subject}\n{body.get_content()}".replace("\r\n", "\n")
        self._hear("email", ", ".join(mail.recipients), subject, text, key.strip(" <>").partition("@")[0])

    def _hear(self, channel: str, to: str | None, subject: str, text: str, key: str) -> None:
        local = self.now.astimezone(self.zone)
        when = local.strftime("%Y-%m-%d %H:%M:%S").removesuffix(":00")
        self._heard.append(Told(self.now, when, channel, to, subject, text, key))

    def _recognise(self) -> None:
        """Say of each notification for which delivery it is; the receivers know only its key."""
        if any(told.contact is None and self._delivery_of(told) is None for told in self._heard):
            store = shared.app.app().show_incidents.store
            for _, incident, _ in self._index.newest(None, None, None):
                for delivery in store.deliveries(store.load(incident).incident):
                    self._deliveries[delivery.idempotency_key] = incident, delivery
                    if delivery.gathered is not None or delivery.message.kind == "refresh":
                        continue  # accepted with others or beside them, under an id of theirs
                    for attempt in delivery.attempts:
                        for name in places(attempt):
                            self._deliveries.setdefault(name, (incident, delivery))
        self._heard = [self._recognised(told) for told in self._heard]

    def _delivery_of(self, told: Told) -> tuple[str, Delivery] | None:
        return next((self._deliveries[name] for name in told.key.split() if name in self._deliveries), None)

    def _of_slack(self, channel: str, ts: str, thread: str | None) -> str:
        """For the key that Slack is not given: where a message stands, and when; the surest place first.

        Of two messages to one channel in one instant, the second may be taken for the first.
        """
        stands = [f"{channel}:{ts}", *([f"{channel}:{thread}"] if thread else []), channel]
        return " ".join(f"{place}@{self.now.isoformat()}" for place in stands)

    def _recognised(self, told: Told) -> Told:
        found = self._delivery_of(told) if told.contact is None else None
        if found is None:
            return told
        incident, delivery = found
        message = delivery.message
        return replace(
            told,
            kind=message.kind,
            contact=delivery.contact,
            incident=incident,
            drill=message.drill,
            reason=message.reason,
            caused_by=delivery.caused_by,
        )


@dataclass(frozen=True)
class House:
    """The parts of the local host that outlive a play: they call whatever app there is."""

    port: int
    invocations: Invocations
    timers: Mapping[str, Function]


@functools.cache
def house() -> House:
    """Opened once in a test process, on daemon threads; neither timers nor queues fire by themselves."""
    functions = load_functions(ROOT)
    bound = bind(0)
    port = bound.getsockname()[1]
    invocations = Invocations()
    front = HttpFront(
        [function for function in functions if function.kind == HTTP],
        read_host_json(ROOT).route_prefix,
        invocations,
        SignIn(port),
    )
    HttpServer(front, bound, threads=2).start()
    return House(port, invocations, {each.name: each for each in functions if each.kind == TIMER})


def empty(storage: str) -> None:
    """Delete every row, message and blob that there is."""
    service = TableServiceClient.from_connection_string(storage)
    for table in list(service.list_tables()):
        service.delete_table(table.name)
    clients = StorageClients(StorageAccess(storage))
    clients.make_containers()
    clients.queue(QUEUE).clear_messages()
    container = clients.blobs().get_container_client(CONTAINER)
    for blob in list(container.list_blob_names()):
        container.delete_blob(blob)


def places(attempt: Attempt) -> Iterator[str]:
    """Where and when Slack took what was tried: the message or the one that it follows, and the channel."""
    if attempt.provider_id is not None and attempt.sent_at is not None:
        for place in (attempt.provider_id, attempt.provider_id.partition(":")[0]):
            yield f"{place}@{attempt.sent_at.isoformat()}"


def words(document: object) -> Iterator[str]:
    """Every text of a provider's JSON in order, unescaped; what only says how it looks is left out."""
    if isinstance(document, str):
        if text := plain(document):
            yield text
    elif isinstance(document, dict):
        # Slack's own "text" is the fallback for what stands in the blocks.
        blocks = document.get("blocks")
        for name, value in document.items():
            if name not in NOT_WORDS and not (blocks and name == "text"):
                yield from words(value)
    elif isinstance(document, list):
        for each in document:
            yield from words(each)


def plain(text: str) -> str:
    """As people read it: without the escapes of Slack (entities) and Teams (Markdown)."""
    return re.sub(r"\\([\\`*_{}\[\]()<>&#~|!])", r"\1", html.unescape(text.replace("\u200b", "")))
