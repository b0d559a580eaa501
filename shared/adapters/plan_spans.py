"""Spans as they stand in a plan file, and how they compare: what is no span is passed over."""

from __future__ import annotations

from datetime import timedelta

from shared.adapters.plan_values import parse_span
from shared.domain.hours import BusinessTime, Span, nominal


def span_of(text: object) -> Span | None:
    """The span that the text is, or None."""
    try:
        return parse_span(text) if isinstance(text, str) else None
    except ValueError:
        return None


def duration_of(text: object) -> timedelta | None:
    """The duration that the text is, or None; business time is none."""
    span = span_of(text)
    return span if isinstance(span, timedelta) else None


def worst(span: Span) -> tuple[timedelta, bool]:
    """Orders spans by the longest they take: by length, and business time after plain time of that length."""
    return nominal(span), isinstance(span, BusinessTime)


def surely_shorter(one: Span, other: Span) -> bool:
    """Whether ``one`` is over first, whenever both begin; spans of different kinds are not held together."""
    if isinstance(one, BusinessTime) and isinstance(other, BusinessTime):
        return one.length is not None and other.length is not None and one.length < other.length
    return isinstance(one, timedelta) and isinstance(other, timedelta) and one < other
