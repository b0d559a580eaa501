"""The buttons of a notification in a chat: whoever presses acts as who they are, whomever it was sent to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from shared.domain.answering import Grant, Through
from shared.domain.chat_call import Answer, Closed, Closing, Form, Known, Press, known_as, stranger
from shared.domain.errors import (
    DeliveryFailed,
    InvalidInput,
    NotFound,
    SecretUnavailable,
    TocsinError,
    Unauthenticated,
)
from shared.domain.incident import Incident
from shared.workflows.answer_notification import AnswerNotification
from shared.workflows.run_chat_command import in_words

OUTDATED = Answer(
    "This button does not work any more.",
    ("Say it as a command instead: “incident ack <id>”, “incident resolve <id>”.",),
)
_FIELDS = {"code": "code", "resolution": "words"}


class Forms(Protocol):
    """How a chat asks for more than a press of a button."""

    def open(self, form: Form, trigger: str, bot_secret: str, now: datetime) -> None:
        """Show the form to whoever pressed. Raises DeliveryFailed, SecretUnavailable."""


@dataclass
class AnswerFromChat:
    """The workflow behind the chats' buttons and forms."""

    answering: AnswerNotification
    forms: Forms
    public_url: str

    def press(self, press: Press, now: datetime) -> Answer | None:
        """What is said to whoever pressed; None where a form has opened."""
        known = known_as(press.caller)
        if not known:
            return stranger(press.caller)
        try:
            grant = self.answering.granted(press.token, now)
            incident, who = self._found(grant, known)
            if press.action == "resolve":
                return self._resolve(press, grant, incident, who, now)
            done = self.answering.act(
                incident.id, "acknowledge", who.principal, _through(press.caller.medium, who, grant), now
            )
        except Unauthenticated:
            return OUTDATED
        except TocsinError as error:
            return in_words(error)
        return Answer(done.sentence)

    def close(self, closing: Closing, now: datetime) -> Closed:
        """What came of a form that was sent."""
        known = known_as(closing.caller)
        if not known:
            return _unclosed(stranger(closing.caller))
        try:
            grant = self.answering.granted(closing.token, now)
            incident, who = self._found(grant, known)
            through = _through(closing.caller.medium, who, grant)
            done = self.answering.act(
                incident.id,
                "resolve",
                who.principal,
                through,
                now,
                resolution=closing.words or None,
                code=closing.code,
            )
        except Unauthenticated:
            return _unclosed(OUTDATED)
        except InvalidInput as error:
            faults = {_FIELDS.get(fault.where, "words"): fault.why for fault in reversed(error.faults)}
            return Closed(str(error), faults=faults)
        except TocsinError as error:
            return _unclosed(in_words(error))
        return Closed(done.sentence, done=done.changed)

    def _resolve(
        self, press: Press, grant: Grant, incident: Incident, who: Known, now: datetime
    ) -> Answer | None:
        who.principal.require("Responder")
        needs = self.answering.needs(incident)
        if needs.items and not incident.over:
            return Answer("Required items of its checklists are open.", ("\n".join(needs.items),))
        secret = who.plan.chat.slack_bot_secret
        if incident.over or (secret is None and needs.nothing):
            through = _through(press.caller.medium, who, grant)
            return Answer(self.answering.act(incident.id, "resolve", who.principal, through, now).sentence)
        form = Form(incident.id, incident.title or incident.name, press.token, tuple(needs.codes.items()))
        if secret is not None and self._opened(form, press.trigger, secret, now):
            return None
        return self._by_page(press, grant, who)

    def _opened(self, form: Form, trigger: str, secret: str, now: datetime) -> bool:
        try:
            self.forms.open(form, trigger, secret, now)
        except (DeliveryFailed, SecretUnavailable):
            return False
        return True

    def _by_page(self, press: Press, grant: Grant, who: Known) -> Answer:
        """The link page instead, but only to whom the notification was sent: it acts in their name."""
        said = f'Say: incident resolve {grant.incident} "what was done" code=…'
        mine = bool(self.public_url) and grant.contact == who.contact.name
        page = f"{self.public_url.rstrip('/')}/a/{press.token}"
        return Answer(
            "Resolving this takes more than a button.", (said,), (("Resolve", page),) if mine else ()
        )

    def _found(self, grant: Grant, known: Sequence[Known]) -> tuple[Incident, Known]:
        incident = self.answering.store.load(grant.incident).incident
        for each in known:
            if each.plan.name == incident.plan:
                return incident, each
        raise NotFound(f"there is no incident {grant.incident}")


def _through(medium: str, who: Known, grant: Grant) -> Through:
    return Through("teams" if medium == "teams" else "slack", who.contact.name, grant.delivery)


def _unclosed(answer: Answer) -> Closed:
    return Closed(" ".join((answer.title, *answer.texts)))
