"""Finding and erasing people in table `People`, and the erasures that are under way there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from azure.core import MatchConditions

from shared.adapters.entity_groups import point, put, replace, span, submit, tag_of, translated
from shared.adapters.people_table import PeopleTable
from shared.adapters.table_wire import WiredTable
from shared.domain.errors import NotFound
from shared.domain.personal import Erasure, Person
from shared.domain.timeline import parse_stamp, stamp

ERASING = "erasing"
_PSEUDONYM = re.compile(r"[0-9a-f]{16}")


class PeopleRecords:
    """`workflows.erase_person.Records`, beside `PeopleTable`."""

    def __init__(self, table: WiredTable, people: PeopleTable) -> None:
        self.table = table
        self.people = people

    def digest(self, identity: str) -> str:
        """The keyed hash by which an identity is found. Raises SecretUnavailable."""
        return self.people.digest(identity)

    def by_digest(self, digest: str) -> Person | None:
        """Whoever has that identity."""
        row = point(self.table, digest, "pseudonym")
        pseudonym = str(row["pseudonym"]) if row is not None else next(self.people.names_of(digest), "")
        return Person(pseudonym, digest, self.people.name(pseudonym)) if pseudonym else None

    def by_pseudonym(self, pseudonym: str) -> Person | None:
        """Whoever is known by it; reads the whole table where the name does not say whose it is."""
        if not _PSEUDONYM.fullmatch(pseudonym):
            return None
        row = point(self.table, pseudonym, "name")
        digest = str(row.get("digest", "")) if row is not None else ""
        digest = digest or next(self._digests(pseudonym), "")
        if row is None and not digest:
            return None
        return Person(pseudonym, digest, self.people.name_in(row) if row is not None else None)

    def whole_name(self, person: Person) -> str | None:
        """See `workflows.erase_person.Records`."""
        row = point(self.table, person.pseudonym, "name")
        return None if row is None else self.people.whole_name_in(row)

    def erase(self, person: str, digest: str) -> None:
        """Delete both rows, as far as they are there and still this person's; again as often as needed.

        With them goes every name that was left behind for that identity.
        """
        row = point(self.table, digest, "pseudonym") if digest else None
        anew = str(row["pseudonym"]) if row is not None and row["pseudonym"] != person else ""
        if row is not None and not anew:
            try:
                with translated(missing=NotFound):
                    self.table.delete_entity(
                        digest, "pseudonym", etag=tag_of(row), match_condition=MatchConditions.IfNotModified
                    )
            except NotFound:
                pass
        left_behind = set(self.people.names_of(digest)) if digest else set[str]()
        for pseudonym in sorted({person, *left_behind} - {anew}):
            if _PSEUDONYM.fullmatch(pseudonym):
                self._drop_name(pseudonym)

    def erasures(self) -> list[tuple[Erasure, str]]:
        """Those under way, each with its row's tag."""
        return [(_erasure(row), tag_of(row)) for row in span(self.table, ERASING, "", "~")]

    def begin(self, erasure: Erasure) -> str:
        """Keep an erasure before anything of it is done; its row's tag."""
        return submit(self.table, [put(_row(erasure))])[0]

    def keep(self, erasure: Erasure, tag: str) -> str:
        """Keep how far it is. Raises Conflict where another call drives it."""
        return submit(self.table, [replace(_row(erasure), tag)])[0]

    def done(self, erasure: Erasure) -> None:
        """All of it is done and on record."""
        try:
            with translated(missing=NotFound):
                self.table.delete_entity(ERASING, erasure.person)
        except NotFound:
            pass

    def _drop_name(self, pseudonym: str) -> None:
        try:
            with translated(missing=NotFound):
                self.table.delete_entity(pseudonym, "name")
        except NotFound:
            pass

    def _digests(self, pseudonym: str) -> Iterator[str]:
        wanted = "RowKey eq 'pseudonym' and pseudonym eq @pseudonym"
        with translated():
            for row in self.table.query_entities(wanted, parameters={"pseudonym": pseudonym}):
                yield str(row["PartitionKey"])


def _row(erasure: Erasure) -> dict[str, Any]:
    return {
        "PartitionKey": ERASING,
        "RowKey": erasure.person,
        "digest": erasure.digest,
        "by": erasure.by,
        "asked_at": stamp(erasure.asked_at),
        "texts": erasure.texts,
        "found": json.dumps(dict(erasure.found)),
        "seen": erasure.seen,
        "cursor": erasure.cursor or "",
        "searched": erasure.searched,
        "noted": json.dumps(list(erasure.noted)),
    }


def _erasure(row: Any) -> Erasure:  # noqa: ANN401  (TableEntity)
    return Erasure(
        row["RowKey"],
        row["digest"],
        row["by"],
        parse_stamp(row["asked_at"]),
        bool(row["texts"]),
        json.loads(row["found"]),
        int(row["seen"]),
        row["cursor"] or None,
        bool(row["searched"]),
        tuple(json.loads(row["noted"])),
    )
