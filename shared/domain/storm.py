"""A storm: more messages to one contact than it can read. The first go out one by one; what comes beyond is
gathered for a minute and told as one digest. Nothing here is sent: a gathered delivery stays owed."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Generic, Literal, TypeVar

from shared.domain.delivery import LEASE, PAGES, Attempt, Delivery, Kind, Message
from shared.domain.doors import Storm
from shared.domain.incident import Incident
from shared.domain.plan import Channel, Plan

Value_co = TypeVar("Value_co", covariant=True)

GATHERED: frozenset[Kind] = frozenset(
    {"escalation", "inform", "reminder", "role", "cleared", "still-open", "resolved"}
)
"""Kinds that are counted and gathered. What a person asks for or writes (`manual`, `update`, `review`,
`action-item`), Tocsin's own alarms, digests and `refresh`, which rings nobody, go out as they come."""
ONE_EACH = frozenset({"pagerduty", "opsgenie", "statuspage", "slack-room"})
"""Kinds of channel that keep something of its own for each incident: a digest there would lose them."""
COLLECTS = timedelta(seconds=60)
"""How long a gathering waits for more, from the first that it holds back."""
OTHERS_AFTER = timedelta(seconds=10)
"""How much later than the first of a gathering its others come due: as a rule they are told by then."""
SINGLY_AFTER_FAILURE = timedelta(minutes=5)
"""How long nothing is gathered for a contact whom a digest did not reach."""
MOST_GATHERED = 500
"""Messages in one gathering; what comes beyond begins another."""
MOST_CLAIMS = 3
"""Tries to tell a gathering that may be cut off; then its messages go out one by one."""
MOST_LINES = 50
TITLE_KEPT = 100
TEMPLATE = "storm-digest"
"""The plan's template that words the digest, where it has one of that name."""


@dataclass(frozen=True)
class Kept(Generic[Value_co]):
    """Something as it is kept, or is to be, with the tag of its row; None: there is no row yet."""

    value: Value_co
    tag: str | None


@dataclass(frozen=True)
class Counted:
    """A message that went out by itself."""

    message: str
    """What it says, as `_mark` tells it apart."""
    delivery: str
    nth: int
    at: datetime
    page: str = ""
    """Severity of the incident, where it asks somebody to act."""

    def stands_for(self, other: Delivery, mark: str) -> bool:
        """Whether the other is the same message: looked at once more, or by a further way."""
        return self.message == mark and (self.delivery == other.id or self.nth < other.nth)


@dataclass(frozen=True)
class StormState:
    """What one contact was sent of late, and where more is gathered."""

    counted: tuple[Counted, ...] = ()
    gathering: str | None = None
    """Key of the latest gathering."""
    singly_until: datetime | None = None
    """Nothing is gathered until then: the latest digest did not arrive."""


@dataclass(frozen=True)
class Entry:
    """One gathered delivery, without a word of its incident: that may have moved on, or been erased, by the
    time it is told."""

    incident: str
    delivery: str
    kind: Kind
    severity: str


@dataclass(frozen=True)
class Told:
    """How a digest arrived."""

    at: datetime
    sent_at: datetime
    channel: str
    """Name of the channel whose provider took it."""
    status: int | None
    provider_id: str | None
    body_sha256: str
    template: str | None = None
    template_version: str | None = None


@dataclass(frozen=True)
class Gathering:
    """What one contact is told together; once ``sent``, ``entries`` are those that the digest was about."""

    key: str
    opened_at: datetime
    until: datetime
    """When it is to be told, or when the lease of the try under way ends."""
    entries: tuple[Entry, ...] = ()
    state: Literal["collecting", "sending", "sent", "singly"] = "collecting"
    claims: int = 0
    told: Told | None = None

    def holds(self, delivery: Delivery) -> bool:
        """Whether the delivery is told with it."""
        return any(
            (each.incident, each.delivery) == (delivery.incident, delivery.id) for each in self.entries
        )

    def postponed(self, delivery: Delivery) -> Delivery:
        """A delivery that waits for it: the first brings it about, and failing that the others."""
        first = (self.entries[0].incident, self.entries[0].delivery) == (delivery.incident, delivery.id)
        return delivery.postponed(self.until if first else self.until + OTHERS_AFTER, self.key)

    def claimed(self, now: datetime) -> Gathering:
        """Leased to the caller, who tells it."""
        return replace(self, state="sending", until=now + LEASE, claims=self.claims + 1)

    def takes(self, more: int, now: datetime) -> bool:
        """Whether so many more may still join."""
        return self.state == "collecting" and now < self.until and len(self.entries) + more <= MOST_GATHERED


@dataclass(frozen=True)
class Member:
    """A gathered delivery that is still worth telling, and its incident as of now, where it could be read."""

    entry: Entry
    incident: Incident | None

    @property
    def status(self) -> str:
        """How its incident stands, as far as is known."""
        return self.incident.status if self.incident else "open"

    @property
    def severity(self) -> str:
        """Of its incident, as far as is known."""
        return self.incident.severity if self.incident else self.entry.severity

    @property
    def asks(self) -> bool:
        """Whether somebody has to answer it."""
        return self.entry.kind in PAGES and self.status != "resolved"


def is_gathered(message: Message, channel: Channel | None, to: str | None) -> bool:
    """Whether a message by this way is counted and, in a storm, told with others; drills never are."""
    inside = message.audience == "internal" and message.drill is None
    return inside and message.kind in GATHERED and channel is not None and takes_digest(channel, to)


def takes_digest(channel: Channel, to: str | None) -> bool:
    """Whether people read it: not a public channel, nor what keeps each incident, as a webhook to nobody."""
    public = channel.options.get("public") == "true"
    machine = channel.kind in ONE_EACH or (channel.kind == "webhook" and to is None)
    return not public and not machine


def count(
    state: StormState,
    arrivals: Sequence[Delivery],
    storm: Storm,
    now: datetime,
    loudness: Sequence[str] = (),
) -> tuple[StormState, list[Delivery]]:
    """The state with those counted that go out by themselves, and those that are beyond the limit.

    A page louder than every one of late goes out all the same; ``loudness`` names the severities, loudest
    first.
    """
    if state.singly_until is not None and now < state.singly_until:
        return state, []
    counted = [each for each in state.counted if now - each.at < storm.within]
    before, beyond = len(counted), list[Delivery]()
    for delivery in arrivals:
        mark = _mark(delivery)
        if any(each.stands_for(delivery, mark) for each in counted):
            continue
        page = delivery.message.severity if delivery.message.kind in PAGES else ""
        if len(counted) < storm.more_than or (page and _is_louder(page, counted, loudness)):
            counted.append(Counted(mark, delivery.id, delivery.nth, now, page))
        else:
            beyond.append(delivery)
    return (replace(state, counted=tuple(counted)) if len(counted) > before else state), beyond


def _is_louder(severity: str, counted: Sequence[Counted], loudness: Sequence[str]) -> bool:
    if severity not in loudness:
        return False
    pages = [loudness.index(each.page) for each in counted if each.page in loudness]
    return all(loudness.index(severity) < other for other in pages)


def gather(open_: Gathering | None, beyond: Sequence[Delivery], now: datetime) -> Gathering:
    """The gathering with those beyond the limit in it: the open one where they fit, else a new one."""
    if open_ is None or not open_.takes(len(beyond), now):
        key = f"{now.astimezone(UTC):%Y%m%dT%H%M%S%f}-{beyond[0].idempotency_key[:8]}"
        open_ = Gathering(key, now, now + COLLECTS)
    new = [_entry(delivery) for delivery in beyond if not open_.holds(delivery)]
    return replace(open_, entries=(*open_.entries, *new))


def weight(members: Sequence[Member], plan: Plan) -> tuple[str, Kind]:
    """Severity and kind of the weightiest, by which a way to the contact is chosen."""
    first = _in_order(members, plan)[0]
    return first.severity, "escalation" if first.asks else first.entry.kind


def digest_message(plan: Plan, gathering: Gathering, members: Sequence[Member]) -> Message:
    """What is gathered as one message in our own words; ``members`` is not empty."""
    lines: dict[str, Member] = {}
    for member in _in_order(members, plan):
        lines.setdefault(member.entry.incident, member)
    asking = sum(member.asks for member in lines.values())
    levels = Counter(member.severity for member in lines.values())
    rule, (severity, _) = plan.storm, weight(members, plan)
    counts = ", ".join(f"{number} {name}" for name, number in levels.items())
    listed = [_line(member) for member in list(lines.values())[:MOST_LINES]]
    more = [f"… and {len(lines) - MOST_LINES} more"] if len(lines) > MOST_LINES else []
    return Message(
        "digest",
        plan.name,
        "",
        _title(asking, len(lines) - asking),
        severity,
        "",
        "open" if any(member.status != "resolved" for member in lines.values()) else "resolved",
        gathering.opened_at,
        f"more than {rule.more_than} messages within {_minutes(rule.within)}: {counts}",
        "\n".join([*listed, *more]),
        template=TEMPLATE,
        loudness=_places(plan).get(severity, 0),
    )


def digest_key(plan: str, contact: str, gathering: str) -> str:
    """The key by which receivers may drop repeats of a digest."""
    return hashlib.sha256("\n".join(("storm", plan, contact, gathering)).encode()).hexdigest()[:40]


def sent(gathering: Gathering, told: Told) -> Gathering:
    """The gathering once a provider has taken its digest."""
    return replace(gathering, state="sent", told=told)


def accepted(delivery: Delivery, gathering: Gathering) -> Delivery:
    """A delivery that the digest has told: what became of the digest is its outcome."""
    told = gathering.told
    if told is None:
        raise AssertionError("a gathering that was sent says how")
    return replace(
        delivery,
        state="accepted",
        attempts=(
            *delivery.attempts,
            Attempt(told.at, True, told.status, told.provider_id, None, told.sent_at),
        ),
        channel=told.channel,
        body_sha256=told.body_sha256,
        template=told.template,
        template_version=told.template_version,
        gathered=gathering.key,
    )


def left(delivery: Delivery, gathering: Gathering, now: datetime) -> Delivery:
    """A delivery of a gathering that is over: told by its digest, or due at once to go its own way."""
    if gathering.told is not None and gathering.holds(delivery):
        return accepted(delivery, gathering)
    return replace(delivery, due_at=min(delivery.due_at, now))


def _mark(delivery: Delivery) -> str:
    """The same for every way by which one message is tried; ids are unique within an incident alone."""
    said = delivery.message
    parts = (delivery.incident, said.kind, said.reason, str(said.rung), str(said.words_of))
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:12]


def _entry(delivery: Delivery) -> Entry:
    said = delivery.message
    return Entry(delivery.incident, delivery.id, said.kind, said.severity)


def _one_line(title: str) -> str:
    return " ".join(title.encode("utf-8", "replace").decode().split())[:TITLE_KEPT]


def _in_order(members: Sequence[Member], plan: Plan) -> list[Member]:
    """What asks for an answer first, then the loudest, then as they came."""
    places = _places(plan)
    return sorted(members, key=lambda each: (not each.asks, places.get(each.severity, len(places))))


def _places(plan: Plan) -> Mapping[str, int]:
    return {severity.name: place for place, severity in enumerate(plan.rules.severities)}


def _title(asking: int, others: int) -> str:
    if not asking:
        return f"{_incidents(others)} to know of"
    needs = f"{_incidents(asking)} {'needs' if asking == 1 else 'need'} you"
    return f"{needs}, and {others} more to know of" if others else needs


def _incidents(number: int) -> str:
    return f"{number} incident{'' if number == 1 else 's'}"


def _line(member: Member) -> str:
    incident = member.incident
    title = f" {_one_line(incident.title or incident.name)}" if incident else ""
    return f"[{member.severity}] {member.entry.incident}{title} \N{MIDDLE DOT} {member.status}"


def _minutes(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    return f"{seconds // 60} min" if seconds % 60 == 0 else f"{seconds} s"
