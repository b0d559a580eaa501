"""Whoever has an incident is looked up once for all the messages of a round."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from shared.domain.errors import StoreUnavailable
from shared.domain.incident import Incident
from shared.workflows.prepare_message import Holder
from tests.builders import NOON


@dataclass
class Names:
    """People of whom one has a name; storage is down for so many questions."""

    down: int = 0
    asked: list[str] = field(default_factory=list)

    def name(self, pseudonym: str) -> str | None:
        self.asked.append(pseudonym)
        if len(self.asked) <= self.down:
            raise StoreUnavailable("storage did not answer")
        return "Ana" if pseudonym == "a1" else None

    def pseudonym(self, identity: str, name: str) -> str:
        raise NotImplementedError

    def digest(self, text: str) -> str:
        raise NotImplementedError


OPEN = Incident("A" * 8, 1, "acme", None, "g", "n", "api", "P1", "r", NOON)
TAKEN = replace(OPEN, status="acknowledged", acknowledged_by="person:a1")


def test_a_round_asks_for_the_name_once() -> None:
    holder, people = Holder(), Names()
    assert [holder.name(TAKEN, people) for _ in range(3)] == ["Ana"] * 3
    assert people.asked == ["a1"]


def test_a_name_that_is_gone_is_asked_for_once_too() -> None:
    holder, people = Holder(), Names()
    erased = replace(TAKEN, acknowledged_by="person:b2")
    assert [holder.name(erased, people) for _ in range(2)] == ["", ""]
    assert people.asked == ["b2"]


def test_a_name_that_could_not_be_read_is_left_out_of_the_whole_round() -> None:
    holder, people = Holder(), Names(down=1)
    assert [holder.name(TAKEN, people) for _ in range(3)] == [""] * 3
    assert people.asked == ["a1"]


def test_nobody_is_asked_for_where_nobody_has_it() -> None:
    people = Names()
    assert Holder().name(OPEN, people) == ""
    assert Holder().name(replace(TAKEN, acknowledged_by=None), people) == ""
    assert people.asked == []
