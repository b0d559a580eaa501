"""The incident's own channel in Slack: made with the first message, then followed until it is resolved."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from shared.adapters.channels.http_post import HttpPost
from shared.adapters.channels.slack_api import SlackCalls, SlackSaidNo, as_bot
from shared.adapters.channels.slack_blocks import standing, told
from shared.adapters.channels.slack_posts import SHOWS, Posted, post, posted, refreshed, still_there
from shared.adapters.channels.slack_rooms import Rooms, invite, set_topic, update_topic
from shared.domain.delivery import PAGES, Message, Room
from shared.domain.errors import DeliveryFailed
from shared.domain.plan import Channel as ChannelSpec
from shared.ports import Accepted, Secrets

log = logging.getLogger(__name__)

INVITES = PAGES | {"alarm", "inform", "role", "refresh"}
"""Kinds that bring people in; those who left are not called back by the others."""
HARMLESS = frozenset({"already_in_channel", "cant_invite_self"})
NOT_THERE = frozenset({"channel_not_found", "not_in_channel"})
"""The room was deleted, or the app was removed from it: whatever is to be told is told in a new one."""


class SlackRoomChannel:
    """Makes and uses the room of ``message.room`` with the bot token that ``spec.secret`` names."""

    kind = "slack-room"

    def __init__(self, http: HttpPost) -> None:
        self._http = http

    def send(
        self,
        message: Message,
        spec: ChannelSpec,
        to: str | None,  # noqa: ARG002  (the room is the incident's)
        idempotency_key: str,  # noqa: ARG002  (Slack knows none: a repeat after a lost answer is seen twice)
        secrets: Secrets,
        now: datetime,
    ) -> Accepted:
        """Post once, into a new room where there is none. Raises DeliveryFailed or SecretUnavailable."""
        room, first = message.room, posted(message.first_id)
        if room is None:
            raise DeliveryFailed("no room is named for it", permanent=True)
        if first is None and message.kind == "refresh":
            raise DeliveryFailed("nothing to update: the incident has no room", permanent=True)
        private = spec.options.get("private") == "true"

        def attempt(calls: SlackCalls) -> Accepted:
            if first is None:
                return Accepted(200, _opened(calls, Rooms(calls, private, now), room, message))
            try:
                return Accepted(200, _followed(calls, first, room, message))
            except SlackSaidNo as no:
                if message.kind == "refresh" or not _is_lost(no.code, message):
                    raise
            anew = Rooms(calls, private, now, lost=first.channel)
            return Accepted(200, _opened(calls, anew, room, message))

        return as_bot(self._http, spec, secrets, now, attempt)


def _opened(calls: SlackCalls, rooms: Rooms, room: Room, message: Message) -> str | None:
    """The topic comes first, for it says whose room it is; the card, before anybody is called in."""
    channel = rooms.of(room.name, message.incident)
    _if_possible(message, lambda: set_topic(calls, channel, room.topic, message))
    if rooms.lost is not None and message.kind not in SHOWS:
        # later messages bring the first one up to date: what people said must not be written over
        card = post(calls, channel, standing(replace(message, reason="", words=None)))
        post(calls, channel, told(message))
    else:
        card = post(calls, channel, told(message))
    _if_possible(message, lambda: invite(calls, channel, room.invite))
    return card


def _followed(calls: SlackCalls, first: Posted, room: Room, message: Message) -> str | None:
    """The id of the card, not of the message: what comes next goes on from the latest id."""
    if message.kind == "refresh":
        card = refreshed(calls, first, message)
    else:
        there = still_there(calls, first, message)
        said = post(calls, first.channel, told(message))
        card = first.id if there else said
    _if_possible(message, lambda: update_topic(calls, first.channel, room.topic, message))
    if message.kind in INVITES:
        _if_possible(message, lambda: invite(calls, first.channel, room.invite))
    return card


def _is_lost(code: str, message: Message) -> bool:
    """Whether the room cannot be used any more; one that people archived, they did not want news in."""
    return code in NOT_THERE or (code == "is_archived" and message.kind in PAGES)


def _if_possible(message: Message, work: Callable[[], None]) -> None:
    """What a room may be without: a topic, or somebody who cannot be invited, keeps no message back."""
    try:
        work()
    except DeliveryFailed as failure:
        if not (isinstance(failure, SlackSaidNo) and failure.code in HARMLESS):
            log.warning("%s: its room in Slack is not complete: %s", message.incident, failure)
