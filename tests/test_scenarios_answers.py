"""Every page can be answered from where it lands: links, buttons, commands, texts and telephone keys."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.builders import hours, minutes, seconds
from tests.chats import sent_form, texts
from tests.played_slack import buttons_of, head_of, labels_of
from tests.reachable import (
    ACTIONS,
    ANA,
    ANAS_NUMBER,
    MONDAY,
    NOBODY,
    SAMS_NUMBER,
    STRANGERS_NUMBER,
    Reachable,
    acme,
    link_in,
)
from tests.toy_host import Answer

PAGE = {"Accept": "text/html"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
def theatre(storage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reachable]:
    with acme(storage, tmp_path, monkeypatch) as theatre:
        yield theatre


def tap(theatre: Reachable, link: str, action: str = "acknowledge", **fields: str) -> Answer:
    """Somebody presses the button on the page, and what that causes now happens."""
    body = urlencode({"action": action, **fields}).encode()
    answer = theatre.call("POST", link, body, headers={**PAGE, **FORM})
    theatre.at(theatre.now)
    return answer


def shown(answer: Answer) -> str:
    return html.unescape(answer.body.decode())


def mailed(theatre: Reachable) -> tuple[str, str]:
    """An incident, and the link in the mail about it: chat and telephone are down."""
    theatre.refusing |= {"slack": 400, "text": 400}
    theatre.at(MONDAY)
    incident = theatre.fire()
    [mail] = theatre.told
    assert mail.channel == "email"
    return incident, link_in(mail.text)


def test_a_link_scanner_changes_nothing_and_the_persons_tap_counts_once(theatre: Reachable) -> None:
    incident, link = mailed(theatre)
    before = theatre.events(incident)
    with ThreadPoolExecutor(4) as pool:
        methods = ["GET", "HEAD"] * 20
        scanned = list(pool.map(lambda method: theatre.call(method, link, headers=PAGE), methods))
    assert {answer.status for answer in scanned} == {200}
    assert theatre.events(incident) == before
    assert theatre.incident(incident)["status"] == "open"

    theatre.forward(minutes(3))
    first = tap(theatre, link)
    assert first.status == 200
    assert f"You have {incident}: acknowledged at 2026-11-16 14:03" in shown(first)
    assert theatre.incident(incident)["status"] == "acknowledged"
    [acted] = theatre.of(incident, "acted-on")
    assert (acted["contact"], acted["by"], acted["command"]) == ("tess", "link", "acknowledge")

    after = theatre.events(incident)
    theatre.forward(minutes(1))
    second = tap(theatre, link)
    assert second.status == 200
    assert f"You acknowledged {incident} at 2026-11-16 14:03" in shown(second)
    assert theatre.events(incident) == after, "twice is as good as once"
    theatre.forward(hours(1))
    assert [each.contact for each in theatre.told if each.kind == "escalation"] == ["tess"], "nobody else"


def test_a_tap_after_the_end_says_so_and_changes_nothing_that_counts(theatre: Reachable) -> None:
    incident, link = mailed(theatre)
    theatre.command(incident, "resolve", {"resolution": "gone"})
    late = tap(theatre, link)
    assert late.status == 200
    assert "It was resolved at 2026-11-16 14:00" in shown(late)
    assert "Nothing to do." in shown(late)
    assert theatre.incident(incident)["status"] == "resolved"
    types = theatre.types(incident)
    tap(theatre, link)
    assert theatre.types(incident) == types
    assert "acknowledged" not in types


def test_the_link_of_whoever_comes_second_says_who_has_it(theatre: Reachable) -> None:
    incident, link = mailed(theatre)
    theatre.forward(minutes(31))
    boss = next(each for each in theatre.told if each.contact == "boss")
    assert link_in(boss.text) != link, "everybody has a link of their own"
    tap(theatre, link)
    other = tap(theatre, link_in(boss.text))
    assert f"Tess has {incident} since" in shown(other)
    assert [each["contact"] for each in theatre.of(incident, "acted-on")] == ["tess"]
    ended = tap(theatre, link_in(boss.text), "resolve", resolution="we made room")
    assert f"You resolved {incident}" in shown(ended)
    assert [each["contact"] for each in theatre.of(incident, "acted-on")] == ["tess", "boss"]
    assert "we made room" in theatre.told[-1].text


def test_a_link_works_for_seven_days_and_not_a_moment_longer(theatre: Reachable) -> None:
    incident, link = mailed(theatre)
    theatre.forward(timedelta(days=7) - seconds(1), every=timedelta(days=1))
    assert theatre.call("GET", link, headers=PAGE).status == 200
    theatre.forward(seconds(1))
    for answer in (theatre.call("GET", link, headers=PAGE), tap(theatre, link)):
        assert answer.status == 401
        assert "expired" in shown(answer)
    assert theatre.incident(incident)["status"] == "open"


def test_a_link_that_somebody_has_changed_opens_nothing(theatre: Reachable) -> None:
    incident, link = mailed(theatre)
    for forged in (link[:-1], link[:12] + ("A" if link[12] != "A" else "B") + link[13:], "/a/x"):
        assert tap(theatre, forged).status == 401
    assert theatre.incident(incident)["status"] == "open"


def test_a_command_that_slack_sends_again_and_at_once_acts_once(theatre: Reachable) -> None:
    theatre.at(MONDAY)
    line = "/incident create critical “Payments are slow”"
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: theatre.slash(line, "t.1"), range(4)))
    theatre.at(theatre.now)
    [incident] = [each["id"] for each in theatre.incidents("acme")]
    answers.append(theatre.slash(line, "t.1"))
    assert all(answer == answers[0] for answer in answers)
    assert incident in texts(answers[0])
    assert [each.contact for each in theatre.told] == ["tess"], "and tells once"

    with ThreadPoolExecutor(4) as pool:
        acked = list(pool.map(lambda _: theatre.slash(f"/incident ack {incident}", "t.2"), range(4)))
    assert all("Ana has it" in texts(each) for each in acked)
    assert theatre.types(incident).count("acknowledged") == 1
    [acted] = theatre.of(incident, "acted-on")
    assert (acted["contact"], acted["by"], acted["command"]) == ("ana", "slack", "acknowledge")
    assert len(theatre.incidents("acme")) == 1


def tokens(card: dict[str, Any]) -> dict[str, str]:
    """What the buttons of a card carry."""
    return {each["action_id"]: each["value"] for each in buttons_of(card) if each.get("value")}


def test_the_button_in_the_card_is_for_whoever_the_plan_knows(theatre: Reachable) -> None:
    theatre.at(MONDAY)
    theatre.chats()
    incident = theatre.fire("talk")
    assert [(each.channel, each.to, each.contact) for each in theatre.told] == [("slack", ANA, "ana")]
    card = theatre.card("D0ANA")
    assert labels_of(card)[:2] == ["Acknowledge", "Resolve"]
    token = tokens(card)["acknowledge"]

    refused = theatre.pressed("acknowledge", token, NOBODY)
    assert refused
    assert incident not in refused, "a stranger learns nothing"
    assert theatre.incident(incident)["status"] == "open"
    assert "acted-on" not in theatre.types(incident)

    assert f"You have {incident}" in theatre.pressed("acknowledge", token)
    assert theatre.incident(incident)["status"] == "acknowledged"
    card = theatre.card("D0ANA")
    assert head_of(card) == "[critical] Acknowledged: Checkout", "the card is updated in place"
    assert labels_of(card)[0] == "Resolve"
    assert len(theatre.slack.messages) == 1, "which rings nobody"
    assert "You acknowledged" in theatre.pressed("acknowledge", token)
    assert theatre.types(incident).count("acknowledged") == 1


def test_resolving_in_slack_asks_in_a_form_what_was_done(theatre: Reachable) -> None:
    theatre.at(MONDAY)
    theatre.chats()
    incident = theatre.fire("talk")
    theatre.pressed("resolve", tokens(theatre.card("D0ANA"))["resolve"])
    view = theatre.slack.said("views.open")["view"]
    assert theatre.incident(incident)["status"] == "open", "not before it is sent"

    theatre.forward(minutes(1))
    form = sent_form(view["private_metadata"], "the disk was full")
    assert theatre.signed(ACTIONS, form) == {"response_action": "clear"}
    theatre.at(theatre.now)
    assert theatre.incident(incident)["status"] == "resolved"
    assert "Nothing to do" in str(theatre.signed(ACTIONS, form)), "sent twice"
    assert theatre.types(incident).count("resolved") == 1
    ended = next(each for each in theatre.told if each.kind == "resolved" and each.contact == "ana")
    assert "the disk was full" in ended.text


def test_what_somebody_does_elsewhere_is_shown_in_slack_and_at_pagerduty(theatre: Reachable) -> None:
    theatre.at(MONDAY)
    incident = theatre.fire("down")
    theatre.command(incident, "acknowledge")
    card = theatre.card("D0ANA")
    assert head_of(card) == "[critical] Acknowledged: Checkout"
    assert labels_of(card)[0] == "Resolve"
    theatre.forward(minutes(5))
    theatre.command(incident, "resolve", {"resolution": "gone"})

    states = ["triggered", "acknowledged", "resolved"]
    assert theatre.vendors.alerts == {("acme-pager", incident): states}
    card = theatre.card("D0ANA")
    assert head_of(card) == "[critical] Resolved: Checkout"
    assert not tokens(card)
    [_, ended] = theatre.slack.messages.values()
    assert ended["thread_ts"], "the resolution stands in the card's thread"
    assert theatre.slack.methods().count("chat.postMessage") == 2


def text(theatre: Reachable, body: str, number: str = SAMS_NUMBER, secret: str | None = None) -> Answer:
    fields = {"From": number, "To": "+4930100001", "Body": body, "MessageSid": "SM1"}
    return theatre.heard_from_twilio("sms", "reply", fields, secret=secret)


def test_whoever_gets_a_text_message_answers_by_another(theatre: Reachable) -> None:
    theatre.at(MONDAY)
    incident = theatre.fire("text")
    [sms] = theatre.told
    code = re.search(r"Reply ACK (\w+) or RESOLVE", sms.text)
    assert code, sms.text
    assert text(theatre, f"ACK {code[1]}", secret="not Twilio's").status == 401
    assert "<Message>" not in text(theatre, f"ACK {code[1]}", STRANGERS_NUMBER).body.decode()
    assert "no open incident" in shown(text(theatre, f"ACK {code[1]}", ANAS_NUMBER)), "she was not told"
    assert theatre.incident(incident)["status"] == "open"

    assert f"You have {incident}" in shown(text(theatre, f"ack {code[1].lower()}"))
    assert theatre.incident(incident)["status"] == "acknowledged"
    assert f"You acknowledged {incident}" in shown(text(theatre, "ACK"))
    assert f"You resolved {incident}" in shown(text(theatre, f"RESOLVE {code[1]} made room"))
    assert "Nothing to do" in shown(text(theatre, f"RESOLVE {code[1]}"))
    acted = [(each["contact"], each["by"], each["command"]) for each in theatre.of(incident, "acted-on")]
    assert acted == [("sam", "sms", "acknowledge"), ("sam", "sms", "resolve")]
    assert "made room" in theatre.told[-1].text


def test_whoever_is_called_answers_with_a_key(theatre: Reachable) -> None:
    theatre.at(MONDAY)
    incident = theatre.fire("call")
    [call] = theatre.calls.taken
    url = html.unescape(re.findall('action="([^"]+)"', call["Twiml"])[0])

    def press(digit: str) -> str:
        return shown(theatre.called_back({"CallSid": "CA1", "Digits": digit}, url))

    assert theatre.heard_from_twilio("call", "voice", {"Digits": "1"}, "?token=x", "forged").status == 401
    assert "That key does nothing" in press("7")
    assert theatre.incident(incident)["status"] == "open"
    assert f"You have {incident}" in press("1")
    assert f"You acknowledged {incident}" in press("1")
    assert f"You resolved {incident}" in press("2")
    assert [each["by"] for each in theatre.of(incident, "acted-on")] == ["voice", "voice"]


def test_a_message_that_was_taken_but_never_arrived_is_followed_by_the_next_ways(theatre: Reachable) -> None:
    theatre.at(MONDAY)
    incident = theatre.fire("text")
    [sms] = theatre.sms.taken
    lost = {"MessageSid": "SM" + "1".zfill(32), "MessageStatus": "undelivered"}
    theatre.forward(seconds(20))
    assert theatre.called_back(lost | {"MessageStatus": "sent"}, sms["StatusCallback"]).status == 200
    assert len(theatre.told) == 1, "on its way is no news"
    for _ in range(2):
        assert theatre.called_back(lost, sms["StatusCallback"]).status == 200
    [call] = theatre.calls.taken
    rung = {"CallSid": "SM" + "1".zfill(32), "CallStatus": "no-answer"}
    for _ in range(2):
        assert theatre.called_back(rung, call["StatusCallback"]).status == 200

    assert theatre.rows() == [
        ("14:00", "text", "sam", "escalation"),
        ("14:00:20", "call", "sam", "escalation"),
        ("14:00:20", "email", "sam", "escalation"),
    ]
    receipts = [(each["channel"], each["state"]) for each in theatre.of(incident, "receipt")]
    assert receipts == [("sms", "undelivered"), ("call", "undelivered")]
    tap(theatre, link_in(theatre.told[-1].text))
    assert theatre.incident(incident)["status"] == "acknowledged"


def test_a_receipt_that_it_arrived_is_on_record_once(theatre: Reachable) -> None:
    theatre.at(MONDAY)
    incident = theatre.fire("text")
    [sms] = theatre.sms.taken
    arrived = {"MessageSid": "SM" + "1".zfill(32), "MessageStatus": "delivered"}
    for _ in range(3):
        theatre.called_back(arrived, sms["StatusCallback"])
    [receipt] = theatre.of(incident, "receipt")
    assert (receipt["contact"], receipt["state"]) == ("sam", "delivered")
    assert len(theatre.told) == 1


def test_a_text_message_that_never_arrived_is_not_repeated_once_it_is_over(theatre: Reachable) -> None:
    theatre.at(MONDAY)
    incident = theatre.fire("text")
    [sms] = theatre.sms.taken
    theatre.command(incident, "resolve", {"resolution": "gone"})
    told = len(theatre.told)
    theatre.called_back({"MessageSid": "SM1", "MessageStatus": "undelivered"}, sms["StatusCallback"])
    theatre.forward(minutes(5))
    assert len(theatre.told) == told
    assert theatre.of(incident, "receipt")[0]["state"] == "undelivered"


def test_a_call_that_nobody_took_escalates_at_once_and_raises_an_alarm(theatre: Reachable) -> None:
    theatre.at(MONDAY)
    incident = theatre.fire("call")
    [call] = theatre.calls.taken
    theatre.forward(seconds(40))
    theatre.called_back({"CallSid": "CA1", "CallStatus": "no-answer"}, call["StatusCallback"])
    assert theatre.rows(1) == [
        ("14:00:40", "email", "guard", "alarm"),
        ("14:00:40", "email", "boss", "escalation"),
    ]
    [unreachable] = theatre.of(incident, "contact-unreachable")
    assert (unreachable["contact"], unreachable["escalates"]) == ("cal", True)


def test_a_link_answers_again_after_the_incident_was_reopened(theatre: Reachable) -> None:
    incident, link = mailed(theatre)
    tap(theatre, link)
    theatre.command(incident, "resolve", {"resolution": "gone"})
    theatre.forward(minutes(5))
    theatre.command(incident, "reopen", {"reason": "again"})
    assert "Nobody has answered yet." in shown(theatre.call("GET", link, headers=PAGE))
    assert f"You have {incident}: acknowledged at 2026-11-16 14:05" in shown(tap(theatre, link))
    assert theatre.incident(incident)["status"] == "acknowledged"


def test_eight_taps_at_once_on_one_link_count_once(theatre: Reachable) -> None:
    incident, link = mailed(theatre)
    body, headers = b"action=acknowledge", {**FORM, "Accept": "application/json"}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: theatre.call("POST", link, body, headers=headers), range(8)))
    assert {answer.status for answer in answers} == {200}
    assert {answer.json()["status"] for answer in answers} == {"acknowledged"}
    assert theatre.types(incident).count("acknowledged") == 1
    assert len(theatre.of(incident, "acted-on")) == 1


def test_customers_read_what_somebody_wrote_in_slack(theatre: Reachable) -> None:
    theatre.at(MONDAY)
    incident = theatre.fire("shop")
    said = theatre.slash(f"/status update {incident[4:8]} identified “It is <our> fault & we know”", "t.1")
    assert "identified" in texts(said)
    theatre.at(theatre.now)
    [entry] = theatre.vendors.entries.values()
    assert entry.statuses == ["identified"]
    assert entry.words[0].replace("\u200b", "") == "It is <our> fault & we know"
    answer = theatre.call("GET", "/status/acme", headers={"Accept": "application/json"})
    [public] = answer.json()["incidents"]
    assert public["updates"][0]["words"] == "It is <our> fault & we know"
    page = theatre.call("GET", "/status/acme", headers=PAGE).body.decode()
    assert "It is &lt;our&gt; fault &amp; we know" in page


def test_whom_the_plan_does_not_know_commands_nothing_in_slack(theatre: Reachable) -> None:
    theatre.at(MONDAY)
    incident = theatre.fire("talk")
    before = theatre.types(incident)
    for line in (
        "/incident list",
        f"/incident ack {incident}",
        "/incident create critical it burns",
        "/oncall",
    ):
        said = texts(theatre.slash(line, line, NOBODY))
        assert "does not know you" in said
        assert incident not in said
    assert theatre.types(incident) == before
    assert len(theatre.incidents("acme")) == 1


def test_whoever_is_asked_for_help_reads_the_reason_meant_for_them(theatre: Reachable) -> None:
    theatre.at(MONDAY)
    incident = theatre.fire()
    for to, reason in (
        ("boss", "bring disks"),
        ("boss", "bring coffee"),
        ("boss", "bring tea"),
        ("lead", ""),
    ):
        said = {"to": to, "reason": reason} if reason else {"to": to}
        theatre.command(incident, "escalate", said)
        theatre.forward(seconds(5))
    theatre.forward(minutes(1))
    asked = [(each.contact, re.findall("bring [a-z]+", each.text)) for each in theatre.told[1:]]
    assert asked == [("boss", ["bring disks"]), ("lead", []), ("boss", ["bring coffee", "bring tea"])]


def test_of_two_who_tap_at_once_one_has_it_and_the_other_is_told_who(theatre: Reachable) -> None:
    incident, link = mailed(theatre)
    theatre.forward(minutes(31))
    other = link_in(next(each for each in theatre.told if each.contact == "boss").text)
    body, headers = b"action=acknowledge", {**FORM, "Accept": "application/json"}
    with ThreadPoolExecutor(6) as pool:
        links = [link, other] * 3
        answers = list(pool.map(lambda to: theatre.call("POST", to, body, headers=headers), links))
    assert theatre.types(incident).count("acknowledged") == 1
    losers = [answer.json()["sentence"] for answer in answers if " has " in answer.json()["sentence"]]
    assert len(losers) == 3
    assert all("nothing was changed" in sentence for sentence in losers), losers
