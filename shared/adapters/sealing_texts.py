"""The rows of free texts beside events: sealed, opened again, erased."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from shared.adapters.row_texts import gathered, spread
from shared.adapters.sealing import Sealing, Unopenable
from shared.domain.errors import NotFound, SecretUnavailable, StoreUnavailable
from shared.domain.personal import DAMAGED, UNREADABLE
from shared.domain.timeline import Text, parse_stamp, stamp

Row = dict[str, Any]
_ERASED, _BY = "erased_at", "erased_by"
_log = logging.getLogger(__name__)


def sealed_row(row: Row, text: Text, sealing: Sealing | None, now: datetime) -> Row:
    """The row with the text and its salt, sealed for that very row. Raises StoreUnavailable."""
    if sealing is None:
        return row | {"body": text.body, "salt": text.salt}
    try:
        sealed = sealing.seal(f"{text.salt}\n{text.body}", _place(row), now)
    except SecretUnavailable as out:
        raise StoreUnavailable(f"texts cannot be sealed just now, so none is stored: {out}") from out
    return row | spread("sealed", sealed)


def is_erased(row: Mapping[str, Any]) -> bool:
    """Whether nothing but the place of a text is left."""
    return _ERASED in row


def text_in(row: Mapping[str, Any], sealing: Sealing | None) -> Text:
    """The text with its salt. Raises SecretUnavailable, StoreUnavailable, NotFound, Unopenable."""
    if "sealed" not in row:
        return Text(str(row["body"]), str(row.get("salt", "")))
    if sealing is None:
        raise SecretUnavailable("texts are sealed here, and there is no key to open them")
    salt, _, body = sealing.open(gathered(row, "sealed"), _place(row)).partition("\n")
    return Text(body, salt)


def whole_text(row: Mapping[str, Any], sealing: Sealing | None) -> Text | None:
    """`text_in`, but None for one that does not open. Raises SecretUnavailable, StoreUnavailable."""
    try:
        return text_in(row, sealing)
    except (NotFound, Unopenable) as fault:
        _log.error("the text %s %s does not open: %s", row["PartitionKey"], row["RowKey"], fault)
        return None


def shown_text(row: Mapping[str, Any], sealing: Sealing | None) -> str:
    """The text, or a word for one that cannot be read."""
    try:
        return text_in(row, sealing).body
    except (SecretUnavailable, StoreUnavailable) as out:
        _log.warning("the text %s %s cannot be read: %s", row["PartitionKey"], row["RowKey"], out)
        return UNREADABLE
    except (NotFound, Unopenable) as fault:
        _log.error("the text %s %s does not open: %s", row["PartitionKey"], row["RowKey"], fault)
        return DAMAGED


def erased_row(row: Mapping[str, Any], by: str, now: datetime) -> Row:
    """What is left of a text: that it was erased, when, and in which erasure."""
    return {"PartitionKey": row["PartitionKey"], "RowKey": row["RowKey"], _ERASED: stamp(now), _BY: by}


def erased_by(row: Mapping[str, Any]) -> str:
    """The erasure that a text went with."""
    return str(row.get(_BY, ""))


def _place(row: Mapping[str, Any]) -> str:
    return f"Incidents\n{row['PartitionKey']}\n{row['RowKey']}"


def erased_at(row: Mapping[str, Any]) -> datetime:
    """When it was erased."""
    return parse_stamp(row[_ERASED])
