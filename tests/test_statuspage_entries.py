"""Entries on a public page: one an incident, whatever answers get lost and whoever tells news at once."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from shared.adapters.channels.http_post import HttpPost
from shared.adapters.channels.statuspage import StatuspageChannel
from shared.domain.delivery import Message
from shared.ports import Accepted
from tests.notifications import KEY, NOON, failure_of, secrets_of
from tests.receivers import HttpReceiver, Reply, Request, Scripted
from tests.test_statuspage_channel import (
    ENTRY,
    MADE,
    MARK,
    NOTHING,
    a_page,
    a_page_without_entries,
    asked,
    news,
    put,
)


class PlayedPage:
    """Keeps entries as Statuspage does; ``slow`` POSTs wait for each other before they are answered."""

    def __init__(self, slow: int = 0) -> None:
        self.entries: dict[str, dict[str, Any]] = {}
        self.deleted: list[str] = []
        self.lost = False
        """Whether the answer to the next POST gets lost."""
        self.no_delete = False
        self._together = threading.Barrier(slow) if slow else None
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> Reply:
        """One call."""
        known = request.path.rpartition("/")[2]
        if request.method == "POST":
            return self._made(request.json()["incident"])
        with self._lock:
            if request.method == "GET" and known == "incidents?limit=50":
                return Reply(200, {}, json.dumps(list(self.entries.values())[::-1]).encode())
            if request.method == "DELETE" and self.no_delete:
                return Reply(500)
            if known not in self.entries:
                return Reply(404)
            if request.method == "DELETE":
                self.deleted.append(known)
                del self.entries[known]
                return Reply(204, {}, b"")
            if request.method == "GET":
                return Reply(200, {}, json.dumps(self.entries[known]).encode())
            self.entries[known] |= request.json()["incident"]
            self.entries[known]["told"].append(request.json()["incident"]["body"])
            return Reply(200, {}, json.dumps(self.entries[known]).encode())

    def _made(self, stated: dict[str, Any]) -> Reply:
        if self._together is not None:
            self._together.wait(10)
        with self._lock:
            lost, self.lost = self.lost, False
            made = self.put(**stated)
        if self._together is not None:
            self._together.wait(10)
        return Reply(reset=True) if lost else Reply(201, {}, json.dumps(made).encode())

    def put(self, **stated: Any) -> dict[str, Any]:  # noqa: ANN401  (fields of an entry)
        """An entry, made a second after the one before."""
        nth = len(self.entries) + len(self.deleted)
        created = (NOON + timedelta(seconds=nth)).isoformat()
        made = {"id": f"entry{nth}", "created_at": created, "told": [stated["body"]], **stated}
        self.entries[made["id"]] = made
        return made

    def shown(self) -> list[tuple[str, list[str]]]:
        """Of each entry: its phase and what was told by it."""
        return [(each["status"], each["told"]) for each in self.entries.values()]


@pytest.fixture
def http() -> Iterator[HttpPost]:
    post = HttpPost()
    yield post
    post.close()


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    with HttpReceiver(a_page_without_entries) as running:
        yield running


def test_news_whose_answer_got_lost_are_not_told_by_a_second_entry() -> None:
    page = PlayedPage()
    page.put(name="Theirs", status="investigating", body="x", metadata={"jira": {}})
    with HttpReceiver(page) as receiver:
        page.lost = True
        assert not failure_of(lambda: put(receiver, news())).permanent
        assert put(receiver, news()) == Accepted(200, "entry1")
    assert page.shown()[1:] == [("investigating", ["You cannot pay."] * 2)]


@pytest.mark.parametrize(
    "mark",
    [
        {},
        {"tocsin": None},
        {"tocsin": MARK | {"incident": "INC-8Q2XK4ZR-10"}},
        {"tocsin": MARK | {"components": "8kbf7d35c070"}},
    ],
)
def test_an_entry_of_something_else_is_left_alone(mark: dict[str, Any]) -> None:
    page = PlayedPage()
    page.put(name="Theirs", status="investigating", body="x", metadata=mark)
    with HttpReceiver(page) as receiver:
        assert put(receiver, news()).provider_id == "entry1"
        put(receiver, news(kind="resolved", status="resolved", first_id="entry1"))
    assert page.shown()[0] == ("investigating", ["x"])


def test_an_id_in_a_list_leads_nowhere_else() -> None:
    page = PlayedPage()
    page.put(name="x", status="investigating", body="x", metadata={"tocsin": MARK})["id"] = "../../x?"
    with HttpReceiver(page) as receiver:
        assert put(receiver, news()).provider_id == "entry1"


def told_at_once(page: Scripted, http: HttpPost, *sends: tuple[Message, float]) -> list[Accepted]:
    """Send side by side, each message as of so many minutes past noon."""
    with HttpReceiver(page) as receiver, ThreadPoolExecutor(len(sends)) as pool:
        spec, secrets = a_page(receiver), secrets_of(page_key="k")

        def told(message: Message, after: float) -> Accepted:
            at = NOON + timedelta(minutes=after)
            return StatuspageChannel(http).send(message, spec, None, KEY, secrets, at)

        return [each.result(20) for each in [pool.submit(told, *send) for send in sends]]


def test_two_first_news_at_once_make_one_entry_that_says_it_is_over(http: HttpPost) -> None:
    page = PlayedPage(slow=2)
    over = news("Fixed.", kind="resolved", status="resolved")
    accepted = told_at_once(page, http, (news("We look."), 0), (over, 1))
    (left,) = page.entries
    assert left in {each.provider_id for each in accepted}
    assert page.deleted
    assert page.shown() == [("resolved", ["Fixed."])]


@pytest.mark.parametrize(("mine", "theirs"), [(0, 1), (1, 0)])
def test_an_entry_that_appears_beside_a_new_one_is_settled_by_whoever_sees_it(
    http: HttpPost, mine: int, theirs: int
) -> None:
    page = PlayedPage()

    def late(request: Request) -> Reply:
        reply = page(request)
        if request.method == "POST":
            as_of = (NOON + timedelta(minutes=theirs)).isoformat()
            page.put(name="x", status="resolved", body="x", metadata={"tocsin": MARK | {"as_of": as_of}})
        return reply

    accepted = told_at_once(late, http, (news(), mine))
    (left,) = page.entries
    assert accepted[0].provider_id == left == ("entry0" if mine else "entry1")


def test_of_two_first_news_of_one_moment_both_are_told_by_one_entry(http: HttpPost) -> None:
    page = PlayedPage(slow=2)
    told_at_once(page, http, (news("We look."), 0), (news("We know.", phase="identified"), 0))
    ((_, told),) = page.shown()
    assert sorted(told) == ["We know.", "We look."]


@pytest.mark.parametrize(("mine", "told"), [(1, ["x", "We know."]), (0, ["x", "We know."]), (-1, ["x"])])
def test_news_whose_entry_the_other_send_has_taken_off_already_are_told_by_the_one_that_stays(
    http: HttpPost, mine: int, told: list[str]
) -> None:
    page = PlayedPage()

    def settled_by_the_other(request: Request) -> Reply:
        reply = page(request)
        if request.method == "POST":
            page.put(
                name="x",
                status="investigating",
                body="x",
                metadata={"tocsin": MARK | {"as_of": NOON.isoformat()}},
            )
            del page.entries["entry0"]
        return reply

    [accepted] = told_at_once(settled_by_the_other, http, (news("We know."), mine))
    assert accepted.provider_id == "entry1"
    [(_, shown)] = page.shown()
    assert shown == told


def test_an_entry_that_a_list_does_not_show_yet_stays(http: HttpPost) -> None:
    page = PlayedPage()

    def behind(request: Request) -> Reply:
        if request.method == "GET" and page.entries and request.path.endswith("?limit=50"):
            other = {"id": "other", "metadata": {"tocsin": MARK | {"as_of": NOON.isoformat()}}}
            return Reply(200, {}, json.dumps([other]).encode())
        return page(request)

    [accepted] = told_at_once(behind, http, (news("We know."), 0))
    assert accepted.provider_id == "entry0"
    assert page.shown() == [("investigating", ["We know."])]


def test_news_that_were_overtaken_by_the_end_reopen_nothing(http: HttpPost) -> None:
    page = PlayedPage()
    told_at_once(page, http, (news("Fixed.", kind="resolved", status="resolved"), 1))
    assert told_at_once(page, http, (news("We look."), 0)) == [Accepted(200, "entry0")]
    assert page.shown() == [("resolved", ["Fixed."])]


def test_the_end_takes_a_second_entry_with_it_but_not_one_that_is_over() -> None:
    page = PlayedPage()
    for status in ("investigating", "identified", "postmortem"):
        page.put(name="x", status=status, body="x", metadata={"tocsin": MARK})
    with HttpReceiver(page) as receiver:
        put(receiver, news("Fixed.", kind="resolved", status="resolved", first_id="entry1"))
    assert page.deleted == ["entry0"]
    assert page.shown() == [("resolved", ["x", "Fixed."]), ("postmortem", ["x"])]


@pytest.mark.parametrize("first_id", [None, "entry0"])
def test_a_page_that_does_not_let_itself_be_tidied_fails_no_news(
    first_id: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    page = PlayedPage()
    page.no_delete = True
    for _ in range(2):
        page.put(name="x", status="investigating", body="x", metadata={"tocsin": MARK})
    with HttpReceiver(page) as receiver:
        end = news("Fixed.", kind="resolved", status="resolved", first_id=first_id)
        assert put(receiver, end).provider_id == "entry0"
    assert "a second entry stays on the page" in caplog.text


@pytest.mark.parametrize("body", [b"{}", b"null", b"[null, 5, []]", b'[{"id": 5}]', b"[" * 60_000])
def test_a_list_that_is_none_keeps_nothing_from_the_public(receiver: HttpReceiver, body: bytes) -> None:
    receiver.otherwise = lambda request: Reply(200, {}, body) if request.method == "GET" else MADE
    assert put(receiver, news()) == Accepted(201, ENTRY)


def test_a_list_that_fails_is_tried_again_before_and_passed_over_after_the_news(
    receiver: HttpReceiver,
) -> None:
    receiver.script([503])
    assert not failure_of(lambda: put(receiver, news())).permanent
    assert not asked(receiver)
    receiver.script([NOTHING, MADE, 503])
    assert put(receiver, news()) == Accepted(201, ENTRY)
