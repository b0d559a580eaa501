"""Table `People`: who stands behind the pseudonyms; erasing the two rows of a person erases the person."""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
from collections.abc import Iterator
from typing import Any

from shared.adapters.entity_groups import create, point, put, replace, submit, tag_of, translated
from shared.adapters.sealing import Sealing, Unopenable
from shared.adapters.table_wire import WiredTable
from shared.domain.errors import Conflict, NotFound, SecretUnavailable, StoreUnavailable
from shared.domain.personal import SOMEBODY
from shared.ports import Secrets

_log = logging.getLogger(__name__)


class PeopleTable:
    """`ports.People` on Azure Table Storage: one row by HMAC of the identity, one by pseudonym.

    Nothing is remembered in memory: an instance that went on using the pseudonym of somebody who was erased
    by way of another would write texts that their erasure has already passed.
    """

    def __init__(
        self, table: WiredTable, secrets: Secrets, key_name: str, sealing: Sealing | None = None
    ) -> None:
        """Without ``sealing`` names are stored as they are."""
        self.table = table
        self.secrets = secrets
        self.key_name = key_name
        self.sealing = sealing

    def pseudonym(self, identity: str, name: str) -> str:
        """Found by the HMAC of the identity, or drawn at random and kept with the name.

        Where the name cannot be sealed just now it is left out until the next time: whoever acts is not kept
        from acting. Raises StoreUnavailable, SecretUnavailable.
        """
        return self._find_or_make(self.digest(identity), name)

    def name(self, pseudonym: str) -> str | None:
        """The name as it was first given; `SOMEBODY` where it is kept but cannot be read just now."""
        row = point(self.table, pseudonym, "name")
        return None if row is None else self.name_in(row)

    def name_in(self, row: Any) -> str:  # noqa: ANN401  (TableEntity)
        """The name in a row of ours; `SOMEBODY` where it cannot be read just now."""
        try:
            return self.whole_name_in(row)
        except (SecretUnavailable, StoreUnavailable) as fault:
            _log.warning("the name of %s cannot be read: %s", row["PartitionKey"], fault)
            return SOMEBODY

    def whole_name_in(self, row: Any) -> str:  # noqa: ANN401  (TableEntity)
        """As `name_in`, but `SOMEBODY` only where none was kept yet, or it never opens again.

        Raises SecretUnavailable, StoreUnavailable.
        """
        if "sealed" not in row:
            return str(row.get("name", SOMEBODY))
        if self.sealing is None:
            raise SecretUnavailable("names are sealed here, and there is no key to open them")
        try:
            return self.sealing.open(row["sealed"], _place(row["PartitionKey"]))
        except (NotFound, Unopenable) as fault:
            _log.error("the name of %s does not open: %s", row["PartitionKey"], fault)
            return SOMEBODY

    def digest(self, text: str) -> str:
        """See `ports.People`; by that of an identity its pseudonym is found."""
        key = self.secrets.get(self.key_name).encode("utf-8")
        return hmac.new(key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()

    def names_of(self, digest: str) -> Iterator[str]:
        """Pseudonyms with a name row for that identity; reads the whole table.

        More than one where somebody was cut off while making theirs: the name comes before the identity.
        """
        wanted = "RowKey eq 'name' and digest eq @digest"
        with translated():
            for row in self.table.query_entities(wanted, parameters={"digest": digest}):
                yield str(row["PartitionKey"])

    def _find_or_make(self, digest: str, name: str) -> str:
        row = point(self.table, digest, "pseudonym")
        if row is not None:
            if not row.get("named", True):
                self._name_at_last(row, name)
            return str(row["pseudonym"])
        pseudonym = secrets.token_hex(8)
        named = self._named(pseudonym, digest, name)
        submit(self.table, [put(named)])
        has_name = "sealed" in named or "name" in named
        found = {"PartitionKey": digest, "RowKey": "pseudonym", "pseudonym": pseudonym, "named": has_name}
        try:
            submit(self.table, [create(found)])
        except Conflict:
            kept = point(self.table, digest, "pseudonym")
            if kept is None or kept["pseudonym"] != pseudonym:  # else our own write, whose answer got lost
                with translated():
                    self.table.delete_entity(pseudonym, "name")
                return self._find_or_make(digest, name)
        if point(self.table, pseudonym, "name") is None:  # an erasure took it for a name left behind
            submit(self.table, [put(named)])
        return pseudonym

    def _named(self, pseudonym: str, digest: str, name: str) -> dict[str, Any]:
        row = {"PartitionKey": pseudonym, "RowKey": "name", "digest": digest}
        if self.sealing is None:
            return row | {"name": name}
        try:
            return row | {"sealed": self.sealing.seal(name, _place(pseudonym))}
        except (SecretUnavailable, StoreUnavailable) as fault:
            _log.warning("the name of %s is not kept yet: %s", pseudonym, fault)
            return row

    def _name_at_last(self, found: Any, name: str) -> None:  # noqa: ANN401  (TableEntity)
        """Under the rows' own tags: somebody who was erased meanwhile is not written again."""
        pseudonym = str(found["pseudonym"])
        named = self._named(pseudonym, str(found["PartitionKey"]), name)
        nameless = point(self.table, pseudonym, "name")
        if nameless is None or not {"sealed", "name"} & set(named):
            return
        try:
            submit(self.table, [replace(named, tag_of(nameless))])
            submit(self.table, [replace({**found, "named": True}, tag_of(found))])
        except (Conflict, StoreUnavailable) as fault:
            _log.warning("the name of %s is not kept yet: %s", pseudonym, fault)


def _place(pseudonym: str) -> str:
    return f"People\n{pseudonym}\nname"
