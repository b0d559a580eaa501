"""The page behind a notification's link: how the incident stands, and a button for each answer to it.

Plain HTML without script or anything loaded from elsewhere, so it works on any phone. Forms post to the
page's own address, so the token stands nowhere in it.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from shared.adapters.channels.wording import cleaned, one_line, shortened
from shared.domain.errors import Fault
from shared.domain.standing import Asked

if TYPE_CHECKING:
    from jinja2 import Template

FOLDER = Path(__file__).resolve().parent.parent / "web"
LONGEST_LINE = 300
LONGEST_TEXT = 2_000
"""Of what the alert itself says."""
MOST_TEXT = 8_000
_ABOVE = "../api/v1"
"""From ``/a/<token>``, wherever Tocsin is mounted."""


class AnswerPage:
    """Renders it; every text is hostile and is escaped."""

    def asked(
        self,
        asked: Asked,
        said: str = "",
        faults: Sequence[Fault] = (),
        typed: Mapping[str, str] | None = None,
    ) -> bytes:
        """What one contact is asked: ``said`` is what came of an answer, ``typed`` what is kept of a form."""
        incident, kept = asked.incident, typed or {}
        plan = quote(incident.plan, safe="")
        runbook = quote(asked.runbook, safe="") if asked.runbook else None
        return _rendered(
            asked=True,
            heading=_line(incident.title or incident.name),
            drill=_line(incident.drill or ""),
            said=_line(said),
            faults=[_sentence(_FIELDS.get(fault.where, "") + fault.why) for fault in faults],
            standing="" if said else _line(asked.standing),
            actions=asked.actions,
            resolving=bool(faults) and kept.get("action") != "acknowledge",
            items=[_line(item) for item in asked.needs.items],
            codes=[(code, _line(title or code)) for code, title in asked.needs.codes.items()],
            typed_code=kept.get("code", ""),
            typed_resolution=cleaned(kept.get("resolution", "")),
            most_text=MOST_TEXT,
            incident=incident.id,
            severity=_line(incident.severity),
            service=_line(asked.service),
            why=_sentence(asked.why) if asked.why else "",
            summary=shortened(cleaned(incident.summary), LONGEST_TEXT),
            status=incident.status,
            opened=asked.opened,
            incident_link=f"{_ABOVE}/incidents/{incident.id}",
            runbook_link=f"{_ABOVE}/plans/{plan}/runbooks/{runbook}" if runbook else None,
            contact=_line(asked.contact),
        )

    def refusal(self, title: str, detail: str) -> bytes:
        """Why there is nothing to answer here."""
        return _rendered(asked=False, heading=_line(title), detail=_sentence(detail))


_FIELDS = {"code": "How it ended: ", "resolution": "What was done: ", "action": "The answer: "}


@functools.cache
def _template() -> Template:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    place = Environment(loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined)
    return place.get_template("answer.html")


def _rendered(**shown: object) -> bytes:
    return _template().render(**shown).encode("utf-8", "replace")


def _line(text: str) -> str:
    return shortened(one_line(text), LONGEST_LINE)


def _sentence(text: str) -> str:
    """Errors are written to stand after a colon; here they stand alone."""
    line = _line(text)
    return line[:1].upper() + line[1:] + ("" if line.endswith((".", "…")) else ".")
