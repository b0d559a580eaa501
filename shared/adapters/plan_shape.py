"""Reads a plan document, and says in words everything in its shape that is not the language."""

from __future__ import annotations

from collections.abc import Mapping
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from shared.adapters.plan_documents import PlanDocument
from shared.adapters.plan_values import PATTERNS, did_you_mean
from shared.adapters.plan_yaml import Flaw, Loc

_WHY = {
    "missing": "is missing",
    "dict_type": "must be a mapping of names",
    "list_type": "must be a list",
    "model_type": "must be a mapping",
    "string_type": "must be a text",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "too_short": "must have at least {min_length} entry",
    "too_long": "must have at most {max_length} entries",
    "string_too_short": "must not be empty",
    "string_too_long": "must be at most {max_length} characters long",
    "is_instance_of": "must be a duration such as 90s, 15m, 4h, 7d or 1h30m",
    "time_delta_type": "must be a duration such as 90s, 15m, 4h, 7d or 1h30m",
}


def read_document(data: object) -> tuple[PlanDocument | None, list[Flaw]]:
    """The document that ``data`` (texts, lists and dicts) is, or everything in its shape that is wrong."""
    try:
        return PlanDocument.model_validate(data), []
    except ValidationError as error:
        return None, [_flaw(fault["type"], fault) for fault in error.errors(include_url=False)]


def _flaw(kind: str, fault: Mapping[str, Any]) -> Flaw:
    """A pydantic fault in our words; what was written is never repeated, since it may be a secret."""
    loc: Loc = tuple(step for step in fault["loc"] if step != "[key]")
    context = fault.get("ctx", {})
    if kind == "extra_forbidden":
        return Flaw(loc, f"is no key of the language here{did_you_mean(str(loc[-1]), _keys(loc[:-1]))}")
    if kind != "missing" and fault["input"] is None:
        return Flaw(loc, "says nothing: give it a value or leave it out")
    if kind == "literal_error":
        return Flaw(loc, f"must be {context['expected']}{_meant(str(fault['input']), _choices(loc))}")
    if kind == "string_pattern_mismatch":
        return Flaw(loc, PATTERNS[context["pattern"]])
    if kind == "value_error":
        return Flaw(loc, str(context["error"]))
    return Flaw(loc, _WHY[kind].format(**context) if kind in _WHY else str(fault["msg"]))


def _meant(word: str, choices: list[str]) -> str:
    """The nearest of the choices, which have all been said already."""
    near = did_you_mean(word, choices)
    return near if near.startswith("; did") else ""


def _keys(loc: Loc) -> list[str]:
    model = _annotation(loc)
    return list(_fields(model)) if isinstance(model, type) and issubclass(model, BaseModel) else []


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _choices(loc: Loc) -> list[str]:
    return [choice for choice in get_args(_annotation(loc)) if isinstance(choice, str)]


def _annotation(loc: Loc) -> Any:  # noqa: ANN401 - the type that the language has at a place
    found: Any = PlanDocument
    for step in loc:
        if isinstance(found, type) and issubclass(found, BaseModel):
            found = _fields(found)[str(step)].annotation
        else:
            found = get_args(found)[-1]
        found = _bare(found)
    return found


def _bare(annotation: Any) -> Any:  # noqa: ANN401 - the same
    if get_origin(annotation) is Annotated:
        return _bare(get_args(annotation)[0])
    if get_origin(annotation) in {Union, UnionType}:
        return _bare(next(kind for kind in get_args(annotation) if kind is not type(None)))
    return annotation
