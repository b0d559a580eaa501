"""Rooms in Slack: one for one incident, whatever was cut off, by a name fit for Slack; topic and guests."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import datetime
from html import unescape
from typing import Any

from shared.adapters.channels.slack import escaped
from shared.adapters.channels.slack_api import SlackCalls, SlackSaidNo
from shared.adapters.channels.slack_posts import ASIDE
from shared.adapters.channels.wording import marked, one_line, units
from shared.domain.delivery import Message
from shared.domain.errors import DeliveryFailed

NAME_LIMIT, TOPIC_LIMIT, GUEST_LIMIT = 80, 250, 100
PAGES_READ, PAGE = 10, 500
"""Rooms looked through for one by name: at most 5,000 that are not archived."""
FOR_POSTING = 6.0
"""Seconds that looking through them leaves for the message."""
BEING_MADE = 30.0
"""Seconds for which a room without a topic may still be somebody's under way."""
LEFT_BEHIND = 3_600.0
"""Seconds after which a room without a topic is not taken for one whose making was cut off."""
SAID = 100
"""Messages by which a room without a topic may say whose it is; where there are more, it is in use."""
MOST_NAMES = 4
"""The wanted name, the one with the incident's id, and what follows where those rooms are lost."""
_GUEST = re.compile(r"[UW][A-Z0-9]{1,40}")
_INCIDENT = re.compile(r"INC-[A-Z0-9]+-[0-9]+")
_CHANNEL = re.compile(r"[CG][A-Z0-9]{1,40}")
_UNFIT = re.compile("[^a-z0-9_-]+")
_SHOWN_OTHERWISE = re.compile(r":[a-z0-9_+'-]+:|[<>]|\|[^ >]*|[^ -~]")
"""Emoji, links and mentions, which Slack gives back in other words than it was given."""


def room_name(text: str, incident: str) -> str:
    """The name as Slack takes it: a-z, 0-9, ``_`` and ``-``, at most 80; the incident's id if it is empty."""
    plain = unicodedata.normalize("NFKD", text.casefold()).encode("ascii", "ignore").decode("ascii")
    return _UNFIT.sub("-", plain).strip("-_")[:NAME_LIMIT].rstrip("-_") or incident.lower()


def own_name(name: str, incident: str, nth: int = 1) -> str:
    """The name with the incident's id after it, which no other incident's has; ``nth`` if that is lost."""
    own = incident.lower() + (f"-{nth}" if nth > 1 else "")
    return f"{name[: NAME_LIMIT - len(own) - 1].rstrip('-_')}-{own}".lstrip("-")


class Rooms:
    """Finds or makes the one room of an incident."""

    def __init__(self, calls: SlackCalls, private: bool, now: datetime, lost: str | None = None) -> None:
        """``lost`` is the room that it had and that cannot be used any more."""
        self._calls, self._private, self._now, self.lost = calls, private, now, lost

    def of(self, wanted: str, incident: str) -> str:
        """The id of the incident's room. Raises DeliveryFailed.

        It may exist although nothing is on record of it: whoever made it may have been cut off right after.
        """
        name = room_name(wanted, incident)
        made = self._made(name)
        if made is not None:
            return made
        own = incident.lower() in name
        made = self._usable(self._found(name)) if own else self._left_behind(name, incident)
        for nth in range(2 if own else 1, MOST_NAMES):
            if made is not None:
                break
            named = own_name("" if own else name, incident, nth)
            made = self._made(named) or self._usable(self._found(named))
        if made is None:
            raise DeliveryFailed(f"#{name} is taken in Slack, and the app does not see it", permanent=True)
        return made

    def _made(self, name: str) -> str | None:
        """The new room's id, or None where the name is taken."""
        try:
            answer = self._calls.write("conversations.create", {"name": name, "is_private": self._private})
        except SlackSaidNo as no:
            if no.code == "name_taken":
                return None
            raise
        made = _id_of(answer.get("channel"))
        if made is None:
            raise DeliveryFailed("Slack made a room and did not say which", permanent=False)
        return made

    def _usable(self, found: Mapping[str, Any] | None) -> str | None:
        """The room's id, unless the app was removed from it, or it is the one that is lost."""
        if found is None or found.get("is_member") is False:
            return None
        channel = _id_of(found)
        return channel if channel != self.lost else None

    def _left_behind(self, name: str, incident: str) -> str | None:
        """A room of that name that is this incident's: its topic says so or, where it has none, who made it
        and what was said there.

        Raises DeliveryFailed (temporary) where that is being said just now.
        """
        try:
            found = self._found(name, ASIDE)
            channel = self._usable(found)
            if found is None or channel is None:
                return None
            topic = _topic_of(found)
            if topic:
                return channel if _is_of(topic, incident) else None
            if not self._is_mine(found):
                return None
        except DeliveryFailed:
            return None  # then the room gets a name of its own
        age, free = self._age(found), self._says_nothing_else(channel, incident)
        if age < BEING_MADE and free is not False:
            raise DeliveryFailed(f"#{name} is being made in Slack", permanent=False, retry_after=BEING_MADE)
        return channel if free and age <= LEFT_BEHIND else None

    def _age(self, found: Mapping[str, Any]) -> float:
        created = found.get("created")
        return self._now.timestamp() - created if isinstance(created, int) else LEFT_BEHIND + 1

    def _is_mine(self, found: Mapping[str, Any]) -> bool:
        """Whether this very app made the room."""
        creator = found.get("creator")
        return bool(creator) and creator == self._calls.write("auth.test", {}, ASIDE).get("user_id")

    def _says_nothing_else(self, channel: str, incident: str) -> bool | None:
        """Whether nothing was posted there, or something about this incident and nothing about another.

        What Slack itself notes, of joining and the like, is not counted. None where it does not say.
        """
        arguments = {"channel": channel, "limit": str(SAID)}
        try:
            answer = self._calls.read("conversations.history", arguments, ASIDE)
        except DeliveryFailed:
            return None
        told = [
            str(each.get("text"))
            for each in _list_of(answer.get("messages"))
            if isinstance(each, dict) and each.get("subtype") in (None, "bot_message")
        ]
        about = {found for text in told for found in _INCIDENT.findall(text)}
        return not answer.get("has_more") and (about == {incident} if told else True)

    def _found(self, name: str, at_most: float | None = None) -> Mapping[str, Any] | None:
        wanted = {
            "types": "private_channel" if self._private else "public_channel",
            "exclude_archived": "true",
            "limit": str(PAGE),
        }
        cursor = ""
        for _ in range(PAGES_READ):
            if self._calls.left < FOR_POSTING:
                raise DeliveryFailed(f"#{name} is not found in time in Slack", permanent=False)
            more = {"cursor": cursor} if cursor else {}
            answer = self._calls.read("conversations.list", wanted | more, at_most)
            for each in _list_of(answer.get("channels")):
                if isinstance(each, dict) and each.get("name") == name:
                    return each
            metadata = answer.get("response_metadata")
            cursor = str(metadata.get("next_cursor") or "") if isinstance(metadata, dict) else ""
            if not cursor:
                return None
        return None


def topic_of(text: str, message: Message) -> str:
    """Whose room it is, what it is about and how it stands, as Slack is given it: at most 250 characters."""
    tail = f" \N{MIDDLE DOT} {one_line(message.status)}"
    about = marked(message, one_line(text).removesuffix(tail))
    head = escaped(f"{one_line(message.incident)} \N{MIDDLE DOT} {about}", TOPIC_LIMIT - units(tail))
    return head + tail


def set_topic(calls: SlackCalls, channel: str, text: str, message: Message) -> None:
    """Set the topic of a new room. Raises DeliveryFailed."""
    calls.write("conversations.setTopic", {"channel": channel, "topic": topic_of(text, message)}, ASIDE)


def update_topic(calls: SlackCalls, channel: str, text: str, message: Message) -> None:
    """Set the topic where it says something else by now, unless people wrote one of their own.

    Raises DeliveryFailed.
    """
    answer = calls.read("conversations.info", {"channel": channel}, ASIDE)
    shown = _topic_of(answer.get("channel"))
    same = _comparable(shown) == _comparable(topic_of(text, message))
    if not same and (not shown or _is_of(shown, message.incident)):
        set_topic(calls, channel, text, message)


def invite(calls: SlackCalls, channel: str, guests: Iterable[str]) -> None:
    """Invite whoever is not there yet; those whom Slack does not know keep nobody else out.

    Raises DeliveryFailed.
    """
    known = [guest for guest in dict.fromkeys(guests) if _GUEST.fullmatch(guest)][:GUEST_LIMIT]
    if known:
        arguments = {"channel": channel, "users": ",".join(known), "force": True}
        calls.write("conversations.invite", arguments, ASIDE)


def _is_of(topic: str, incident: str) -> bool:
    return topic.startswith(f"{incident} ")


def _comparable(topic: str) -> str:
    return " ".join(_SHOWN_OTHERWISE.sub("", unescape(topic)).split())


def _topic_of(channel: object) -> str:
    topic = channel.get("topic") if isinstance(channel, dict) else None
    value = topic.get("value") if isinstance(topic, dict) else None
    return value if isinstance(value, str) else ""


def _id_of(channel: object) -> str | None:
    found = channel.get("id") if isinstance(channel, dict) else None
    return found if isinstance(found, str) and _CHANNEL.fullmatch(found) else None


def _list_of(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
