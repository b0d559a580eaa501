"""The review report: what an incident's timeline says, in words, for people who were not there."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.domain.checklist import unmet, unmet_afterwards
from shared.domain.event_words import Story, code_in_words, in_words, instant
from shared.domain.incident import Incident
from shared.domain.plan import Rules
from shared.domain.timeline import Event

NOT_WRITTEN = "Not written yet."


@dataclass(frozen=True)
class Line:
    """One event in words."""

    at: datetime
    """When it was recorded."""
    what: str
    who: str


@dataclass(frozen=True)
class Times:
    """Whole seconds; None where it never came to that."""

    detect: int | None
    """From the start of the first alert to the opening."""
    acknowledge: int | None
    """From the opening to the first acknowledgement."""
    mitigate: int | None
    """From the opening to the first mitigation noted, or the first status ``monitoring``."""
    resolve: int | None
    """From the opening to the latest resolution."""
    total: int | None
    """From the start of the first alert (by hand: from the opening) to the latest resolution."""


@dataclass(frozen=True)
class ItemLine:
    """An action item with its latest words."""

    id: str
    title: str
    owner: str
    due: datetime
    priority: str
    status: str


@dataclass(frozen=True)
class Report:
    """Everything in plain, hostile text; what nobody has written is empty."""

    id: str
    title: str
    severity: str
    service: str
    drill: str | None
    status: str
    opened_at: datetime
    resolved_at: datetime | None
    summary: str
    timeline: tuple[Line, ...]
    times: Times
    root_cause: str
    impact: str
    resolution: str
    code: str
    """Closing code and its title."""
    lessons: str
    went_well: str
    to_improve: str
    items: tuple[ItemLine, ...]
    follow_up: tuple[str, ...]
    """Required items of checklists that are neither ticked nor overridden."""
    review_due: datetime | None
    review_completed: datetime | None


def report(
    incident: Incident,
    events: Sequence[Event],
    texts: Mapping[int, str],
    names: Mapping[str, str],
    rules: Rules,
) -> Report:
    """The report as of the latest of ``events``, which are the whole timeline in order.

    ``texts`` gives the words of an event by its sequence number; ``names`` what people call an actor
    (``person:…``, with or without the prefix), contact or rotation.
    """
    story = Story(events, texts, names, {each.name: each.title for each in rules.closing_codes})
    resolved = story.of("resolved")[-1:] if incident.over else []
    review = incident.review
    return Report(
        id=incident.id,
        title=incident.title or incident.name,
        severity=incident.severity,
        service=incident.service,
        drill=incident.drill,
        status=incident.status,
        opened_at=incident.opened_at,
        resolved_at=incident.resolved_at if incident.over else None,
        summary=story.written("summary"),
        timeline=tuple(
            Line(each.recorded_at, in_words(story, each), story.who(each.actor)) for each in events
        ),
        times=_times(story, incident),
        root_cause=story.written("root-cause") or _meanwhile(story, "cause"),
        impact=story.written("impact") or _meanwhile(story, "impact"),
        resolution=_both(*(story.texts.get(each.seq, "") for each in resolved), story.written("resolution")),
        code=code_in_words(story, resolved[0].data.get("code")) if resolved else "",
        lessons=story.written("lessons"),
        went_well=story.written("went-well"),
        to_improve=story.written("to-improve"),
        items=tuple(
            ItemLine(
                each.id,
                texts.get(each.said, ""),
                story.name(each.owner),
                each.due,
                each.priority,
                each.status,
            )
            for each in incident.items
        ),
        follow_up=tuple(each.text for each in (*unmet(incident, rules), *unmet_afterwards(incident, rules))),
        review_due=review.due if review else None,
        review_completed=review.completed_at if review else None,
    )


def markdown(report: Report) -> str:
    """The report as Markdown that shows hostile text as text: no HTML, no tables broken, no links."""
    title = f"{'Drill: ' if report.drill else ''}[{report.severity}] {report.title}"
    blocks = [f"# {_line(title)}", *_facts(report)]
    blocks += ["## Summary", _prose(report.summary)]
    told = (f"- {_at(each.at)}: {_line(each.what)} ({_line(each.who)})" for each in report.timeline)
    blocks += ["## Timeline", "\n".join(told) or NOT_WRITTEN]
    blocks += ["## Root cause", _prose(report.root_cause), "## Impact", _prose(report.impact)]
    blocks += ["## Resolution", _prose(report.resolution)]
    blocks += [f"Closing code: {_line(report.code)}"] if report.code else []
    blocks += ["## Lessons learned", _prose(report.lessons)]
    blocks += [
        "### What went well",
        _prose(report.went_well),
        "### What to improve",
        _prose(report.to_improve),
    ]
    blocks += ["## Action items", _items(report.items), "## Follow-up", *_follow_up(report)]
    return "\n\n".join(blocks) + "\n"


def _times(story: Story, incident: Incident) -> Times:
    opened = next(iter(story.of("opened")), None)
    if opened is None:
        return Times(None, None, None, None, None)
    alerted = opened.data.get("source") is not None and incident.drill is None
    began = min(opened.occurred_at, opened.recorded_at) if alerted else opened.recorded_at
    answers = story.of("acknowledged")
    bearable = story.of("noted", kind="mitigation") + story.of("status-updated", status="monitoring")
    resolved = [incident.resolved_at] if incident.status == "resolved" and incident.resolved_at else []

    def until(instants: Sequence[datetime], since: datetime) -> int | None:
        return max(0, int((min(instants) - since) / timedelta(seconds=1))) if instants else None

    return Times(
        until([opened.recorded_at], began) if alerted else None,
        until([each.occurred_at for each in answers], opened.recorded_at),
        until([each.occurred_at for each in bearable], opened.recorded_at),
        until(resolved, opened.recorded_at),
        until(resolved, began),
    )


def _meanwhile(story: Story, kind: str) -> str:
    words = story.latest("noted", kind=kind)
    return f"Noted during the response: {words}" if words else ""


def _both(*words: str) -> str:
    return "\n\n".join(dict.fromkeys(each for each in words if each))


def _facts(report: Report) -> list[str]:
    times = report.times
    facts = [
        ("Incident", report.id),
        ("Drill", report.drill or "no"),
        ("Severity", report.severity),
        ("Service", report.service),
        ("Status", report.status),
        ("Opened", _at(report.opened_at)),
        ("Resolved", _at(report.resolved_at)),
        ("Time to detect", _span(times.detect)),
        ("Time to acknowledge", _span(times.acknowledge)),
        ("Time to mitigate", _span(times.mitigate)),
        ("Time to resolve", _span(times.resolve)),
        ("Total duration", _span(times.total)),
    ]
    rows = [f"| {label} | {_line(value)} |" for label, value in facts]
    return ["\n".join(["| Fact | Value |", "|---|---|", *rows])]


def _items(items: Sequence[ItemLine]) -> str:
    if not items:
        return "None recorded."
    rows = [
        f"| {each.id} | {_line(each.title)} | {_line(each.owner)} | {_at(each.due)} "
        f"| {_line(each.priority)} | {_line(each.status)} |"
        for each in items
    ]
    head = ["| Item | What | Owner | Due | Priority | Status |", "|---|---|---|---|---|---|"]
    return "\n".join([*head, *rows])


def _follow_up(report: Report) -> list[str]:
    unmet_items = "\n".join(f"- Not done: {_line(each)}" for each in report.follow_up)
    if report.review_due is None:
        return [*([unmet_items] if unmet_items else []), "No review is required."]
    completed = report.review_completed
    stands = f"completed {_at(completed)}" if completed else "not completed yet"
    done = unmet_items or "No required item of a checklist is left."
    return [done, f"Review due {_at(report.review_due)}: {stands}."]


def _at(moment: datetime | None) -> str:
    return instant(moment) if moment else "not yet"


def _span(seconds: int | None) -> str:
    if seconds is None:
        return "not known"
    hours, rest = divmod(seconds, 3600)
    return (
        f"{hours} h {rest // 60:02} min {rest % 60:02} s" if hours else f"{rest // 60} min {rest % 60:02} s"
    )


_LINE_ENDS = re.compile("\r\n|[\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_MARKUP = re.compile(r"[\\`*_\[\]|~#!$]")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_BLOCK = re.compile(r"^([-+=]|\d+(?=[.)]))")
_LINKS = (
    (re.compile("://"), "[:]//"),
    (re.compile(r"\bwww\.", re.IGNORECASE), "www[.]"),
    (re.compile("@"), "[at]"),
)
"""What readers make links, mails or mentions of, and what stands for it."""
_JOINERS = "\u200c\u200d"
"""Invisible, but part of some scripts and emoji."""


def _line(text: str) -> str:
    """Hostile text on one line of Markdown, also within a table."""
    return _escaped(" ".join(_visible(text).split()))


def _prose(text: str) -> str:
    """Hostile text as paragraphs; its single line ends stay."""
    lines = [_escaped(" ".join(line.split())) for line in _visible(text).split("\n")]
    paragraphs = re.split("\n\n+", "\n".join(lines).strip("\n"))
    return "\n\n".join(paragraph.replace("\n", "\\\n") for paragraph in paragraphs) or NOT_WRITTEN


def _escaped(line: str) -> str:
    for link, shown in _LINKS:
        line = link.sub(shown, line)
    line = _MARKUP.sub(r"\\\g<0>", line)
    line = "".join(_ENTITIES.get(character, character) for character in line)
    return _BLOCK.sub(lambda found: found[0] + "\\" if found[0].isdigit() else "\\" + found[0], line)


def _visible(text: str) -> str:
    return "".join(_shown(character) for character in _LINE_ENDS.sub("\n", text))


def _shown(character: str) -> str:
    """Controls are blanks, direction overrides nothing, lone surrogates marked."""
    if character == "\n" or character in _JOINERS:
        return character
    return {"Cc": " ", "Cf": "", "Cs": "\ufffd"}.get(unicodedata.category(character), character)
