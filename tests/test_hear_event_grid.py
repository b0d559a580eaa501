"""What Azure Communication Services tells us by Event Grid, and the doorway by which providers call."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import azure.functions as func
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import shared.app
from functions import clock, hear_channel
from shared.adapters.channels.acs_sms import AcsSmsChannel
from shared.adapters.channels.http_post import HttpPost
from shared.adapters.providers.acs_events import AcsEvents
from shared.adapters.providers.acs_operation import incident_of, operation_id
from shared.adapters.providers.twilio_calls import TwilioCalls, signature
from shared.domain.errors import InvalidInput, Unauthenticated
from shared.domain.heard import Answer, Call
from shared.domain.incident import CROCKFORD
from shared.domain.sms_reply import HELP, asked
from tests.builders import NOON, minutes
from tests.notifications import a_channel, secrets_of
from tests.played_phones import ADA, EVE, EVENT_GRID, PUBLIC_URL, STRANGER, Phones, event, twilio_signature
from tests.receivers import HttpReceiver

SMS, MAIL = "Microsoft.Communication.SMS", "Microsoft.Communication.Email"
VALIDATION = "Microsoft.EventGrid.SubscriptionValidationEvent"
CODE = "512d38b6-c7b8-40c8-89fe-f46f9e9622b6"
LATER = NOON + minutes(11)


@pytest.fixture
def phones(storage: str) -> Iterator[Phones]:
    with HttpReceiver() as providers, Phones(storage, providers) as ready:
        yield ready


def test_a_subscription_is_confirmed_by_its_code(phones: Phones) -> None:
    asking = [event(VALIDATION, validationCode=CODE, validationUrl="https://rp.example/validate?x=y")]
    for channel in ("acs", "mail"):
        answer = phones.event_grid(
            asking, channel=channel, headers={"aeg-event-type": "SubscriptionValidation"}
        )
        assert answer == Answer(json.dumps({"validationResponse": CODE}), "application/json")
    for headers in ({}, {"aeg-event-type": "Notification"}):
        with pytest.raises(Unauthenticated):
            phones.event_grid(asking, headers=headers)


@pytest.mark.parametrize(
    "events",
    [
        [],
        [event(VALIDATION)],
        [event(VALIDATION, validationCode="<script>")],
        [event(VALIDATION, validationCode=7)],
        [event("Other", validationCode=CODE)],
        [event(VALIDATION, validationCode=CODE)] * 2,
    ],
)
def test_a_handshake_that_is_none_is_refused(phones: Phones, events: object) -> None:
    with pytest.raises(InvalidInput):
        phones.event_grid(events, headers={"aeg-event-type": "SubscriptionValidation"})


def test_a_report_on_a_text_message_is_known_by_its_tag(phones: Phones) -> None:
    incident = phones.paged(minutes_later=10)
    [sent] = [each.json() for each in phones.providers.requests if each.path.startswith("/sms")]
    tag = sent["smsSendOptions"]["tag"]
    message = phones.delivery(incident, "eve").attempts[0].provider_id
    report: dict[str, object] = {
        "messageId": message,
        "from": "x",
        "to": EVE,
        "tag": tag,
        "deliveryStatusDetails": "No error.",
    }
    for status in ("Delivered", "Delivered", "Failed", "Queued"):
        phones.event_grid(
            [event(f"{SMS}DeliveryReportReceived", deliveryStatus=status,
                   receivedTimestamp="2026-11-18T12:10:30.5+00:00", **report)],
            now=LATER,
        )  # fmt: skip
    receipts = [each for each in phones.events(incident, "receipt") if each.data["contact"] == "eve"]
    assert [(each.data["state"], each.data["provider_id"]) for each in receipts] == [
        ("delivered", message), ("undelivered", message),
    ]  # fmt: skip
    assert receipts[0].occurred_at == NOON + minutes(10.5) + timedelta(seconds=0.5)


@pytest.mark.parametrize(
    ("type_", "status", "state"),
    [
        ("DeliveryReportReceived", "Delivered", "delivered"),
        *(("DeliveryReportReceived", status, "undelivered")
          for status in ("Bounced", "Suppressed", "Failed", "Quarantined", "FilteredSpam")),
        ("DeliveryReportReceived", "Expanded", None),
        ("EngagementTrackingReportReceived", "", "read"),
        ("SomethingNew", "Delivered", None),
    ],
)  # fmt: skip
def test_a_report_on_a_mail_is_known_by_the_id_that_we_gave_it(
    phones: Phones, type_: str, status: str, state: str | None
) -> None:
    incident = phones.paged(minutes_later=10)
    mail = phones.delivery(incident, "mia").attempts[0].provider_id
    other = operation_id(incident, "of no delivery")
    for id in (other, operation_id("INC-00000000-9", "x"), "not-a-uuid", mail, mail):
        data = {"messageId": id, "status": status, "sender": "x", "recipient": "mia@example.org"}
        assert phones.event_grid([event(MAIL + type_, **data)], channel="mail", now=LATER) == Answer()
    receipts = [each for each in phones.events(incident, "receipt") if each.data["contact"] == "mia"]
    assert [each.data["state"] for each in receipts] == ([state] if state else [])


def test_what_others_send_by_the_same_resource_is_passed_over(phones: Phones, storage: str) -> None:
    incident = phones.paged(minutes_later=10)
    tag = phones.token(incident, "eve")
    report = f"{SMS}DeliveryReportReceived"
    with HttpReceiver() as providers, Phones(storage, providers) as others:
        theirs = others.paged(minutes_later=10)
        foreign = others.token(theirs, "eve")
        batch = [
            event(report, deliveryStatus="Delivered", tag=each, messageId="m")
            for each in ("somebody else's", "", None, foreign, phones.token(incident, "oncall"), tag)
        ]
        phones.event_grid(batch, now=LATER)
        assert not others.events(theirs, "receipt")
    assert [each.data["contact"] for each in phones.events(incident, "receipt")] == ["eve"]


def test_only_who_has_the_secret_is_heard(phones: Phones) -> None:
    incident = phones.paged(minutes_later=10)
    batch = [
        event(f"{SMS}DeliveryReportReceived", deliveryStatus="Delivered", tag=phones.token(incident, "eve"))
    ]
    for guess in ("", "guess", EVENT_GRID[:-1], EVENT_GRID + "x", "é\ud800"):
        with pytest.raises(Unauthenticated):
            phones.event_grid(batch, headers={"x-tocsin-secret": guess}, now=LATER)
    with pytest.raises(Unauthenticated):
        phones.event_grid(batch, headers={}, query="?secret=guess", now=LATER)
    assert not phones.events(incident, "receipt")
    phones.event_grid(batch, headers={}, query=f"?secret={EVENT_GRID}", now=LATER)
    assert len(phones.events(incident, "receipt")) == 1


def test_a_reply_by_way_of_azure_acts_and_is_answered_by_a_text_of_its_own(phones: Phones) -> None:
    incident = phones.paged(minutes_later=10)
    before = len(phones.providers.requests)
    for body in ("ack", "ack", "what?"):
        assert phones.event_grid([phones.received(body, LATER)], "reply", now=LATER) == Answer()
    texts = [each.json() for each in phones.providers.requests[before:]]
    assert [each["smsRecipients"][0]["to"] for each in texts] == [EVE] * 3
    assert texts[0]["message"].startswith(f"You have {incident}: acknowledged at")
    assert "already" in texts[1]["message"]
    assert texts[2]["message"] == HELP
    assert [each.data["by"] for each in phones.events(incident, "acted-on")] == ["sms"]
    for number in (STRANGER, ADA):
        phones.event_grid([phones.received("ack", LATER, number=number)], "reply", now=LATER)
    assert len(phones.providers.requests) == before + 3


def test_a_reply_counts_even_where_its_answer_cannot_be_sent(phones: Phones) -> None:
    incident = phones.paged(minutes_later=10)
    phones.providers.otherwise = 500
    phones.event_grid([phones.received("ack", LATER)], "reply", now=LATER)
    assert phones.stage.incident(incident).status == "acknowledged"


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[1]", b'[{"data": []}]', b"[" * 60_000, b"\xff", b"[{}]", b"null"]
)
def test_what_event_grid_does_not_send_is_refused(phones: Phones, body: bytes) -> None:
    call = Call("receipt", "/", {"x-tocsin-secret": EVENT_GRID}, body)
    with pytest.raises(InvalidInput):
        phones.hearing.hear(phones.stage.name, "acs", call, NOON)
    with pytest.raises(InvalidInput):
        phones.event_grid([event("x")] * 101)


FIELDS = (
    "data", "eventType", "tag", "deliveryStatus", "messageId", "status", "eventTime", "from", "message",
    "receivedTimestamp", "validationCode",
)  # fmt: skip
TYPES = (f"{SMS}Received", f"{SMS}DeliveryReportReceived", f"{MAIL}DeliveryReportReceived")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(FIELDS),
            inner | st.sampled_from([*TYPES, "Delivered", "0001-01-01T00:00:00+14:00"]),
            max_size=6,
        )
    ),
    max_leaves=20,
)


@settings(max_examples=200, deadline=None)
@given(st.lists(JSON, max_size=3), st.sampled_from(["acs-sms", "acs-email"]))
def test_no_event_at_all_raises_something_else(events: list[Any], kind: str) -> None:
    spec, secrets = a_channel(kind, callback_secret="grid"), secrets_of(grid=EVENT_GRID)
    call = Call("receipt", "/", {"x-tocsin-secret": EVENT_GRID}, json.dumps(events).encode())
    with suppress(InvalidInput):
        AcsEvents(AcsSmsChannel(HttpPost())).heard(call, spec, secrets, NOON)


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["MessageStatus", "CallStatus", "Digits", "Body", "From", "Timestamp", "MessageSid"]),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    ),
    st.sampled_from(["receipt", "reply", "voice"]),
)
def test_no_signed_form_at_all_raises_anything(fields: dict[str, str], what: str) -> None:
    spec, secrets = a_channel("twilio-sms", secret="twilio"), secrets_of(twilio="auth")
    headers = {"x-twilio-signature": twilio_signature("auth", f"{PUBLIC_URL}/x?token=%F0", fields)}
    call = Call(what, "/x?token=%F0", headers, urlencode(fields).encode())
    TwilioCalls(PUBLIC_URL).heard(call, spec, secrets, NOON)


@given(st.text(max_size=80))
def test_no_reply_at_all_raises_anything(text: str) -> None:
    for body in (text, f"ack {text}", f"RESOLVE {text}"):
        wish = asked(body)
        assert wish is None or wish.action in ("acknowledge", "resolve")


def test_the_signature_is_the_one_that_twilio_publishes_as_an_example() -> None:
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    fields = {
        "CallSid": "CA1234567890ABCDE", "Caller": "+14158675309", "Digits": "1234", "From": "+14158675309",
        "To": "+18005551212",
    }  # fmt: skip
    said = "".join(name + value for name, value in sorted(fields.items()))
    assert (
        signature("12345", url + said)
        == "RSOYDt4T1cUTdK1PDd93/VVr8B8="
        == twilio_signature("12345", url, fields)
    )


@given(st.text(CROCKFORD, min_size=8, max_size=8), st.integers(1, 9_999_999), st.text(max_size=40))
def test_the_id_of_a_mail_names_its_incident_and_looks_like_any_other(
    partition: str, n: int, key: str
) -> None:
    incident = f"INC-{partition}-{n}"
    made = operation_id(incident, key)
    assert (made, UUID(made).version) == (operation_id(incident.lower(), key), 5)
    assert incident_of(made) == incident
    assert incident_of(operation_id("", key)) is None


def test_the_doorway_hands_on_what_was_called_and_answers_as_twilio_reads(
    phones: Phones, monkeypatch: pytest.MonkeyPatch
) -> None:
    incident = phones.paged()
    monkeypatch.setattr(shared.app, "_app", SimpleNamespace(hear_provider=phones.hearing))
    monkeypatch.setattr(clock, "now", lambda: NOON)
    name, token = phones.stage.name, phones.token(incident, "oncall")

    def call(
        path: str, what: str, fields: dict[str, str], auth: str = "auth-token-of-tests"
    ) -> func.HttpResponse:
        signed = twilio_signature(auth, PUBLIC_URL + path, fields)
        request = func.HttpRequest(
            "POST", "http://10.0.0.4" + path, headers={"X-Twilio-Signature": signed},
            route_params={"plan": name, "channel": "sms", "what": what}, body=urlencode(fields).encode(),
        )  # fmt: skip
        answer: func.HttpResponse = hear_channel.hear_channel._function.get_user_function()(request)  # noqa: SLF001
        return answer

    base = f"/api/v1/plans/{name}/channels/sms"
    assert call(f"{base}/receipt?token={token}", "receipt", {"MessageStatus": "read"}).status_code == 200
    said = call(f"{base}/reply", "reply", {"From": ADA, "Body": "ACK", "MessageSid": "SM1"})
    assert (said.status_code, said.mimetype, incident in said.get_body().decode()) == (200, "text/xml", True)
    assert call(f"{base}/reply", "reply", {"From": ADA, "Body": "ACK"}, auth="x").status_code == 401
    assert call(f"{base}/voice", "voice", {"Digits": "1"}).status_code == 404
    assert call(f"{base}/receipt?token=x", "receipt", {"MessageStatus": "read"}).status_code == 401
