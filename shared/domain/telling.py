"""A telling: one notification owed to one contact, and which one counts where a change owes several."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from shared.domain.delivery import MOOT, PAGES, Kind
from shared.domain.matrix import Audience
from shared.domain.timeline import Event

Lane = Literal["call", "word"]
JOINED_TO_THE_END = {("resolved", "review"), ("resolved", "alarm")}
"""What is said in one message with the resolution, although it ranks below it."""
HEAR_THE_END = PAGES | {"inform"}
"""Kinds of notification whose recipients hear of the resolution."""


@dataclass(frozen=True)
class Telling:
    """One notification owed to one contact."""

    kind: Kind
    reason: str
    cause: Event
    template: str | None = None
    audience: Audience = "internal"
    words_of: int | None = None
    """Sequence number of the event whose words it is about."""
    earlier_words: tuple[int, ...] = ()
    """The same of what was held back before it."""
    rung: tuple[int, int] | None = None
    """Round and step of the escalation that asks."""
    tried: tuple[str, ...] = ()
    """Names of the contact's ways that were tried for it already."""

    @property
    def rank(self) -> int:
        """What ranks lower never takes the place of what ranks higher."""
        if self.kind in PAGES or self.kind == "resolved":
            return 3
        return 2 if self.kind == "alarm" else 0 if self.kind in ("reminder", "role", "still-open") else 1

    @property
    def lane(self) -> Lane:
        """A contact hears at most one call and one word of a change."""
        return "call" if self.rank > 1 else "word"

    def over(self, before: Telling | None) -> Telling:
        """What is owed where ``before`` was in its lane: the weightier; of two pages the later; else both."""
        if before is None or self.reason in before.reason.split("; "):
            return before or self
        if "inform" in (before.kind, self.kind) and before.kind != self.kind and self.lane == before.lane:
            return before if self.kind == "inform" else self
        if self.kind == before.kind == "action-item" and self.chases and before.chases:
            return self
        if self.rank == 3 == before.rank:
            return replace(self, rung=self.rung or before.rung)
        if self.rank == 3 > before.rank and self.kind != "resolved":
            return self
        if before.rank == 3 and (before.kind, self.kind) not in JOINED_TO_THE_END:
            return before
        first = self if self.rank > before.rank else before
        second = before if first is self else self
        return replace(
            first, reason=f"{first.reason}; {second.reason}", words_of=first.words_of or second.words_of
        )

    def followed_by(self, fresh: Telling) -> Telling:
        """Both, where this has waited for the end of the window and another of its kind comes."""
        known = self.reason.split("; ")
        said = (*self.earlier_words, self.words_of, *fresh.earlier_words, fresh.words_of)
        words = tuple(dict.fromkeys(each for each in said if each is not None))
        return replace(
            self,
            reason=self.reason if fresh.reason in known else f"{self.reason}; {fresh.reason}",
            template=fresh.template,
            rung=fresh.rung or self.rung,
            words_of=words[-1] if words else None,
            earlier_words=words[:-1],
        )

    @property
    def chases(self) -> bool:
        """Whether it names everything of its kind that is overdue, and so may take an earlier one's place."""
        return "overdue" in self.reason and "; " not in self.reason

    def says_nothing_beside(self, call: Telling) -> bool:
        """Whether it need not be said to somebody who is called in the same change."""
        if self.kind == "inform":
            return call.kind != "alarm"
        return call.kind == "resolved" and self.kind in MOOT
