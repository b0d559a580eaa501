"""Which form of an answer a caller wants."""

from __future__ import annotations


def prefers(accept: str, kind: str, otherwise: str) -> bool:
    """Whether an ``Accept`` header wants ``kind`` more than ``otherwise``."""
    return _quality(accept, kind) > _quality(accept, otherwise)


def _quality(accept: str, kind: str) -> float:
    """How much an ``Accept`` header wants a media type: the ``q`` of the nearest range that holds it."""
    ranges = (kind, f"{kind.partition('/')[0]}/*", "*/*")
    wanted = dict(_range(each) for each in accept.lower().split(","))
    return next((wanted[each] for each in ranges if each in wanted), 0.0)


def _range(text: str) -> tuple[str, float]:
    kind, *parameters = (each.strip() for each in text.split(";"))
    stated = next((each[2:] for each in parameters if each.startswith("q=")), "1")
    try:
        return kind, float(stated)
    except ValueError:
        return kind, 0.0
