"""Chats call: verified, answered within the seconds that they wait, and after that as far as they let us."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from shared.domain.chat_call import Answer, Call, Closed, Closing, Press
from shared.domain.errors import DeliveryFailed, SecretUnavailable, StoreUnavailable
from shared.workflows.answer_from_chat import AnswerFromChat
from shared.workflows.answer_in_time import AnswerInTime
from shared.workflows.run_chat_command import NOT_STORED, RunChatCommand

log = logging.getLogger(__name__)

WORKING = Answer("Working on it…")
STILL_WORKING = Answer(
    "Still working on it.",
    ("No later answer can come here. Before you send it again, see with “incident list” if it was done.",),
)
BROKEN = Answer(
    "That failed on our side.", ("Tocsin's log says why. Look whether it was done all the same.",)
)
Json = dict[str, Any]


class SlackRequests(Protocol):
    """What Slack sends. Both raise Unauthenticated, SecretUnavailable, InvalidInput, TooLarge."""

    def command(self, headers: Mapping[str, str], body: bytes, salt: str, now: datetime) -> Call | None:
        """A slash command; None where Slack only tries whether we are there."""

    def action(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Press | Closing | None:
        """A button or a form; None where nothing is to be done."""


class SlackViews(Protocol):
    """What Slack shows."""

    def shown(self, answer: Answer) -> Json:
        """An answer to a command or a button."""

    def closed(self, closed: Closed) -> Json:
        """The answer to a form."""

    def waiting(self) -> Json:
        """The answer to a form whose outcome comes later."""

    def settle(self, view: str, closed: Closed, bot_secret: str, now: datetime) -> None:
        """Show the outcome in a form that waits. Raises DeliveryFailed, SecretUnavailable."""


class LaterReplies(Protocol):
    """Where Slack takes an answer after the call."""

    def send(self, reply_to: str, payload: Json, now: datetime) -> None:
        """Raises DeliveryFailed."""


class TeamsRequests(Protocol):
    """What Teams sends."""

    def message(self, headers: Mapping[str, str], body: bytes, salt: str, now: datetime) -> Call:
        """A message to Tocsin. Raises Unauthenticated, SecretUnavailable, InvalidInput, TooLarge."""


class TeamsViews(Protocol):
    """What Teams shows."""

    def shown(self, answer: Answer) -> Json:
        """An answer."""


@dataclass
class SlackChat:
    """The workflow behind ``/api/v1/chat/slack`` and ``/api/v1/chat/slack/actions``."""

    requests: SlackRequests
    views: SlackViews
    later: LaterReplies
    commands: RunChatCommand
    answers: AnswerFromChat
    in_time: AnswerInTime

    def command(self, headers: Mapping[str, str], body: bytes, salt: str, now: datetime) -> Json:
        """What Slack shows at once. Raises Unauthenticated, SecretUnavailable, InvalidInput, TooLarge."""
        begun = self.in_time.begun()
        try:
            call = self.requests.command(headers, body, salt, now)
        except StoreUnavailable:
            return self.views.shown(NOT_STORED)
        if call is None:
            return {}
        answer = self.in_time.result(
            begun,
            lambda: self.commands.run(call, now),
            lambda answer: self._send(call.reply_to, answer, now),
            lambda: BROKEN,
        )
        return self.views.shown(answer or WORKING)

    def action(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Json:
        """What Slack does with the form, or nothing. Raises as `command`, and StoreUnavailable."""
        begun = self.in_time.begun()
        event = self.requests.action(headers, body, now)
        if isinstance(event, Press):
            self.in_time.settled(
                begun,
                lambda: self.answers.press(event, now),
                lambda answer: self._send(event.reply_to, answer, now),
                lambda: BROKEN,
            )
        if not isinstance(event, Closing):
            return {}
        closed = self.in_time.result(
            begun,
            lambda: self.answers.close(event, now),
            lambda closed: self._settle(event, closed, now),
            lambda: Closed(BROKEN.title),
        )
        return self.views.waiting() if closed is None else self.views.closed(closed)

    def _send(self, reply_to: str, answer: Answer | None, now: datetime) -> None:
        if answer is None:
            return
        try:
            self.later.send(reply_to, self.views.shown(answer), now)
        except DeliveryFailed as failure:
            log.warning("a late answer to chat was lost: %s", failure)

    def _settle(self, closing: Closing, closed: Closed, now: datetime) -> None:
        secrets = [plan.chat.slack_bot_secret for plan in closing.caller.plans]
        for secret in filter(None, dict.fromkeys(secrets)):
            try:
                self.views.settle(closing.view, closed, secret, now)
            except (DeliveryFailed, SecretUnavailable) as failure:
                log.warning("the outcome of a form was not shown: %s", failure)
            else:
                return


@dataclass
class TeamsChat:
    """The workflow behind ``/api/v1/chat/teams``."""

    requests: TeamsRequests
    views: TeamsViews
    commands: RunChatCommand
    in_time: AnswerInTime

    def message(self, headers: Mapping[str, str], body: bytes, salt: str, now: datetime) -> Json:
        """What Teams shows. Raises Unauthenticated, SecretUnavailable, InvalidInput, TooLarge."""
        begun = self.in_time.begun()
        try:
            call = self.requests.message(headers, body, salt, now)
        except StoreUnavailable:
            return self.views.shown(NOT_STORED)
        answer = self.in_time.result(
            begun, lambda: self.commands.run(call, now), lambda _: None, lambda: BROKEN
        )
        return self.views.shown(answer or STILL_WORKING)
