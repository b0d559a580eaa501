"""An incident's room in Slack that was deleted or archived or lost its app: replaced where it is needed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from shared.adapters.channels.http_post import HttpPost
from shared.adapters.channels.slack_room import SlackRoomChannel
from shared.domain.delivery import Kind, Words
from shared.ports import Accepted
from tests.notifications import failure_of
from tests.played_slack import PlayedSlack, head_of
from tests.receivers import HttpReceiver
from tests.test_slack_room import CARD, INCIDENT, NAME, first, told


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


def lose(slack: PlayedSlack, how: str) -> None:
    """The first room of the play cannot be used any more."""
    if how == "deleted":
        del slack.rooms["C00000001"]
    else:
        slack.rooms["C00000001"].member = how != "removed"
        slack.rooms["C00000001"].archived = how == "archived"


@pytest.mark.parametrize(
    ("how", "kind", "name"),
    [
        ("deleted", "escalation", NAME),
        ("deleted", "update", NAME),
        ("removed", "update", f"{NAME}-inc-8q2xk4zr-1"),
        ("archived", "escalation", f"{NAME}-inc-8q2xk4zr-1"),
        ("archived", "manual", f"{NAME}-inc-8q2xk4zr-1"),
    ],
)
def test_a_room_that_is_lost_is_replaced_and_gone_on_with(
    rooms: SlackRoomChannel, receiver: HttpReceiver, slack: PlayedSlack, how: str, kind: Kind, name: str
) -> None:
    told(rooms, receiver)
    lose(slack, how)
    accepted = told(rooms, receiver, first(kind=kind, first_id=CARD))
    room = slack.rooms["C00000002"]
    assert accepted == Accepted(200, "C00000002:1763726400.000001")
    assert (room.name, room.guests) == (name, ["U0ADA", "U0BOB"])
    assert room.topic.startswith(f"{INCIDENT} ")
    for following in ("update", "refresh", "resolved"):
        again = told(rooms, receiver, first(kind=following, first_id=accepted.provider_id))
        assert again == accepted
    assert slack.methods().count("conversations.create") == (2 if how == "deleted" else 3)


@pytest.mark.parametrize(
    ("how", "kind"),
    [("deleted", "refresh"), ("removed", "refresh"), ("archived", "refresh"), ("archived", "update"),
     ("archived", "resolved")],
)  # fmt: skip
def test_what_is_not_worth_a_new_room_makes_none(
    rooms: SlackRoomChannel, receiver: HttpReceiver, slack: PlayedSlack, how: str, kind: Kind
) -> None:
    told(rooms, receiver)
    lose(slack, how)
    assert failure_of(lambda: told(rooms, receiver, first(kind=kind, first_id=CARD))).permanent
    assert slack.methods().count("conversations.create") == 1


def test_news_that_come_first_in_a_new_room_are_not_written_over_by_its_card(
    rooms: SlackRoomChannel, receiver: HttpReceiver, slack: PlayedSlack
) -> None:
    told(rooms, receiver)
    lose(slack, "deleted")
    news = first(kind="update", words=Words("It was the disk."), first_id=CARD)
    card = told(rooms, receiver, news).provider_id
    told(rooms, receiver, first(kind="refresh", status="acknowledged", first_id=card))
    _, shown, kept = slack.messages.values()
    assert head_of(shown) == "[SEV1] Acknowledged: Checkout is slow"
    assert "It was the disk." in kept["text"]
    assert "disk" not in shown["text"]


def test_rooms_that_are_lost_again_and_again_are_replaced_so_often(
    rooms: SlackRoomChannel, receiver: HttpReceiver, slack: PlayedSlack
) -> None:
    now = told(rooms, receiver).provider_id
    for _ in range(3):
        for room in slack.rooms.values():
            room.archived = True
        now = told(rooms, receiver, first(first_id=now)).provider_id
    own = f"{NAME}-inc-8q2xk4zr-1"
    assert [room.name for room in slack.rooms.values()] == [NAME, own, f"{own}-2", f"{own}-3"]
    slack.rooms["C00000004"].archived = True
    assert failure_of(lambda: told(rooms, receiver, first(first_id=now))).permanent


def test_a_card_that_somebody_removed_is_posted_once_and_gone_on_with(
    rooms: SlackRoomChannel, receiver: HttpReceiver, slack: PlayedSlack
) -> None:
    told(rooms, receiver)
    del slack.messages[CARD]
    now: str | None = CARD
    for kind in ("refresh", "refresh", "refresh"):
        now = told(rooms, receiver, first(kind=kind, first_id=now)).provider_id
    assert list(slack.messages) == [now]
