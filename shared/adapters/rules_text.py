"""Frozen rules as text and back: canonical JSON, durations in whole seconds, business time marked as such,
severities loudest first."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from datetime import timedelta
from functools import cache
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from shared.domain.hours import BusinessTime
from shared.domain.plan import Rules, document_hash
from shared.domain.timeline import canonical

Shape = TypeVar("Shape")
_SECOND = timedelta(seconds=1)
_BUSINESS = "business_seconds"
_NEXT_DAY = {"next_business_day": True}
_NAMES_THEM = ("hash", "text")
"""The fields of `Rules` that name the rest and so cannot be part of it."""


def freeze(rules: Rules) -> Rules:
    """The same rules with their canonical text and its hash."""
    record = {key: value for key, value in _record(rules).items() if key not in _NAMES_THEM}
    text = canonical(record).decode("utf-8")
    return replace(rules, text=text, hash=document_hash(text))


def rules_from_text(text: str) -> Rules:
    """The inverse of `freeze`. What an older text does not state has its default.

    Raises ValueError where the text is not the rules part of a plan, or says what this version cannot read.
    """
    record = json.loads(text)
    if not isinstance(record, dict) or record.keys() & set(_NAMES_THEM):
        raise ValueError("not frozen rules")
    return _dataclass(Rules, record | {"text": text, "hash": document_hash(text)})


def _record(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, BusinessTime):
        return _NEXT_DAY if value.length is None else {_BUSINESS: _record(value.length)}
    if is_dataclass(value):
        return {field.name: _record(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, timedelta):
        if value % _SECOND:
            raise ValueError(f"{value} is not a whole number of seconds")
        return value // _SECOND
    if isinstance(value, Mapping):
        return {key: _record(inner) for key, inner in value.items()}
    return [_record(inner) for inner in value] if isinstance(value, tuple) else value


def _value(kind: Any, value: Any) -> Any:  # noqa: ANN401 - JSON of the type that a field declares
    if get_origin(kind) in {Union, UnionType}:
        return _one_kind(get_args(kind), value)
    if kind is BusinessTime:
        return _business_time(_checked(dict, value))
    if get_origin(kind) is tuple:
        return tuple(_value(get_args(kind)[0], inner) for inner in _checked(list, value))
    if get_origin(kind) is Literal:
        return _one_of(get_args(kind), value)
    if isinstance(kind, type) and is_dataclass(kind):
        return _dataclass(kind, _checked(dict, value))
    if kind is timedelta:
        return _checked(int, value) * _SECOND
    if isinstance(get_origin(kind), type):
        return {str(key): _value(get_args(kind)[-1], inner) for key, inner in _checked(dict, value).items()}
    return _checked(kind, value)


def _one_kind(kinds: tuple[Any, ...], value: Any) -> Any:  # noqa: ANN401 - the same
    """One of several types: nothing where that is one, business time is a mapping, the first all else."""
    if value is None and type(None) in kinds:
        return None
    if BusinessTime in kinds and isinstance(value, dict):
        return _value(BusinessTime, value)
    return _value(next(one for one in kinds if one not in {type(None), BusinessTime}), value)


def _business_time(record: dict[str, Any]) -> BusinessTime:
    if record == _NEXT_DAY:
        return BusinessTime()
    if record.keys() == {_BUSINESS}:
        return BusinessTime(_checked(int, record[_BUSINESS]) * _SECOND)
    raise ValueError(f"frozen rules have {record!r} for business time")


def _dataclass(kind: Callable[..., Shape], record: dict[str, Any]) -> Shape:
    known = _hints(kind)
    if unknown := record.keys() - known.keys():
        raise ValueError(f"frozen rules say what this version cannot read: {', '.join(sorted(unknown))}")
    try:
        return kind(**{key: _value(known[key], value) for key, value in record.items()})
    except TypeError as error:
        raise ValueError(f"frozen rules lack something: {error}") from error


def _checked(kind: Any, value: Any) -> Any:  # noqa: ANN401 - ``value``, which is a ``kind``
    if type(value) is not kind:
        raise ValueError(f"frozen rules have a {type(value).__name__} for a {kind.__name__}")
    return value


def _one_of(choices: tuple[Any, ...], value: object) -> object:
    if value not in choices:
        raise ValueError(f"frozen rules have {value!r} for one of {choices}")
    return value


@cache
def _hints(kind: Callable[..., object]) -> dict[str, Any]:
    return get_type_hints(kind)
