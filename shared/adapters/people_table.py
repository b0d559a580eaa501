"""Table `People`: who stands behind the pseudonyms; erasing the two rows of a person erases the person."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from functools import lru_cache

from azure.data.tables import TableClient

from shared.adapters.entity_groups import create, point, put, submit
from shared.domain.errors import Conflict
from shared.ports import Secrets


class PeopleTable:
    """`ports.People` on Azure Table Storage: one row by HMAC of the identity, one by pseudonym."""

    def __init__(self, table: TableClient, secrets: Secrets, key_name: str) -> None:
        self.table = table
        self.secrets = secrets
        self.key_name = key_name
        self._known = lru_cache(maxsize=1024)(self._find_or_make)

    def pseudonym(self, identity: str, name: str) -> str:
        """Found by the HMAC of the identity, or drawn at random and kept with the name."""
        return self._known(identity, name)

    def name(self, pseudonym: str) -> str | None:
        """The name as it was first given."""
        row = point(self.table, pseudonym, "name")
        return None if row is None else str(row["name"])

    def _find_or_make(self, identity: str, name: str) -> str:
        key = self.secrets.get(self.key_name).encode("utf-8")
        digest = hmac.new(key, identity.encode("utf-8"), hashlib.sha256).hexdigest()
        row = point(self.table, digest, "pseudonym")
        if row is not None:
            return str(row["pseudonym"])
        pseudonym = secrets.token_hex(8)
        submit(self.table, [put({"PartitionKey": pseudonym, "RowKey": "name", "name": name})])
        found = {"PartitionKey": digest, "RowKey": "pseudonym", "pseudonym": pseudonym}
        try:
            submit(self.table, [create(found)])
        except Conflict:
            kept = point(self.table, digest, "pseudonym")
            if kept is None or kept["pseudonym"] != pseudonym:  # else our own write, whose answer got lost
                self.table.delete_entity(pseudonym, "name")
                return self._find_or_make(identity, name)
        return pseudonym
