"""A plan's own words: renders its templates with a briefing, and finds what is wrong with a template.

``python -m shared.adapters.templates --fields`` prints the catalogue of fields for ``docs/templates.md``.
"""

from __future__ import annotations

import ast
import inspect
import logging
import sys
from collections.abc import Collection, Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, get_args

from shared.adapters.channels.wording import one_line, safe_link
from shared.domain import briefing as catalogue
from shared.domain.briefing import BadTemplate, Briefing, Line, Names
from shared.domain.delivery import Kind, Words
from shared.domain.plan import Plan, Template

if TYPE_CHECKING:
    from jinja2 import Template as Compiled

    from shared.adapters.template_language import Language

log = logging.getLogger(__name__)

MOST_CHARACTERS = 16_000
"""Of a template's text, and of what it comes to."""
SUBJECT_LIMIT, TITLE_LIMIT, CHANNEL_LIMIT = 500, 250, 80
CHANNEL_NAME, TICKET_TITLE = "channel-name", "ticket-title"
ADDRESSES = ("runbook_url", "incident_url", "source_url")

FAILURES = (
    ArithmeticError, AssertionError, AttributeError, LookupError, MemoryError, RuntimeError, SyntaxError,
    TypeError, ValueError,
)  # fmt: skip
"""What the code of a template may raise beside Jinja's own errors."""


class Templates:
    """Renders templates; keeps the latest in compiled form. Safe to share between threads."""

    def __init__(self) -> None:
        self._compiled = lru_cache(maxsize=256)(_compiled)

    def words(self, plan: Plan, name: str, briefing: Briefing) -> Words:
        """The words of the plan's template ``name``, with the names that the plan's own templates give.

        A body that begins with ``<`` is HTML: it comes as text that says so (``__html__``), with every value
        escaped. Raises BadTemplate.
        """
        template = plan.templates.get(name)
        if template is None:
            raise BadTemplate(f'the plan has no template "{name}"')
        briefing = self.named(plan, briefing)
        try:
            return self.html(template, briefing) if _is_html(template) else self.text(template, briefing)
        except BadTemplate as why:
            raise BadTemplate(f'template "{name}": {why}') from why

    def named(self, plan: Plan, briefing: Briefing) -> Briefing:
        """The briefing with the channel name and ticket title of the plan's templates, where it has them.

        Such a template that fails, or says nothing, leaves the name as it was.
        """
        channel = self._name(plan, CHANNEL_NAME, briefing)
        if channel:
            from shared.adapters.template_language import slugged

            channel = slugged(channel, CHANNEL_LIMIT)
        briefing = replace(briefing, channel_name=channel or briefing.channel_name)
        ticket = self._name(plan, TICKET_TITLE, briefing)[:TITLE_LIMIT]
        return replace(briefing, ticket_title=ticket or one_line(briefing.ticket_title)[:TITLE_LIMIT])

    def text(self, template: Template, briefing: Briefing) -> Words:
        """Plain text, nothing in it escaped. Raises BadTemplate."""
        return Words(self._render(template.body, briefing), self._subject(template, briefing))

    def html(self, template: Template, briefing: Briefing) -> Words:
        """HTML, every value in it escaped; the subject is plain text. Raises BadTemplate."""
        from markupsafe import Markup

        body = self._render(template.body, briefing, html=True)
        return Words(Markup(body), self._subject(template, briefing))  # noqa: S704  (escaped by the template)

    def _subject(self, template: Template, briefing: Briefing) -> str:
        return one_line(self._render(template.subject, briefing))[:SUBJECT_LIMIT]

    def _name(self, plan: Plan, name: str, briefing: Briefing) -> str:
        template = plan.templates.get(name)
        if template is None:
            return ""
        try:
            return one_line(self._render(template.body, briefing))
        except BadTemplate as why:
            log.warning('plan %s: template "%s" is passed over: %s', plan.name, name, why)
            return ""

    def _render(self, source: str, briefing: Briefing, *, html: bool = False) -> str:
        if not source:
            return ""
        from jinja2 import TemplateError

        try:
            return _bounded(self._compiled(source, html).generate(_context(briefing)), html=html)
        except (TemplateError, *FAILURES) as error:
            raise BadTemplate(f"{type(error).__name__}: {error}"[:300]) from error


def check(
    template: Template, *, roles: Collection[str] | None = None, links: Collection[str] | None = None
) -> list[str]:
    """Everything wrong with a template, in words that begin with its part and line; empty where it is sound.

    It is read and then tried, with briefings that say all and briefings that say the least. ``roles`` and
    ``links`` are the names that the plan has; None: any name will do.
    """
    from shared.adapters.template_language import faults_of

    html = _is_html(template)
    found: list[str] = []
    for part, source, as_html in (("subject", template.subject, False), ("body", template.body, html)):
        if len(source) > MOST_CHARACTERS:
            found.append(f"{part}: longer than {MOST_CHARACTERS} characters")
        else:
            found += [f"{part}: {why}" for why in faults_of(_language(as_html), source, roles, links)]
    if not found and not template.body.strip():
        found.append("body: it says nothing")
    return found or _faults_when_tried(template, html=html)


def _faults_when_tried(template: Template, *, html: bool) -> list[str]:
    render = Templates().html if html else Templates().text
    found: dict[str, None] = {}
    for trial in trials():
        try:
            render(template, trial)
        except BadTemplate as why:
            found[f"when tried: {why}"] = None
    return list(found)


def fields() -> list[tuple[str, str, str]]:
    """Every field of `Briefing`, then every part of a line of a digest: name, type and what it is."""
    from shared.adapters.template_language import FIELDS, PARTS

    lines = [(f"line.{name}", PARTS["line"][name], why) for name, why in _documented("Line")]
    return [*((name, FIELDS[name], why) for name, why in _documented("Briefing")), *lines]


def _documented(class_name: str) -> Iterator[tuple[str, str]]:
    """The fields of a class of the catalogue with the docstrings that follow them."""
    tree = ast.parse(inspect.getsource(catalogue))
    body = next(node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == class_name)
    for stated, documented in pairwise(body):
        if (
            isinstance(stated, ast.AnnAssign)
            and isinstance(stated.target, ast.Name)
            and isinstance(documented, ast.Expr)
            and isinstance(documented.value, ast.Constant)
        ):
            yield stated.target.id, " ".join(str(documented.value.value).replace("``", "`").split())


def trials() -> Iterator[Briefing]:
    """Briefings to try a template with: of every kind, status and phase, filled, and as empty as can be."""
    full = _full()
    blank = {name: "" for name, value in asdict(full).items() if isinstance(value, str)}
    kept = ("id", "plan", "plan_title", "kind", "timezone", "channel_name", "ticket_title")
    empty: dict[str, Any] = {name: "" for name in blank if name not in kept}
    empty |= dict.fromkeys(
        ("acknowledged_at", "resolved_at", "next_update", "respond_due", "resolve_due"), None
    )
    bare = replace(full, **empty, actions_taken=(), roles=Names(), links=Names(), incidents=(), more=0)
    for kind in get_args(Kind):
        yield replace(full, kind=kind)
        yield replace(bare, kind=kind, status="open")
    for status in ("open", "acknowledged", "resolved"):
        yield replace(full, status=status)
    for phase in ("investigating", "identified", "monitoring", "resolved"):
        yield replace(full, phase=phase)


def _full() -> Briefing:
    noon = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
    line = Line("INC-8Q2XK4ZR-2", "Search is slow", "P2", "open", "3 d 2 h", noon, "search")
    return Briefing(
        id="INC-8Q2XK4ZR-1", plan="acme", plan_title="Acme", title="Checkout is slow", severity="P1",
        severity_title="Major", service="checkout", service_title="The checkout", status="acknowledged",
        kind="escalation", reason="escalation step 2 of 3", drill="first-friday", opened_at=noon,
        acknowledged_at=noon, resolved_at=noon, age="1 h 20 min", summary="p95 above 2 s\nfor 5 minutes",
        about="We look into it", impact="One payment in ten fails",
        actions_taken=("Restarted a pod", "Rolled back"),
        current_status="A fix is on its way", phase="identified", assistance_needed="A database expert",
        cause="A missing index", mitigation="Traffic was moved", resolution="The index was added",
        code="fixed", roles=Names({"incident-commander": "Ada"}), next_update=noon, respond_due=noon,
        resolve_due=noon, runbook="high-latency", runbook_url="https://tocsin.example.com/runbooks/1",
        incident_url="https://tocsin.example.com/incidents/1", source_url="https://grafana.example.com/d/1",
        links=Names({"status-page": "https://status.example.com"}), channel_name="incident-2026-11-21-1200",
        ticket_title="[P1] Checkout is slow", incidents=(line, line), more=3, timezone="UTC", now=noon,
    )  # fmt: skip


def _is_html(template: Template) -> bool:
    return template.body.lstrip().startswith("<")


def _context(briefing: Briefing) -> dict[str, object]:
    """The fields by name; addresses that may not be shown are empty."""
    known: dict[str, object] = {name: getattr(briefing, name) for name in briefing.__dataclass_fields__}
    return known | {name: safe_link(getattr(briefing, name)) or "" for name in ADDRESSES}


def _bounded(pieces: Iterator[str], *, html: bool) -> str:
    """What a template says, stripped; of plain text that is too long, the beginning."""
    said: list[str] = []
    length = 0
    for piece in pieces:
        said.append(piece)
        length += len(piece)
        if length > MOST_CHARACTERS:
            break
    text = "".join(said).strip()
    if len(text) <= MOST_CHARACTERS:
        return text
    if html:
        raise ValueError(f"it comes to more than {MOST_CHARACTERS} characters of HTML")
    return text[: MOST_CHARACTERS - 1] + "…"


@lru_cache(maxsize=2)
def _language(html: bool) -> Language:
    from shared.adapters.template_language import Language

    return Language(autoescape=html)


def _compiled(source: str, html: bool) -> Compiled:
    from shared.adapters.template_language import faults_of

    language = _language(html)
    faults = faults_of(language, source)
    if faults or len(source) > MOST_CHARACTERS:
        raise BadTemplate("; ".join(faults) or f"longer than {MOST_CHARACTERS} characters")
    return language.from_string(source)


if __name__ == "__main__":
    if sys.argv[1:] != ["--fields"]:
        sys.exit("usage: python -m shared.adapters.templates --fields")
    sys.stdout.writelines(f"| `{name}` | {kind} | {why} |\n" for name, kind, why in fields())
