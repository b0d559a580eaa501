"""The Slack app: posts to a room or a person, goes on in a thread, and keeps the first message up to date."""

from __future__ import annotations

import re
from datetime import datetime

from shared.adapters.channels.http_post import HttpPost
from shared.adapters.channels.slack_api import SlackCalls, as_bot
from shared.adapters.channels.slack_blocks import told
from shared.adapters.channels.slack_posts import Posted, post, posted, refreshed, reply, still_there
from shared.domain.delivery import PAGES, Message
from shared.domain.errors import DeliveryFailed
from shared.domain.plan import Channel as ChannelSpec
from shared.ports import Accepted, Secrets

ALOUD = PAGES | {"resolved"}
"""Kinds that are shown in the room as well as in the thread."""
_TO = re.compile(r"[CGDUW][A-Z0-9]{1,40}")


class SlackAppChannel:
    """Posts with the bot token that ``spec.secret`` names, to the channel or user whose id ``to`` is."""

    kind = "slack-app"

    def __init__(self, http: HttpPost) -> None:
        self._http = http

    def send(
        self,
        message: Message,
        spec: ChannelSpec,
        to: str | None,
        idempotency_key: str,  # noqa: ARG002  (Slack knows none: a repeat after a lost answer is seen twice)
        secrets: Secrets,
        now: datetime,
    ) -> Accepted:
        """Post once. Raises DeliveryFailed or SecretUnavailable."""
        where = (to or "").strip()
        if not _TO.fullmatch(where):
            raise DeliveryFailed(
                "the contact's address on this channel is not the id of a Slack channel or user",
                permanent=True,
            )
        first = posted(message.first_id)
        parent = first if first is not None and _is_there(first, where) else None
        if parent is None and message.kind == "refresh":
            raise DeliveryFailed("nothing to update: no message stands there", permanent=True)

        def attempt(calls: SlackCalls) -> Accepted:
            if parent is None:
                return Accepted(200, post(calls, where, told(message)))
            return Accepted(200, _followed(calls, parent, message))

        return as_bot(self._http, spec, secrets, now, attempt)


def _followed(calls: SlackCalls, first: Posted, message: Message) -> str | None:
    """The id of the card, not of the reply: what comes next goes on from the latest id."""
    if message.kind == "refresh":
        return refreshed(calls, first, message)
    if not still_there(calls, first, message):
        return post(calls, first.channel, told(message))
    reply(calls, first, told(message), aloud=message.kind in ALOUD)
    return first.id


def _is_there(first: Posted, where: str) -> bool:
    """Whether it stands where the contact is reached now; a person is reached in a channel of their own."""
    return first.channel == where or (where[0] in "UW" and first.channel[0] == "D")
