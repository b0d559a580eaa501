"""Tolerant reading of webhook bodies: any bytes in, JSON values out, every fault collected on the way."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from shared.adapters.sources.instants import instant_of
from shared.domain.alert import Alert
from shared.domain.errors import Fault, InvalidPayload

JsonObject = Mapping[str, object]
MOST_FAULTS = 100
"""Faults told to the caller; how many more there were is the last one."""

_ESCAPED_UNFIT = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
_UNFIT = re.compile("[\x00\ud800-\udfff]")
# NaN and the infinities are no JSON, but some encoders write them as the value of a metric: kept as words.
_DECODER = json.JSONDecoder(parse_constant=str)


class Reading:
    """One body being read: what is wrong with it so far, and when it came."""

    def __init__(self, received_at: datetime) -> None:
        self.received_at = received_at
        self._faults: list[Fault] = []
        self._more = 0

    @property
    def faults(self) -> list[Fault]:
        """The first `MOST_FAULTS` faults, and one that counts the others."""
        return [*self._faults, Fault("", f"and {self._more} more faults")] if self._more else self._faults

    def fault(self, where: str, why: str) -> None:
        """Note that something is wrong; reading goes on, and its result is thrown away."""
        if len(self._faults) < MOST_FAULTS:
            self._faults.append(Fault(where, why))
        else:
            self._more += 1

    def object_at(self, value: object, where: str) -> JsonObject | None:
        """The value as an object; None, and a fault, where it is not one."""
        if isinstance(value, dict):
            return value
        self.fault(
            where, "is missing" if value is None and where else f"must be an object, not {kind(value)}"
        )
        return None

    def objects_at(self, value: object, where: str) -> list[tuple[str, JsonObject]]:
        """The objects of a list that must have some, each with its place; what is not one is a fault."""
        if not isinstance(value, list):
            self.fault(where, "is missing" if value is None else f"must be a list, not {kind(value)}")
            return []
        if not value:
            self.fault(where, "is empty")
        found = []
        for index, item in enumerate(value):
            place = f"{where}[{index}]"
            if (entry := self.object_at(item, place)) is not None:
                found.append((place, entry))
        return found

    def texts(self, value: object, where: str) -> dict[str, str]:
        """An object as texts (see `as_text`); null counts as empty."""
        if isinstance(value, dict):
            return {key: item if type(item) is str else as_text(item) for key, item in value.items()}
        if value is not None:
            self.fault(where, f"must be an object, not {kind(value)}")
        return {}

    def required(self, holder: JsonObject, key: str, where: str) -> str:
        """A text that must be there and must not be blank; ``where`` is the holder's place."""
        text = holder.get(key)
        if isinstance(text, str) and text.strip():
            return text
        place = f"{where}.{key}" if where else key
        self.fault(place, _why_no_text(key in holder, text))
        return ""

    def instant(self, value: object, where: str) -> datetime | None:
        """An instant, or None where none is given; a fault where it is no instant."""
        try:
            return instant_of(value)
        except ValueError as error:
            self.fault(where, str(error))
            return None


def read_alerts(
    source: str, body: bytes, received_at: datetime, read: Callable[[Reading, object], list[Alert]]
) -> list[Alert]:
    """What ``read`` makes of the body's JSON. Raises InvalidPayload where it found, or we find, a fault."""
    reading = Reading(received_at)
    try:
        alerts = _alerts(reading, body, read)
    except RecursionError:
        reading.fault("", "is nested too deeply")
    if reading.faults:
        raise InvalidPayload(f"this is no alert of {source}", reading.faults)
    return alerts


def document_of(body: bytes) -> object:
    """The JSON value of a body; none of its strings holds NUL or half a surrogate pair (U+FFFD instead).

    Raises ValueError with the reason, or RecursionError.
    """
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"is not UTF-8 at byte {error.start}") from None
    try:
        document: object = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"is not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
    except ValueError:
        raise ValueError("has a number of too many digits") from None
    return _fit(document) if _ESCAPED_UNFIT.search(body) else document


def as_text(value: object) -> str:
    """A JSON value as text: a string is itself, everything else its JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def optional_text(value: object) -> str | None:
    """A text, or None where it is null or blank."""
    if value is None:
        return None
    text = as_text(value)
    return text if text.strip() else None


def mapping(value: object) -> JsonObject:
    """The value if it is an object, else an empty one: for what a source may leave out."""
    return value if isinstance(value, dict) else {}


def items(value: object) -> list[object]:
    """The value if it is a list, else an empty one: for what a source may leave out."""
    return value if isinstance(value, list) else []


def first_text(holder: JsonObject, names: Iterable[str]) -> str | None:
    """The first of the named values that is not blank."""
    for name in names:
        if name in holder and (text := optional_text(holder[name])) is not None:
            return text
    return None


def kind(value: object) -> str:
    """What a JSON value is, for people."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    kinds: list[tuple[type, str]] = [(str, "a text"), (dict, "an object"), (list, "a list")]
    return next((name for type_, name in kinds if isinstance(value, type_)), "a number")


def quoted(text: str) -> str:
    """A piece of the caller's own text, fit to stand in a fault."""
    return json.dumps(text if len(text) <= 60 else f"{text[:60]}…", ensure_ascii=False)


def _alerts(reading: Reading, body: bytes, read: Callable[[Reading, object], list[Alert]]) -> list[Alert]:
    try:
        document = document_of(body)
    except ValueError as error:
        reading.fault("", str(error))
        return []
    return read(reading, document)


def _fit(value: object) -> object:
    if isinstance(value, str):
        # A pair of escapes has become one character by now; what is left of the range is half a pair.
        return _UNFIT.sub("\ufffd", value)
    if isinstance(value, dict):
        return {_UNFIT.sub("\ufffd", key): _fit(item) for key, item in value.items()}
    return [_fit(item) for item in value] if isinstance(value, list) else value


def _why_no_text(given: bool, value: object) -> str:
    if not given:
        return "is missing"
    return "is empty" if isinstance(value, str) else f"must be a text, not {kind(value)}"
