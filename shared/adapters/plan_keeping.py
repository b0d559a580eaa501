"""How long a plan keeps its records, as a plan file may say it."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from shared.adapters.plan_parts import Part
from shared.domain import retention as domain
from shared.domain.retention import LEAST_FOR_INCIDENTS, LEAST_FOR_TEXTS

LONGEST_DAYS = 3660
REFERENCE = "^[A-Za-z0-9][A-Za-z0-9 ._/#:-]{0,99}$"
"""Of a case: it goes into exports, which hold no prose."""
_DAYS = re.compile(r"([0-9]{1,4})d")


def _days(least: timedelta) -> Callable[[object], object]:
    def read(value: object) -> object:
        if isinstance(value, timedelta):
            return value
        match = _DAYS.fullmatch(value) if isinstance(value, str) else None
        if match is None or not least.days <= int(match[1]) <= LONGEST_DAYS:
            raise ValueError(f"must be whole days, from {least.days}d to {LONGEST_DAYS}d")
        return timedelta(days=int(match[1]))

    return read


def _reference(value: object) -> object:
    if not isinstance(value, str) or not re.fullmatch(REFERENCE[1:-1], value):
        raise ValueError(
            "must be the reference of a case: letters, digits, blanks and . _ / # : -, at most 100"
        )
    return value


_SCHEMA = {"type": "string", "pattern": "^[0-9]{1,4}d$", "examples": ["90d", "400d"]}
KeepTexts = Annotated[timedelta, BeforeValidator(_days(LEAST_FOR_TEXTS)), WithJsonSchema(_SCHEMA)]
KeepIncidents = Annotated[timedelta, BeforeValidator(_days(LEAST_FOR_INCIDENTS)), WithJsonSchema(_SCHEMA)]
CaseReference = Annotated[
    str, BeforeValidator(_reference), WithJsonSchema({"type": "string", "pattern": REFERENCE})
]


class Retention(Part):
    """How long what is over is kept; left out, for ever."""

    texts: KeepTexts | None = Field(default=None, description="free texts, at least 7d from the resolution")
    incidents: KeepIncidents | None = Field(
        default=None, description="incidents and journals with all that belongs to them, at least 60d"
    )

    @model_validator(mode="after")
    def _texts_go_with_their_incidents(self) -> Self:
        if self.texts and self.incidents and self.texts > self.incidents:
            raise ValueError("keeps texts longer than the incidents with which they go")
        return self


def retention(stated: Retention | None, legal_hold: str | None) -> domain.Retention:
    """What a plan says about keeping."""
    if stated is None:
        return domain.Retention(legal_hold=legal_hold)
    return domain.Retention(stated.texts, stated.incidents, legal_hold)
