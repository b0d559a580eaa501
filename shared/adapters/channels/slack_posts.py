"""Messages that a Slack app posts and goes on from: the first one is kept up to date in place."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.adapters.channels.slack_api import SlackCalls, SlackSaidNo
from shared.adapters.channels.slack_blocks import standing
from shared.domain.delivery import ANSWERABLE, Message
from shared.domain.errors import DeliveryFailed

log = logging.getLogger(__name__)

ASIDE = 5.0
"""Seconds for what the message itself does not depend on."""
SHOWS = ANSWERABLE | {"resolved"}
"""Kinds that come with all that the card shows; the others say nothing of how the incident stands."""
_UNFIT = frozenset({"invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long"})
_NO_THREAD = frozenset({"thread_not_found", "cannot_reply_to_message", "message_not_found"})
_ID = re.compile(r"(?P<channel>[CDG][A-Z0-9]{1,40}):(?P<ts>[0-9]{1,12}\.[0-9]{1,9})")


@dataclass(frozen=True)
class Posted:
    """Where a message stands."""

    channel: str
    ts: str

    @property
    def id(self) -> str:
        """``<channel>:<ts>``."""
        return f"{self.channel}:{self.ts}"


def posted(provider_id: str | None) -> Posted | None:
    """What a provider's id says; None where it is none of ours."""
    found = _ID.fullmatch(provider_id or "")
    return Posted(found["channel"], found["ts"]) if found else None


def post(calls: SlackCalls, channel: str, shown: Mapping[str, Any], parent: str | None = None) -> str | None:
    """Post, beneath ``parent`` where one is named; the provider's id. Raises DeliveryFailed.

    Where Slack will not have the blocks, the line of text goes alone: a page is not lost for its looks.
    """
    arguments = {**shown, "channel": channel, "unfurl_links": False, "unfurl_media": False}
    if parent is not None:
        arguments["thread_ts"] = parent
    try:
        answer = calls.write("chat.postMessage", arguments)
    except SlackSaidNo as no:
        if no.code not in _UNFIT:
            raise
        plain = {name: value for name, value in arguments.items() if name != "blocks"}
        answer = calls.write("chat.postMessage", plain)
    found = posted(f"{answer.get('channel')}:{answer.get('ts')}")
    return found.id if found else None


def reply(calls: SlackCalls, parent: Posted, shown: Mapping[str, Any], *, aloud: bool) -> None:
    """Post in the thread of ``parent``, ``aloud`` in the channel as well; anew where the thread is gone."""
    try:
        post(calls, parent.channel, {**shown, "reply_broadcast": aloud}, parent.ts)
    except SlackSaidNo as no:
        if no.code not in _NO_THREAD:
            raise
        post(calls, parent.channel, shown)


def refreshed(calls: SlackCalls, first: Posted, message: Message) -> str | None:
    """Show in the first message how the incident stands; anew where somebody removed it.

    Raises DeliveryFailed. The id of the message that shows it, from which the next goes on.
    """
    try:
        _update(calls, first, message, None)
    except SlackSaidNo as no:
        if no.code != "message_not_found":
            raise
        return post(calls, first.channel, standing(message))
    return first.id


def still_there(calls: SlackCalls, first: Posted, message: Message) -> bool:
    """Bring the first message up to date before the next is posted; whether it still stands, for all we know.

    What fails here is made good by the next message: it must not keep this one back.
    """
    if message.kind not in SHOWS:
        return True
    try:
        _update(calls, first, message, ASIDE)
    except DeliveryFailed as failure:
        log.warning("%s: its first message in Slack is behind: %s", message.incident, failure)
        return not (isinstance(failure, SlackSaidNo) and failure.code == "message_not_found")
    return True


def _update(calls: SlackCalls, first: Posted, message: Message, at_most: float | None) -> None:
    calls.write("chat.update", {**standing(message), "channel": first.channel, "ts": first.ts}, at_most)
