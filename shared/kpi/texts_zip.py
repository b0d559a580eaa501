"""`texts.zip`: the free texts and names that a bundle leaves out, as far as they are still kept.

Two members, stored: ``texts.jsonl`` has ``{subject, seq, salt, text}`` in the order of the events that name
them, ``people.jsonl`` has ``{person, name}`` by pseudonym. It is made when somebody asks, and kept nowhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shared.domain.timeline import Text
from shared.kpi.bundle import Spool, zipped

NAME = "texts.zip"
TEXTS, PEOPLE = "texts.jsonl", "people.jsonl"
_PERSON = "person:"


@dataclass
class Named:
    """What one subject's events name that is not in the bundle; and everybody whom any event named so far."""

    people: set[str] = field(default_factory=set)

    def texts(self, timeline: Iterable[bytes]) -> Iterator[tuple[str, list[int]]]:
        """Each subject with the numbers of its events that name a text, from the lines of a timeline file."""
        subject, numbers = "", list[int]()
        for line in timeline:
            event: dict[str, Any] = json.loads(line)
            if event["subject"] != subject:
                if numbers:
                    yield subject, numbers
                subject, numbers = event["subject"], []
            if event["data"].get("text_sha256") is not None:
                numbers.append(event["seq"])
            if event["actor"].startswith(_PERSON):
                self.people.add(event["actor"].removeprefix(_PERSON))
        if numbers:
            yield subject, numbers


class TextsZip:
    """The two members on disk, written line by line."""

    def __init__(self, folder: Path) -> None:
        self._texts, self._people = Spool(folder, TEXTS), Spool(folder, PEOPLE)

    def text(self, subject: str, seq: int, text: Text) -> None:
        """One text beside its event."""
        self._texts.write(_line({"subject": subject, "seq": seq, "salt": text.salt, "text": text.body}))

    def person(self, person: str, name: str) -> None:
        """Who that pseudonym is."""
        self._people.write(_line({"person": person, "name": name}))

    def pieces(self) -> Iterator[bytes]:
        """The zip; nothing may be added any more."""
        self._texts.close()
        self._people.close()
        return zipped([self._texts, self._people])

    def close(self) -> None:
        """Let go of the files."""
        self._texts.close()
        self._people.close()


def _line(value: dict[str, Any]) -> bytes:
    """One line; what UTF-8 cannot write (half of a pair of surrogates) is escaped."""
    try:
        return (json.dumps(value, ensure_ascii=False) + "\n").encode("utf-8")
    except UnicodeEncodeError:
        return (json.dumps(value) + "\n").encode("ascii")
