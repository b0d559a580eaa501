"""The Slack workspace of the play, behind an `HttpReceiver`: rooms, messages, topics and what it refuses."""

from __future__ import annotations

import json
import re
import threading
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from shared.adapters.channels.slack_app import SlackAppChannel
from shared.domain.delivery import Answering, Message
from shared.domain.plan import Channel as ChannelSpec
from shared.ports import Accepted, Secrets
from tests.notifications import NOON, a_channel, a_message, secrets_of, sent
from tests.receivers import HttpReceiver, Reply, Request

ROOM, FIRST = "C0OPS", "C0OPS:1763726400.000000"
TOKEN = "eyJ.signed-token"
ANSWERING = Answering(TOKEN, f"https://tocsin.example.com/a/{TOKEN}", "https://tocsin.example.com/provider")
GOOD = "xoxb-good"
"""The bot token."""
READS = {"conversations.list", "conversations.info", "conversations.history"}
"""Methods that take a form and no JSON."""
BOT = "U0TOCSIN"
"""Who the bot is there."""


@dataclass
class PlayedRoom:
    """A channel of the workspace."""

    id: str
    name: str
    created: int
    private: bool = False
    topic: str = ""
    member: bool = True
    archived: bool = False
    creator: str = BOT
    guests: list[str] = field(default_factory=list)

    def shown(self) -> dict[str, Any]:
        """As the API describes it."""
        return {
            "id": self.id,
            "name": self.name,
            "created": self.created,
            "creator": self.creator,
            "is_private": self.private,
            "is_member": self.member,
            "topic": {"value": self.topic},
        }


class PlayedSlack:
    """Answers as the Web API does; ``no[method]`` are the refusals or replies that come first."""

    def __init__(self, token: str = GOOD) -> None:
        self.token, self.now = token, int(NOON.timestamp())
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.no: dict[str, list[str | Reply]] = defaultdict(list)
        self.rooms: dict[str, PlayedRoom] = {}
        self.messages: dict[str, dict[str, Any]] = {}
        self.page = 2
        self.rotation: tuple[int, str] | None = None
        """After so many messages the token is another one."""
        self._made = self._posted = 0
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> Reply:
        """One call."""
        with self._lock:
            return self._answered(request)

    def _answered(self, request: Request) -> Reply:
        method = request.path.rpartition("/")[2]
        wants_form = method in READS
        form = request.headers["content-type"].startswith("application/x-www-form-urlencoded")
        assert request.method == "POST"
        assert form is wants_form, f"{method} takes {'a form' if wants_form else 'JSON'}"
        said = dict(parse_qsl(request.body.decode())) if form else request.json()
        self.calls.append((method, said))
        if self.rotation is not None and len(self.messages) >= self.rotation[0]:
            self.token = self.rotation[1]
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return _answer({"ok": False, "error": "invalid_auth"})
        if self.no[method]:
            refusal = self.no[method].pop(0)
            return refusal if isinstance(refusal, Reply) else _answer({"ok": False, "error": refusal})
        return _answer(getattr(self, "_" + method.replace(".", "_"))(said))

    def methods(self) -> list[str]:
        """What was called, in order."""
        return [method for method, _ in self.calls]

    def said(self, method: str) -> dict[str, Any]:
        """The arguments of the only call of a method."""
        (found,) = [said for called, said in self.calls if called == method]
        return found

    def room(self, name: str, **more: Any) -> PlayedRoom:  # noqa: ANN401  (fields of PlayedRoom)
        """A room that is there already."""
        self._made += 1
        made = PlayedRoom(f"C{self._made:08}", name, **({"created": self.now} | more))
        self.rooms[made.id] = made
        return made

    def _no_room(self, channel: str) -> dict[str, Any] | None:
        """Why nothing can be done in a room of the play; in other channels everything can."""
        room = self.rooms.get(channel)
        if room is None:
            gone = re.fullmatch("C[0-9]{8}", channel)
            return {"ok": False, "error": "channel_not_found"} if gone else None
        if room.archived:
            return {"ok": False, "error": "is_archived"}
        return None if room.member else {"ok": False, "error": "not_in_channel"}

    def _chat_postMessage(self, said: dict[str, Any]) -> dict[str, Any]:  # noqa: N802  (Slack's name)
        if (no := self._no_room(said["channel"])) is not None:
            return no
        channel = said["channel"].replace("U", "D", 1)
        ts = f"1763726400.{max(len(self.messages), self._posted):06}"
        self._posted = max(len(self.messages), self._posted) + 1
        self.messages[f"{channel}:{ts}"] = said
        return {"ok": True, "channel": channel, "ts": ts, "message": said}

    def _chat_update(self, said: dict[str, Any]) -> dict[str, Any]:
        if (no := self._no_room(said["channel"])) is not None:
            return no
        where = f"{said['channel']}:{said['ts']}"
        if where not in self.messages:
            return {"ok": False, "error": "message_not_found"}
        self.messages[where] |= said
        return {"ok": True, "channel": said["channel"], "ts": said["ts"]}

    def _conversations_create(self, said: dict[str, Any]) -> dict[str, Any]:
        if any(each.name == said["name"] for each in self.rooms.values()):
            return {"ok": False, "error": "name_taken"}
        return {"ok": True, "channel": self.room(said["name"], private=said["is_private"]).shown()}

    def _conversations_list(self, said: dict[str, Any]) -> dict[str, Any]:
        private = said["types"] == "private_channel"
        seen = [each for each in self.rooms.values() if each.private is private and not each.archived]
        start = int(said.get("cursor", 0))
        more = start + self.page < len(seen)
        return {
            "ok": True,
            "channels": [each.shown() for each in seen[start : start + self.page]],
            "response_metadata": {"next_cursor": str(start + self.page) if more else ""},
        }

    def _conversations_info(self, said: dict[str, Any]) -> dict[str, Any]:
        return {"ok": True, "channel": self.rooms[said["channel"]].shown()}

    def _conversations_history(self, said: dict[str, Any]) -> dict[str, Any]:
        if (no := self._no_room(said["channel"])) is not None:
            return no
        found = [each for where, each in self.messages.items() if where.startswith(said["channel"] + ":")]
        joined = {"subtype": "channel_join", "text": "joined; not INC-ANOTHER-1"}
        return {"ok": True, "messages": [*found[::-1], joined], "has_more": len(found) > int(said["limit"])}

    def _auth_test(self, said: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002  (it takes none)
        return {"ok": True, "user_id": BOT}

    def _conversations_setTopic(self, said: dict[str, Any]) -> dict[str, Any]:  # noqa: N802  (Slack's name)
        self.rooms[said["channel"]].topic = said["topic"]
        return {"ok": True}

    def _conversations_invite(self, said: dict[str, Any]) -> dict[str, Any]:
        room, users = self.rooms[said["channel"]], said["users"].split(",")
        if all(user in room.guests for user in users):
            return {"ok": False, "error": "already_in_channel"}
        room.guests += [user for user in users if user not in room.guests]
        return {"ok": True}


def _answer(stated: dict[str, Any]) -> Reply:
    return Reply(200, {"Content-Type": "application/json"}, json.dumps(stated).encode())


def spec_at(receiver: HttpReceiver) -> ChannelSpec:
    """The channel ``ops``, at the play's API."""
    return a_channel("slack-app", url=receiver.url + "/api/", secret="slack-bot")


def told(
    app: SlackAppChannel,
    receiver: HttpReceiver,
    message: Message | None = None,
    to: str | None = ROOM,
    secrets: Secrets | None = None,
) -> Accepted:
    """Send by the app."""
    return sent(app, spec_at(receiver), secrets or secrets_of(slack_bot=GOOD), message, to)


def a_page(**different: Any) -> Message:  # noqa: ANN401  (fields of Message)
    """An escalation that can be answered."""
    return a_message(**({"answering": ANSWERING} | different))


def buttons_of(shown: dict[str, Any]) -> list[dict[str, Any]]:
    """The buttons of a message."""
    return [each for block in shown["blocks"] if block["type"] == "actions" for each in block["elements"]]


def labels_of(shown: dict[str, Any]) -> list[str]:
    """What stands on them."""
    return [each["text"]["text"] for each in buttons_of(shown)]


def head_of(shown: dict[str, Any]) -> str:
    """The header of a message."""
    head: str = shown["blocks"][0]["text"]["text"]
    return head
