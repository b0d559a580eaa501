"""Every page reaches somebody: providers that fail, storms, quiet rules and reminders, as people see them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import shared.app
from shared.adapters import key_vault
from tests.builders import hours, minutes, seconds
from tests.certificates import LoopbackAuthority
from tests.host_process import KEY
from tests.played_phones import event
from tests.played_slack import head_of
from tests.reachable import ANA, MONDAY, Reachable, acme, link_in
from tests.receivers import Reply
from tests.vaults import NOON, Identity, Vault, Version, a_vault

BUSY, BUSIER = (Reply(429, {"Retry-After": seconds}) for seconds in ("30", "31"))
TESS, SAM, BOSS, GUARD = "tess@acme.example", "sam@acme.example", "boss@acme.example", "guard@acme.example"


@pytest.fixture
def theatre(storage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reachable]:
    with acme(storage, tmp_path, monkeypatch) as theatre:
        yield theatre


@pytest.fixture
def vault(theatre: Reachable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Vault]:
    """The app's secrets in a vault that is reached by HTTPS, through the real SDK."""
    authority, real = LoopbackAuthority(tmp_path), key_vault.open_vault
    trusted: dict[str, Any] = {"connection_verify": authority.bundle, "verify_challenge_resource": False}
    with a_vault(authority, monkeypatch) as vault:
        vault.values.update(theatre.secrets)
        monkeypatch.setenv("KEY_VAULT_URI", vault.server.url)
        monkeypatch.setattr(
            key_vault, "open_vault", lambda url, **_own: real(url, credential=Identity(), **trusted)
        )
        yield vault


def failures(theatre: Reachable, incident: str, contact: str = "tess") -> list[tuple[str, int | None]]:
    """Channel and last status of what was given up; how often a channel is tried is tested elsewhere."""
    found = [data for data in theatre.of(incident, "delivery-failed") if data["contact"] == contact]
    return [(data["channel"], data["status"]) for data in found]


def close(theatre: Reachable, incident: str) -> None:
    theatre.command(incident, "resolve", {"resolution": "the disk was full"})


@pytest.mark.parametrize(
    ("slack", "sms", "failed", "seconds_at_most"),
    [
        (Reply(500), BUSY, [("app", 500), ("sms", 429)], 90),
        (BUSIER, Reply(500), [("app", 429), ("sms", 500)], 30),
        (Reply(reset=True), Reply(400), [("app", None), ("sms", 400)], 30),
        (Reply(307, {"Location": "http://169.254.169.254/"}), Reply(503), [("app", 307), ("sms", 503)], 30),
    ],
)
def test_where_two_of_three_channels_are_broken_the_third_tells_once_and_the_timeline_tells_all(
    theatre: Reachable,
    slack: Reply,
    sms: Reply,
    failed: list[tuple[str, int | None]],
    seconds_at_most: int,
) -> None:
    theatre.refusing |= {"slack": slack, "text": sms}
    theatre.at(MONDAY)
    incident = theatre.fire()
    theatre.forward(minutes(10))

    [told] = theatre.told
    assert (told.channel, told.to, told.kind, told.incident) == ("email", TESS, "escalation", incident)
    assert failures(theatre, incident) == failed
    [delivered], [first] = theatre.of(incident, "delivered"), theatre.of(incident, "first-told")
    assert (delivered["contact"], delivered["channel"], delivered["status"]) == ("tess", "mail", 250)
    assert (first["contact"], first["channel"]) == ("tess", "mail")
    after = (told.at - theatre.instant(MONDAY)).total_seconds()
    assert after <= seconds_at_most
    assert first["seconds"] == int(after)
    assert theatre.types(incident) == [
        "opened", "escalated", "alerts", "delivery-failed", "delivery-failed", "delivered", "first-told",
    ]  # fmt: skip

    close(theatre, incident)
    theatre.forward(minutes(10))
    ended = [each for each in theatre.told[1:] if each.contact == "tess"]
    assert [(each.channel, each.kind) for each in ended] == [("email", "resolved")]
    assert "the disk was full" in ended[0].text


def test_who_could_be_reached_by_none_of_three_channels_is_passed_over_at_once_and_an_alarm_is_raised(
    theatre: Reachable,
) -> None:
    theatre.refusing |= {"slack": 500, "text": 404}
    theatre.mail.answer("RCPT", "550 5.1.1 no such mailbox")
    theatre.at(MONDAY)
    incident = theatre.fire()
    theatre.forward(minutes(1))

    assert failures(theatre, incident) == [("app", 500), ("sms", 404), ("mail", 550)]
    [unreachable] = theatre.of(incident, "contact-unreachable")
    assert (unreachable["contact"], unreachable["escalates"]) == ("tess", True)
    assert sorted((each.to, each.kind) for each in theatre.told) == [(BOSS, "escalation"), (GUARD, "alarm")]
    told = {each.to: each for each in theatre.told}
    assert "tess" in told[GUARD].text, "the alarm names who was not reached"
    assert told[BOSS].at - theatre.instant(MONDAY) < seconds(30), "not only after half an hour"
    theatre.forward(hours(1))
    assert [each.kind for each in theatre.told if each.to == BOSS] == ["escalation"], "and not once more"


def test_a_provider_that_asks_for_a_pause_is_given_it_where_there_is_no_other_way(theatre: Reachable) -> None:
    theatre.at(MONDAY)
    theatre.calls.replies.append(Reply(429, {"Retry-After": "90"}))
    incident = theatre.fire("call")
    theatre.forward(seconds(89.999))
    assert theatre.told == []
    theatre.forward(seconds(0.001))
    assert theatre.rows() == [("14:01:30", "call", "cal", "escalation")]
    [delivered] = theatre.of(incident, "delivered")
    assert (delivered["attempts"], delivered["provider_id"]) == (2, "SM" + "1".zfill(32))
    assert theatre.of(incident, "first-told")[0]["seconds"] == 90


def post(theatre: Reachable, alerts: list[dict[str, str]]) -> list[str]:
    """Alerts that come at once; the ids of their incidents."""

    def fire(alert: dict[str, str]) -> str:
        answer = theatre.call("POST", "/api/v1/plans/acme/alerts/generic", alert, headers=KEY)
        assert answer.status == 202, answer
        return str(answer.json()["incidents"][0]["id"])

    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(fire, alerts))


def storm(theatre: Reachable, wave: str, count: int = 5) -> list[str]:
    """So many alerts at once about each of two services, and what that causes; the ids of their incidents."""
    found = post(
        theatre,
        [
            {"name": f"{wave}-{nth}", "severity": "critical", "service": service}
            for nth in range(count)
            for service in ("rest", "text")
        ],
    )
    theatre.at(theatre.now)
    return found


def test_secrets_that_are_rotated_in_the_middle_of_a_storm_lose_nobody(
    theatre: Reachable, vault: Vault, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    old = {name: theatre.secrets[name] for name in ("acme-bot", "acme-twilio")}
    new = {"acme-bot": "xoxb-made-anew", "acme-twilio": "token-made-anew"}
    theatre.at(MONDAY)
    incidents = storm(theatre, "before")
    assert sorted({each.channel for each in theatre.told}) == ["slack", "text"]

    vault.values |= new
    theatre.slack.token, theatre.sms.token = new["acme-bot"], new["acme-twilio"]
    incidents += storm(theatre, "after")
    assert theatre.sms.unauthorized, "the old token was tried and refused"
    theatre.forward(seconds(6))

    assert sorted(str(each.incident) for each in theatre.told) == sorted(incidents), "each of them once"
    for incident in incidents:
        [delivered] = theatre.of(incident, "delivered")
        assert delivered["attempts"] <= 2
        assert not {"delivery-failed", "contact-unreachable"} & set(theatre.types(incident))
    assert all(1 < vault.reads().count(name) <= 3 for name in new), "read again for the refusal, not for each"
    for value in (*old.values(), *new.values()):
        assert value not in caplog.text


def test_a_secret_that_is_missing_from_the_vault_leaves_the_other_channels(
    theatre: Reachable, vault: Vault
) -> None:
    del vault.values["acme-bot"]
    theatre.at(MONDAY)
    incident = theatre.fire()
    assert theatre.rows() == [("14:00", "text", "tess", "escalation")], "without a try for what is not there"
    assert failures(theatre, incident) == [("app", None)]
    missing = theatre.call("GET", "/api/v1/health/ready").json()["secrets"]["missing"]
    assert ("acme-bot", ["acme"]) in [(each["name"], each["plans"]) for each in missing]


@pytest.mark.parametrize(
    ("time", "channel"),
    [
        ("07:59:59", "email"), ("08:00", "slack"), ("14:00", "slack"),
        ("19:59:59", "slack"), ("20:00", "email"), ("02:00", "email"),
    ],
)  # fmt: skip
def test_what_is_low_comes_by_chat_by_day_and_by_mail_at_night(
    theatre: Reachable, time: str, channel: str
) -> None:
    theatre.at(f"2026-11-16 {time}")
    theatre.fire("quiet", "low")
    assert theatre.rows() == [(time, channel, "carla", "escalation")]


def test_what_is_critical_comes_by_telephone_at_any_hour_and_its_end_by_mail(theatre: Reachable) -> None:
    theatre.at("2026-11-17 02:00")
    incident = theatre.fire("quiet")
    assert theatre.rows() == [("02:00", "call", "carla", "escalation")]
    [call] = theatre.calls.taken
    assert call["To"] == "+4915100000004"
    assert call["Twiml"].count("critical Checkout") == 2, "read twice"

    theatre.forward(minutes(5))
    theatre.command(incident, "acknowledge")
    close(theatre, incident)
    assert ("02:05", "email", "carla", "resolved") in theatre.rows(1)
    assert len(theatre.calls.taken) == 1, "nobody is called to hear that it is over"


def test_a_telephone_that_does_not_work_at_night_is_followed_by_mail_and_by_day_by_chat(
    theatre: Reachable,
) -> None:
    theatre.refusing["call"] = 400
    theatre.at("2026-11-17 02:00")
    theatre.fire("quiet", name="Night")
    theatre.at("2026-11-17 12:00")
    theatre.fire("quiet", name="Day")
    told = [(each.when[11:], each.channel) for each in theatre.told if each.contact == "carla"]
    assert told == [("02:00", "email"), ("12:00", "slack")]


def says(theatre: Reachable, incident: str, words: str, **more: str) -> None:
    said = {"status": "investigating", "message": words, "audience": "internal"}
    theatre.command(incident, "status", said | more)


def test_updates_that_come_too_fast_arrive_as_one_message_with_all_that_was_said(theatre: Reachable) -> None:
    theatre.at(MONDAY)
    incident = theatre.fire()
    theatre.command(incident, "acknowledge")
    count = len(theatre.told)
    says(theatre, incident, "We look.")
    for words in ("It is the disk.", "The disk is full.", "We make room."):
        theatre.forward(seconds(10))
        says(theatre, incident, words)
    assert theatre.rows(count) == [("14:00", "email", "lead", "update")]
    theatre.forward(minutes(5))

    first, rest = theatre.told[count:]
    assert (rest.when[11:], rest.kind, rest.to) == ("14:01", "update", "lead@acme.example")
    assert "We look." in first.text
    places = [rest.text.index(words) for words in ("It is the disk.", "The disk is full.", "We make room.")]
    assert places == sorted(places), "in the order in which it was said"
    assert "We look." not in rest.text
    assert len(theatre.of(incident, "held-back")) == 3
    [caught_up] = theatre.of(incident, "caught-up")
    assert (caught_up["contact"], caught_up["count"], caught_up["withdrawn"]) == ("lead", 3, False)


def test_whoever_leads_is_reminded_that_it_is_still_open_until_it_is_not(theatre: Reachable) -> None:
    theatre.at(MONDAY)
    incident = theatre.fire()
    theatre.command(incident, "acknowledge")
    theatre.forward(hours(4), every=hours(1))
    reminders = [each for each in theatre.told if each.kind == "still-open"]
    assert [(each.when[11:], each.to) for each in reminders] == [
        ("16:00", "lead@acme.example"),
        ("18:00", "lead@acme.example"),
    ]
    assert "Still open: Checkout" in reminders[0].subject
    assert link_in(reminders[0].text), "it can be answered from there"
    assert [data["nth"] for data in theatre.of(incident, "still-open")] == [1, 2]

    close(theatre, incident)
    theatre.forward(hours(6))
    assert sum(each.kind == "still-open" for each in theatre.told) == 2


def public(theatre: Reachable) -> dict[str, Any]:
    answer = theatre.call("GET", "/status/acme", headers={"Accept": "application/json"})
    assert answer.status == 200, answer
    found: dict[str, Any] = answer.json()
    return found


def test_customers_read_one_entry_on_the_page_and_the_same_words_at_our_own(theatre: Reachable) -> None:
    theatre.at(MONDAY)
    incident = theatre.fire("shop", name="secret-host-17 is down")
    says(theatre, incident, "ours alone")
    assert not theatre.vendors.entries
    assert public(theatre)["incidents"] == []

    for phase, words in (("investigating", "You cannot pay."), ("identified", "It is our fault.")):
        theatre.forward(minutes(5))
        says(theatre, incident, words, audience="external", status=phase)
    theatre.forward(minutes(5))
    close(theatre, incident)

    [entry] = theatre.vendors.entries.values()
    assert entry.name == "shop has trouble"
    assert entry.statuses == ["investigating", "identified", "resolved"]
    assert entry.words == ["You cannot pay.", "It is our fault.", "It is over."]
    [shown] = public(theatre)["incidents"]
    assert shown["phase"] == "resolved"
    assert [(each["phase"], each["words"]) for each in shown["updates"]] == [
        ("identified", "It is our fault."),
        ("investigating", "You cannot pay."),
    ]
    outside = str(entry) + theatre.call("GET", "/status/acme").body.decode()
    for secret in ("secret-host-17", "ours alone", "the disk was full"):
        assert secret not in outside


def test_an_entry_that_could_not_be_made_at_first_is_made_once(theatre: Reachable) -> None:
    theatre.at(MONDAY)
    incident = theatre.fire("shop")
    theatre.refusing["acme-page"] = 503
    says(theatre, incident, "You cannot pay.", audience="external")
    theatre.refusing.clear()
    theatre.forward(minutes(1))
    says(theatre, incident, "It is better.", audience="external", status="monitoring")
    [entry] = theatre.vendors.entries.values()
    assert entry.statuses == ["investigating", "monitoring"]


def test_more_messages_than_somebody_can_read_come_as_one_digest_that_names_them_all(
    theatre: Reachable,
) -> None:
    theatre.at(MONDAY)
    incidents = [theatre.fire(name=f"Alert-{nth:02}") for nth in range(15)]
    assert len(theatre.told) == 10
    theatre.forward(timedelta(minutes=2))
    [digest] = theatre.told[10:]
    assert (digest.channel, digest.to) == ("slack", "C0OPS")
    assert [f"Alert-{nth:02}" in digest.text for nth in range(15)] == [False] * 10 + [True] * 5
    for incident in incidents:
        [delivered] = theatre.of(incident, "delivered")
        assert delivered["contact"] == "tess"
        assert theatre.of(incident, "first-told")


def test_a_storm_in_which_the_token_is_rotated_and_the_chat_is_down_ends_in_one_text_message(
    theatre: Reachable, vault: Vault
) -> None:
    theatre.at(MONDAY)
    incidents = [theatre.fire(name=f"Alert-{nth:02}") for nth in range(13)]
    assert [each.channel for each in theatre.told] == ["slack"] * 10
    vault.values["acme-twilio"] = theatre.sms.token = "token-made-anew"
    theatre.refusing["slack"] = 503
    theatre.forward(minutes(10))

    [digest] = theatre.told[10:]
    assert (digest.channel, digest.kind) == ("text", "digest")
    for incident in incidents[10:]:
        [delivered] = theatre.of(incident, "delivered")
        assert (delivered["contact"], delivered["channel"]) == ("tess", "sms")
        assert delivered["digest"]


def test_where_one_company_fails_another_sends_the_same_text_and_says_when_it_did_not_arrive(
    theatre: Reachable,
) -> None:
    theatre.refusing["text"] = 401
    theatre.at(MONDAY)
    incident = theatre.fire("two")
    assert failures(theatre, incident, "pat") == [("first", 401)]
    [(_, _, sent)] = theatre.acs.taken
    assert sent["smsRecipients"][0]["to"] == "+4915100000006", "the same number"
    assert sent["message"].startswith("[critical] Checkout\n")

    report = {
        "tag": sent["smsSendOptions"]["tag"],
        "messageId": "acs-1",
        "to": "x",
        "deliveryStatus": "Failed",
    }
    told = [event("Microsoft.Communication.SMSDeliveryReportReceived", **report)]
    assert theatre.heard_from_azure("second", told, secret="not ours").status == 401
    for _ in range(2):
        assert theatre.heard_from_azure("second", told).status == 200
    [mail] = [each for each in theatre.told if each.contact == "pat"]
    assert (mail.channel, mail.to, mail.kind) == ("email", "pat@acme.example", "escalation")
    assert [data["state"] for data in theatre.of(incident, "receipt")] == ["undelivered"]


def test_an_incident_has_a_room_of_its_own_that_shows_how_it_stands(theatre: Reachable) -> None:
    theatre.at(MONDAY)
    incident = theatre.fire("big")
    [room] = theatre.slack.rooms.values()
    assert (room.topic, room.guests) == (f"{incident} · [critical] Checkout · open", [ANA])
    theatre.command(incident, "acknowledge")
    theatre.forward(minutes(5))
    close(theatre, incident)
    assert room.topic == f"{incident} · [critical] Checkout · resolved"
    said = [shown for where, shown in theatre.slack.messages.items() if where.startswith(room.id)]
    assert [head_of(shown) for shown in said] == ["[critical] Resolved: Checkout"] * 2, (
        "the card, and the end"
    )
    assert theatre.slack.methods().count("conversations.create") == 1


def test_a_card_that_could_not_be_updated_is_brought_up_to_date_once_slack_is_back(
    theatre: Reachable,
) -> None:
    theatre.at(MONDAY)
    incident = theatre.fire("down")
    theatre.refusing |= {"slack": 503, "acme-pager": 503}
    theatre.command(incident, "acknowledge")
    theatre.forward(seconds(30))
    assert head_of(theatre.card("D0ANA")) == "[critical] Checkout"
    theatre.refusing.clear()
    theatre.forward(minutes(2))
    assert head_of(theatre.card("D0ANA")) == "[critical] Acknowledged: Checkout"
    assert theatre.vendors.alerts[("acme-pager", incident)] == ["triggered", "acknowledged"]
    theatre.forward(minutes(20))
    assert not {"contact-unreachable", "delivery-failed"} & set(theatre.types(incident))
    assert theatre.sms.taken == [], "nobody is rung for it"


def test_nobody_follows_a_provider_to_another_address(theatre: Reachable) -> None:
    theatre.refusing["slack"] = Reply(307, {"Location": f"{theatre.web.url}/caught"})
    theatre.at(MONDAY)
    theatre.fire()
    assert theatre.rows() == [("14:00", "text", "tess", "escalation")]
    assert not [each for each in theatre.web.requests if each.path.startswith("/caught")]


def test_instances_that_sweep_at_the_same_time_tell_everybody_once(theatre: Reachable) -> None:
    def swept_by_four() -> None:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: theatre.run("sweep"), range(4)))

    theatre.at(MONDAY)
    incidents = post(theatre, [{"name": f"Alert-{nth:02}", "severity": "critical"} for nth in range(14)])
    for pause in (0, 30, 31, 60):
        theatre.now += seconds(pause)
        swept_by_four()
    assert len(theatre.told) == 11, "ten by themselves and one digest"
    assert all(len(theatre.of(incident, "delivered")) == 1 for incident in incidents)


def test_slack_that_is_too_busy_is_left_alone_as_long_as_it_asks(theatre: Reachable) -> None:
    theatre.at(MONDAY)
    theatre.slack.no["chat.postMessage"] = [BUSY]
    incident = theatre.fire("talk")
    theatre.forward(seconds(29.999))
    assert len(theatre.slack.calls) == 1
    theatre.forward(minutes(1))
    assert [(each.contact, each.kind) for each in theatre.told] == [("ana", "escalation")]
    assert theatre.of(incident, "delivered")[0]["attempts"] == 2


def test_a_link_still_answers_after_the_key_that_signed_it_was_rotated(
    theatre: Reachable, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = Version("1", vault.values.pop("people-key"), NOON)
    vault.keep("people-key", before)
    theatre.refusing |= {"slack": 400, "text": 400}
    theatre.at(MONDAY)
    incident = theatre.fire()
    vault.keep("people-key", before, Version("2", "made anew", NOON + hours(1)))
    vault.now = NOON + hours(2)
    monkeypatch.setattr(shared.app, "_app", None)  # another instance, which knows the new one
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    answer = theatre.call("POST", link_in(theatre.told[0].text), b"action=acknowledge", headers=headers)
    assert (answer.status, answer.json()["changed"]) == (200, True), answer
    assert theatre.incident(incident)["status"] == "acknowledged"
