"""The same message acts once, and on one incident: providers repeat what they tell for a day, and what one
has signed stays signed. What was made of a message is on record before it acts."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from shared.domain.answering import Action, Medium
from shared.domain.errors import Conflict, NotFound, StoreUnavailable
from shared.domain.heard import STILL_MEANT, Taken
from shared.domain.incident import Incident
from shared.ports import IncidentStore

log = logging.getLogger(__name__)

NOTHING = "That message was taken before, and changed nothing."


class Replies(Protocol):
    """What was made of each message that somebody sent, for good. May raise StoreUnavailable."""

    def taken(self, plan: str, key: str) -> Taken | None:
        """What was made of a message; None where it never came."""

    def take(self, plan: str, key: str, taken: Taken) -> None:
        """Bind a message to what it is about. Raises Conflict where it was bound before."""

    def settle(self, plan: str, key: str, taken: Taken) -> None:
        """Note what came of it."""


@dataclass(frozen=True)
class Sent:
    """A message of somebody, or a key that was pressed."""

    plan: str
    key: str
    """What tells it from every other (`message_key`)."""
    by: Medium
    names: frozenset[str]
    """The contacts that it may be from."""
    action: Action


@dataclass(frozen=True)
class Done:
    """What came of it."""

    sentence: str
    changed: bool = False
    again: bool = False
    """Whether to try again is worth it: nothing could be recorded."""
    repeated: bool = False
    """Whether the message was through before."""


@dataclass
class ActOnce:
    """Between what was heard and the incident that it is about."""

    store: IncidentStore
    replies: Replies
    standing: Callable[[Incident, datetime], str]
    """Who has an incident, in one sentence."""

    def act(
        self,
        sent: Sent,
        choose: Callable[[], tuple[Incident | None, str]],
        act: Callable[[Incident], Done],
        now: datetime,
    ) -> Done:
        """``choose`` the incident, or a sentence why there is none, and ``act`` on it.

        Neither is done again for a message that was through. One that was cut off, or could not be recorded,
        is carried out on the incident chosen then, for `STILL_MEANT`. Raises StoreUnavailable.
        """
        taken = self.replies.taken(sent.plan, sent.key)
        if taken is None:
            incident, sentence = choose()
            mine = Taken(incident.id if incident else None, now, "begun" if incident else "unchanged")
            taken = self._take(sent, mine)
            if taken is None:
                return self._do(sent, mine, incident, act) if incident else Done(sentence)
        return self._repeated(sent, taken, act, now)

    def _take(self, sent: Sent, mine: Taken) -> Taken | None:
        """None where the message is bound now; otherwise what somebody else has made of it just before."""
        try:
            self.replies.take(sent.plan, sent.key, mine)
        except Conflict:
            before = self.replies.taken(sent.plan, sent.key)
            if before is None:
                raise StoreUnavailable("what was made of the message cannot be read") from None
            return before
        return None

    def _do(self, sent: Sent, taken: Taken, incident: Incident, act: Callable[[Incident], Done]) -> Done:
        done = act(incident)
        if done.again:
            return done
        try:
            self.replies.settle(
                sent.plan, sent.key, replace(taken, outcome="changed" if done.changed else "unchanged")
            )
        except StoreUnavailable as error:
            log.warning("what came of a message about %s is not on record: %s", incident.id, error)
        return done

    def _repeated(self, sent: Sent, taken: Taken, act: Callable[[Incident], Done], now: datetime) -> Done:
        if taken.incident is None:
            return Done(NOTHING, repeated=True)
        try:
            incident = self.store.load(taken.incident).incident
        except NotFound:
            return Done(NOTHING, repeated=True)
        changed = taken.outcome == "changed"
        if taken.outcome == "begun":
            changed = self._acted(sent, taken)
            if not changed and now - taken.at <= STILL_MEANT:
                return self._do(sent, taken, incident, act)
        if changed:
            did = "acknowledged" if sent.action == "acknowledge" else "resolved"
            said = f"You {did} {incident.id} already, by that very message."
        else:
            said = f"That message about {incident.id} was taken before, and changed nothing."
        return Done(f"{said} {self.standing(incident, now)}", repeated=True)

    def _acted(self, sent: Sent, taken: Taken) -> bool:
        """Whether the command is on the timeline, though its outcome is not on record."""
        return any(
            event.type == "acted-on"
            and event.recorded_at >= taken.at
            and event.data["contact"] in sent.names
            and (event.data["by"], event.data["command"]) == (sent.by, sent.action)
            for event in self.store.events(taken.incident or "")
        )
