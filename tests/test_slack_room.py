"""An incident's own room in Slack: made once whatever is cut off, with topic and guests, to its end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.channels.http_post import HttpPost
from shared.adapters.channels.slack_room import SlackRoomChannel
from shared.adapters.channels.slack_rooms import BEING_MADE, LEFT_BEHIND, own_name, room_name, topic_of
from shared.domain.delivery import Kind, Message, Room
from shared.ports import Accepted
from tests.notifications import CONTROLS, HOSTILE, a_channel, a_message, failure_of, secrets_of, sent
from tests.played_slack import GOOD, PlayedRoom, PlayedSlack, a_page, head_of, labels_of
from tests.receivers import HttpReceiver, Reply

NAME, INCIDENT = "incident-2026-11-21-1200", "INC-8Q2XK4ZR-1"
ROOM = Room(NAME, "[SEV1] Checkout is slow · open", ("U0ADA", "U0BOB"))
CARD = "C00000001:1763726400.000000"


@pytest.fixture
def slack() -> PlayedSlack:
    return PlayedSlack()


@pytest.fixture
def receiver(slack: PlayedSlack) -> Iterator[HttpReceiver]:
    with HttpReceiver(slack) as running:
        yield running


@pytest.fixture
def rooms() -> Iterator[SlackRoomChannel]:
    http = HttpPost()
    yield SlackRoomChannel(http)
    http.close()


def told(
    rooms: SlackRoomChannel, receiver: HttpReceiver, message: Message | None = None, **options: str
) -> Accepted:
    spec = a_channel("slack-room", url=receiver.url + "/api", secret="slack-bot", **options)
    return sent(rooms, spec, secrets_of(slack_bot=GOOD), message or first())


def first(**different: Any) -> Message:  # noqa: ANN401  (fields of Message)
    """The first message about the incident."""
    return a_page(**({"room": ROOM} | different))


def only_room(slack: PlayedSlack) -> PlayedRoom:
    (room,) = slack.rooms.values()
    return room


def test_the_first_message_makes_the_room_and_calls_people_in(
    rooms: SlackRoomChannel, receiver: HttpReceiver, slack: PlayedSlack
) -> None:
    assert told(rooms, receiver) == Accepted(200, CARD)
    assert slack.methods() == [
        "conversations.create",
        "conversations.setTopic",
        "chat.postMessage",
        "conversations.invite",
    ]
    room = only_room(slack)
    assert (room.name, room.private, room.guests) == (NAME, False, ["U0ADA", "U0BOB"])
    assert room.topic == "INC-8Q2XK4ZR-1 · [SEV1] Checkout is slow · open"
    assert labels_of(slack.messages[CARD])[:2] == ["Acknowledge", "Resolve"]
    assert slack.messages[CARD]["channel"] == room.id


def test_a_room_can_be_private(rooms: SlackRoomChannel, receiver: HttpReceiver, slack: PlayedSlack) -> None:
    told(rooms, receiver, private="true")
    assert only_room(slack).private


def test_what_follows_updates_the_card_and_the_topic_and_is_posted_in_the_room(
    rooms: SlackRoomChannel, receiver: HttpReceiver, slack: PlayedSlack
) -> None:
    told(rooms, receiver)
    over = replace(ROOM, topic="[SEV1] Checkout is slow · resolved")
    end = first(
        kind="resolved", status="resolved", reason="resolved by Ada", room=over, first_id=CARD, answering=None
    )
    slack.calls.clear()
    assert told(rooms, receiver, end) == Accepted(200, CARD)
    assert slack.methods() == [
        "chat.update",
        "chat.postMessage",
        "conversations.info",
        "conversations.setTopic",
    ]
    assert only_room(slack).topic == "INC-8Q2XK4ZR-1 · [SEV1] Checkout is slow · resolved"
    assert head_of(slack.messages[CARD]) == "[SEV1] Resolved: Checkout is slow"
    assert "thread_ts" not in slack.said("chat.postMessage")


def test_a_refresh_updates_card_topic_and_guests_and_posts_nothing(
    rooms: SlackRoomChannel, receiver: HttpReceiver, slack: PlayedSlack
) -> None:
    told(rooms, receiver)
    slack.calls.clear()
    now = Room(NAME, "[SEV2] Checkout is slow · acknowledged", ("U0ADA", "U0EVE"))
    refresh = first(kind="refresh", status="acknowledged", severity="SEV2", room=now, first_id=CARD)
    assert told(rooms, receiver, refresh) == Accepted(200, CARD)
    assert "chat.postMessage" not in slack.methods()
    assert only_room(slack).topic.endswith("[SEV2] Checkout is slow · acknowledged")
    assert only_room(slack).guests == ["U0ADA", "U0BOB", "U0EVE"]
    assert head_of(slack.messages[CARD]) == "[SEV2] Acknowledged: Checkout is slow"

    slack.calls.clear()
    told(rooms, receiver, refresh)
    assert "conversations.setTopic" not in slack.methods()


@pytest.mark.parametrize(
    ("kind", "called"),
    [("escalation", True), ("role", True), ("refresh", True), ("update", False), ("still-open", False)],
)
def test_who_left_is_not_called_back_by_news(
    rooms: SlackRoomChannel, receiver: HttpReceiver, slack: PlayedSlack, kind: Kind, called: bool
) -> None:
    told(rooms, receiver)
    slack.calls.clear()
    told(rooms, receiver, first(kind=kind, first_id=CARD))
    assert ("conversations.invite" in slack.methods()) is called


def test_a_topic_that_people_wrote_stays(
    rooms: SlackRoomChannel, receiver: HttpReceiver, slack: PlayedSlack
) -> None:
    told(rooms, receiver)
    only_room(slack).topic = "Bridge: +49 30 1234"
    told(rooms, receiver, first(kind="resolved", status="resolved", first_id=CARD))
    assert only_room(slack).topic == "Bridge: +49 30 1234"


def test_a_topic_that_slack_writes_differently_is_not_set_again(
    rooms: SlackRoomChannel, receiver: HttpReceiver, slack: PlayedSlack
) -> None:
    message = first(room=replace(ROOM, topic="🔥 a & b <c> · open"))
    told(rooms, receiver, message)
    only_room(slack).topic = "INC-8Q2XK4ZR-1 · :fire: a &amp; b &lt;c&gt; · open"
    slack.calls.clear()
    told(rooms, receiver, replace(message, kind="refresh", first_id=CARD))
    assert "conversations.setTopic" not in slack.methods()


@pytest.mark.parametrize(
    ("method", "no"),
    [
        ("conversations.setTopic", "missing_scope"),
        ("conversations.setTopic", Reply(503)),
        ("conversations.invite", "already_in_channel"),
        ("conversations.invite", "cant_invite_self"),
        ("conversations.invite", "user_not_found"),
        ("conversations.invite", Reply(429, {"Retry-After": "30"})),
        ("conversations.invite", Reply(reset=True)),
    ],
)
def test_what_a_room_may_be_without_loses_no_message(
    rooms: SlackRoomChannel, receiver: HttpReceiver, slack: PlayedSlack, method: str, no: str | Reply
) -> None:
    slack.no[method] = [no, no]
    assert told(rooms, receiver) == Accepted(200, CARD)
    slack.no[method] = [no, no]
    assert told(rooms, receiver, first(first_id=CARD)) == Accepted(200, CARD)
    assert "C00000001:1763726400.000001" in slack.messages


def test_a_topic_that_could_not_be_set_is_set_with_the_next_message(
    rooms: SlackRoomChannel, receiver: HttpReceiver, slack: PlayedSlack
) -> None:
    slack.no["conversations.setTopic"] = ["ratelimited"]
    told(rooms, receiver)
    assert only_room(slack).topic == ""
    told(rooms, receiver, first(kind="update", first_id=CARD))
    assert only_room(slack).topic.startswith(f"{INCIDENT} ")


@pytest.mark.parametrize(
    ("method", "no", "permanent"),
    [
        ("conversations.create", "restricted_action", True),
        ("conversations.create", "internal_error", False),
        ("conversations.create", Reply(503), False),
        ("conversations.create", Reply(200, {}, b'{"ok": true, "channel": {}}'), False),
        ("chat.postMessage", "is_archived", True),
        ("chat.postMessage", Reply(429, {"Retry-After": "30"}), False),
    ],
)
def test_what_it_cannot_be_without_fails_the_send(
    rooms: SlackRoomChannel,
    receiver: HttpReceiver,
    slack: PlayedSlack,
    method: str,
    no: str | Reply,
    permanent: bool,
) -> None:
    slack.no[method] = [no]
    assert failure_of(lambda: told(rooms, receiver)).permanent is permanent


def test_a_retry_after_a_lost_post_finds_the_same_room(
    rooms: SlackRoomChannel, receiver: HttpReceiver, slack: PlayedSlack
) -> None:
    slack.room("other"), slack.room("another")
    slack.no["chat.postMessage"] = [Reply(reset=True)]
    assert not failure_of(lambda: told(rooms, receiver)).permanent
    assert told(rooms, receiver).provider_id == "C00000003:1763726400.000000"
    assert len(slack.rooms) == 3


def test_a_room_made_right_before_a_crash_is_found_once_nobody_can_be_at_it_any_more(
    rooms: SlackRoomChannel, receiver: HttpReceiver, slack: PlayedSlack
) -> None:
    left = slack.room(NAME, created=slack.now - int(BEING_MADE) + 1)
    wait = failure_of(lambda: told(rooms, receiver))
    assert (wait.permanent, wait.retry_after) == (False, BEING_MADE)
    left.created -= 1
    told(rooms, receiver)
    assert slack.said("chat.postMessage")["channel"] == only_room(slack).id


@pytest.mark.parametrize(
    "other",
    [
        {"topic": "INC-8Q2XK4ZR-10 · [SEV1] Search is slow · open"},
        {"topic": "Standup at 10"},
        {"created": -600, "creator": "U0HUMAN"},
        {"created": -1, "creator": "U0HUMAN"},
        {"created": -600, "creator": ""},
        {"member": False, "created": 0},
        {"created": -int(LEFT_BEHIND) - 1},
        {"archived": True},
        {"private": True},
    ],
)
def test_the_room_of_something_else_is_left_alone(
    rooms: SlackRoomChannel, receiver: HttpReceiver, slack: PlayedSlack, other: dict[str, Any]
) -> None:
    theirs = slack.room(NAME, **(other | {"created": slack.now + other.get("created", 0)}))
    told(rooms, receiver)
    mine = slack.rooms["C00000002"]
    assert mine.name == f"{NAME}-inc-8q2xk4zr-1"
    assert slack.said("chat.postMessage")["channel"] == mine.id
    assert theirs.guests == []

    told(rooms, receiver)
    assert len(slack.rooms) == 2


@pytest.mark.parametrize("others", [0, 30, 600, 3_000])
def test_the_room_of_another_incident_without_a_topic_is_left_alone(
    rooms: SlackRoomChannel, receiver: HttpReceiver, slack: PlayedSlack, others: int
) -> None:
    slack.no["conversations.setTopic"] = ["ratelimited"]
    told(rooms, receiver, first(incident="INC-9ZZZZZZZ-1", room=replace(ROOM, invite=("U0EVE",))))
    slack.rooms["C00000001"].created -= others
    told(rooms, receiver, first(title="INC-9ZZZZZZZ-1"))
    theirs, mine = slack.rooms.values()
    assert (theirs.guests, mine.guests) == (["U0EVE"], ["U0ADA", "U0BOB"])
    assert (theirs.topic, mine.name) == ("", f"{NAME}-inc-8q2xk4zr-1")
    assert [said["channel"] for said in slack.messages.values()] == [theirs.id, mine.id]


@pytest.mark.parametrize(
    ("texts", "adopted"),
    [
        ([], True),
        ([f"Slow ({INCIDENT})"], True),
        ([f"Slow ({INCIDENT})", "on it"], True),
        (["on it"], False),
        ([f"Slow ({INCIDENT}0)"], False),
        ([f"Slow ({INCIDENT})", "like INC-9ZZZZZZZ-1"], False),
        ([f"Slow ({INCIDENT})"] * 101, False),
    ],
)
def test_a_room_of_ours_without_a_topic_is_taken_for_what_was_said_in_it(
    rooms: SlackRoomChannel,
    receiver: HttpReceiver,
    slack: PlayedSlack,
    texts: list[str],
    adopted: bool,
) -> None:
    left = slack.room(NAME, created=slack.now - 600)
    for n, text in enumerate(texts):
        slack.messages[f"{left.id}:1.{n}"] = {"text": text}
    told(rooms, receiver)
    assert (len(slack.rooms) == 1) is adopted
    assert bool(left.topic) is adopted


@pytest.mark.parametrize("method", ["auth.test", "conversations.history"])
def test_where_nobody_says_whose_a_room_is_the_incident_gets_one_of_its_own(
    rooms: SlackRoomChannel, receiver: HttpReceiver, slack: PlayedSlack, method: str
) -> None:
    slack.room(NAME, created=slack.now - 600)
    slack.no[method] = ["missing_scope"]
    assert told(rooms, receiver).provider_id == "C00000002:1763726400.000000"


def test_a_room_of_ours_whose_history_is_not_told_is_waited_for_while_it_may_be_under_way(
    rooms: SlackRoomChannel, receiver: HttpReceiver, slack: PlayedSlack
) -> None:
    left = slack.room(NAME, created=slack.now - 1)
    slack.no["conversations.history"] = ["missing_scope"]
    assert failure_of(lambda: told(rooms, receiver)).retry_after == BEING_MADE
    left.topic = f"{INCIDENT} · [SEV1] Checkout is slow · open"
    assert told(rooms, receiver).provider_id == CARD


def test_a_lookup_that_fails_gives_the_room_a_name_of_its_own(
    rooms: SlackRoomChannel, receiver: HttpReceiver, slack: PlayedSlack
) -> None:
    slack.room(NAME, topic="Standup at 10")
    slack.no["conversations.list"] = [Reply(429, {"Retry-After": "30"})]
    assert told(rooms, receiver).provider_id == "C00000002:1763726400.000000"


def test_a_name_with_the_incident_in_it_is_its_own_and_is_looked_up_at_once(
    rooms: SlackRoomChannel, receiver: HttpReceiver, slack: PlayedSlack
) -> None:
    for other in "abcde":
        slack.room(other)
    slack.room("inc-8q2xk4zr-1-checkout", topic="people wrote this")
    message = first(room=Room("INC-8Q2XK4ZR-1 Checkout", ""))
    assert told(rooms, receiver, message).provider_id == "C00000006:1763726400.000000"
    assert slack.methods()[:4] == ["conversations.create", *["conversations.list"] * 3]


def test_a_name_that_is_taken_out_of_sight_is_final_and_the_search_is_bounded(
    rooms: SlackRoomChannel, receiver: HttpReceiver, slack: PlayedSlack
) -> None:
    for name in (INCIDENT, f"{INCIDENT}-2", f"{INCIDENT}-3"):
        slack.room(name.lower(), archived=True)
    for n in range(30):
        slack.room(f"r-{n}")
    failure = failure_of(lambda: told(rooms, receiver, first(room=Room("inc-8q2xk4zr-1", ""))))
    assert failure.permanent
    assert slack.methods().count("conversations.list") == 3 * 10


def test_two_incidents_of_one_minute_have_two_rooms(
    rooms: SlackRoomChannel, receiver: HttpReceiver, slack: PlayedSlack
) -> None:
    for incident in (INCIDENT, "INC-8Q2XK4ZR-2"):
        told(rooms, receiver, first(incident=incident))
    assert [room.name for room in slack.rooms.values()] == [NAME, f"{NAME}-inc-8q2xk4zr-2"]


def test_guests_are_ids_and_at_most_a_hundred(
    rooms: SlackRoomChannel, receiver: HttpReceiver, slack: PlayedSlack
) -> None:
    guests = ("<!channel>", "ada", "U0ADA,U0EVE", "U0ADA", "U0ADA", *(f"U{n:05}" for n in range(200)))
    told(rooms, receiver, first(room=replace(ROOM, invite=guests)))
    invited = only_room(slack).guests
    assert invited[:2] == ["U0ADA", "U00000"]
    assert len(invited) == 100
    slack.calls.clear()
    told(rooms, receiver, first(room=replace(ROOM, invite=("nobody",)), incident="INC-8Q2XK4ZR-2"))
    assert "conversations.invite" not in slack.methods()


def test_without_a_room_in_the_message_or_with_nothing_to_refresh_it_fails_for_good(
    rooms: SlackRoomChannel, receiver: HttpReceiver
) -> None:
    assert failure_of(lambda: told(rooms, receiver, a_message())).permanent
    assert failure_of(lambda: told(rooms, receiver, first(kind="refresh"))).permanent
    assert receiver.requests == []


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Incident 2026: Checkout!", "incident-2026-checkout"),
        ("#Größe_1", "grosse_1"),
        ("  --_x_--  ", "x"),
        ("a" * 79 + "-b", "a" * 79),
        ("🔥", "inc-8q2xk4zr-1"),
        ("", "inc-8q2xk4zr-1"),
        ("<!channel>", "channel"),
    ],
)
def test_a_room_s_name_is_made_fit_for_slack(text: str, name: str) -> None:
    assert room_name(text, INCIDENT) == name


@given(st.text(max_size=120))
def test_every_name_is_fit_with_and_without_the_incident_s_id(text: str) -> None:
    name = room_name(text, INCIDENT)
    for each in (name, own_name(name, INCIDENT), own_name(name, INCIDENT, 3)):
        assert re.fullmatch("[a-z0-9_-]{1,80}", each)
    assert own_name(name, INCIDENT).endswith("inc-8q2xk4zr-1")
    assert own_name(name, INCIDENT, 3).endswith("inc-8q2xk4zr-1-3")
    assert own_name("", INCIDENT, 2) == "inc-8q2xk4zr-1-2"


@pytest.mark.parametrize("text", [HOSTILE, "&" * 500, "🔥" * 500, "", "[DRILL] x"])
@pytest.mark.parametrize("drill", [None, "first-friday"])
def test_a_topic_names_the_incident_and_how_it_stands_whatever_else_it_says(
    text: str, drill: str | None
) -> None:
    topic = topic_of(text, a_message(drill=drill, status="resolved"))
    assert len(topic.encode("utf-16-le")) <= 500
    assert topic.startswith("INC-8Q2XK4ZR-1 · " + ("[DRILL]" if drill else ""))
    assert topic.endswith(" · resolved")
    assert ("[DRILL]" in topic) is (drill is not None) or text == "[DRILL] x"
    assert not re.search("[<>]|@(channel|here)", topic)
    assert not CONTROLS.search(topic)
