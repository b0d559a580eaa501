"""How much of an alert is kept, whatever a source sends: long texts and long lists are cut, visibly."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import islice

from shared.domain.alert import Alert, fingerprint_of

LONGEST_TEXT = 8_000
MARK = "…[truncated]"
LONGEST_NAME = 1_000
NAME_KEPT = 900
MOST_LABELS = 100
"""Labels of an alert, and annotations as well."""
NOTE = "tocsin_truncated"
"""The annotation that says how much was dropped."""

_WEB = re.compile(r"https?://[^\s\x00-\x1f\x7f]+", re.IGNORECASE)


def bounded_alert(
    source: str,
    identity: str | Mapping[str, str],
    *,
    firing: bool,
    name: str,
    received_at: datetime,
    started_at: datetime | None = None,
    ended_at: datetime | None = None,
    group: str | None = None,
    service: str | None = None,
    severity: str | None = None,
    summary: str | None = None,
    labels: Mapping[str, str],
    annotations: Mapping[str, str],
    values: Mapping[str, object] | None = None,
    url: str | None = None,
    met: Sequence[tuple[str, str]] = (),
) -> Alert:
    """An alert within the bounds; ``identity`` is what `fingerprint_of` takes.

    Without a start it starts at its end, else when it was received. An end of a firing alert, or one before
    its start, is no end. ``met`` are labels beside these, of which a text may speak all the same.
    """
    start, end = _span(firing, received_at, started_at, ended_at)
    kept_labels, kept_annotations = _kept(labels, annotations)
    return Alert(
        source=source,
        fingerprint=fingerprint_of(source, identity),
        firing=firing,
        name=bounded_name(name),
        started_at=start,
        start_known=started_at is not None,
        ended_at=end,
        group=bounded_name(group) if group else None,
        service=bounded_name(service) if service else None,
        severity=bounded_name(severity) if severity else None,
        summary=bounded_text(summary or ""),
        labels=kept_labels,
        annotations=kept_annotations,
        values=_figures(values or {}),
        url=url,
        met=(*met, *_lost(labels), *_lost(annotations)),
    )


def _lost(texts: Mapping[str, str]) -> Sequence[tuple[str, str]]:
    """What is not kept, or not whole."""
    if len(texts) < MOST_LABELS and max(map(len, texts.values()), default=0) <= LONGEST_TEXT:
        return ()
    dropped = islice(texts.items(), MOST_LABELS - 1, None)
    return [*dropped, *((name, text) for name, text in texts.items() if len(text) > LONGEST_TEXT)]


def _figures(values: Mapping[str, object]) -> dict[str, float]:
    """The finite numbers among the values, those written as text included."""
    found: dict[str, float] = {}
    for name, value in islice(values.items(), MOST_LABELS):
        try:
            figure = float(value) if isinstance(value, (int, float, str)) else math.nan
        except (ValueError, OverflowError):
            continue
        if math.isfinite(figure) and not isinstance(value, bool):
            found[bounded_name(name)] = figure
    return found


def bounded_text(text: str) -> str:
    """The text, or what fits of it and a mark, `LONGEST_TEXT` characters together."""
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - len(MARK)] + MARK


def bounded_name(text: str) -> str:
    """The text, or its beginning and its SHA-256, so that two long names stay two."""
    if len(text) <= LONGEST_NAME:
        return text
    return text[:NAME_KEPT] + hashlib.sha256(text.encode("utf-8")).hexdigest()


def web_address(*candidates: object) -> str | None:
    """The first that is an http or https address and not too long to be kept whole."""
    for candidate in candidates:
        if isinstance(candidate, str) and len(candidate) <= LONGEST_TEXT and _WEB.fullmatch(candidate):
            return candidate
    return None


def _span(
    firing: bool, received_at: datetime, started_at: datetime | None, ended_at: datetime | None
) -> tuple[datetime, datetime | None]:
    end = None if firing else ended_at
    start = started_at or min(received_at, end or received_at)
    return start, end if end and end >= start else None


def _kept(labels: Mapping[str, str], annotations: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    if len(labels) <= MOST_LABELS and len(annotations) <= MOST_LABELS:
        return _cut(labels, MOST_LABELS), _cut(annotations, MOST_LABELS)
    kept_labels, kept_annotations = _cut(labels, MOST_LABELS), _cut(annotations, MOST_LABELS - 1)
    kept_annotations[NOTE] = (
        f"dropped {len(labels) - len(kept_labels)} of {len(labels)} labels"
        f" and {len(annotations) - len(kept_annotations)} of {len(annotations)} annotations"
    )
    return kept_labels, kept_annotations


def _cut(texts: Mapping[str, str], most: int) -> dict[str, str]:
    return {bounded_name(name): bounded_text(text) for name, text in islice(texts.items(), most)}
