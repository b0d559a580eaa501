"""A status page as HTML that stands alone: no script, nothing loaded, every text escaped."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from datetime import datetime
from html import escape

from shared.adapters.channels.wording import cleaned, one_line
from shared.domain.hours import in_local_words
from shared.domain.status_page import ABOUT, PublicIncident, PublicStatus, PublicUpdate, State

STYLE = """
:root{color-scheme:light dark;--ink:#1b1f24;--paper:#fff;--line:#d0d7de;--soft:#57606a;
--good:#1a7f37;--fair:#9a6700;--bad:#cf222e}
@media (prefers-color-scheme:dark){:root{--ink:#e6edf3;--paper:#0d1117;--line:#30363d;--soft:#9198a1;
--good:#3fb950;--fair:#d29922;--bad:#f85149}}
body{margin:0 auto;max-width:46rem;padding:1.5rem 1rem;color:var(--ink);background:var(--paper);
font:1rem/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
h1{font-size:1.6rem;margin:0 0 1rem}h2{font-size:1.2rem;margin:2rem 0 .5rem}h3{font-size:1rem;margin:0}
.whole{padding:.75rem 1rem;border:2px solid;border-radius:.5rem;font-weight:600;margin:0}
ul,ol{list-style:none;margin:0;padding:0}
.services li{display:flex;justify-content:space-between;gap:1rem;padding:.5rem 0;
border-bottom:1px solid var(--line)}
article{border:1px solid var(--line);border-radius:.5rem;padding:1rem;margin:0 0 1rem}
article li{margin:.75rem 0 0}.said{white-space:pre-line;margin:.1rem 0 0}
.soft,footer{color:var(--soft);font-size:.875rem;margin:.1rem 0 0}footer{margin-top:2rem}
.operational{color:var(--good)}.degraded{color:var(--fair)}.disrupted{color:var(--bad)}
"""
POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; style-src 'sha256-"
    + base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    + "'"
)
_MARK: dict[State, str] = {"operational": "\u2713", "degraded": "\u25d0", "disrupted": "\u2715"}
_IN_WORDS: dict[State, str] = {"operational": "Operational", "degraded": "Degraded", "disrupted": "Disrupted"}
_WHOLE: dict[State, str] = {
    "operational": "All services are operational",
    "degraded": "Some services are degraded",
    "disrupted": "Some services are disrupted",
}


def status_html(page: PublicStatus) -> tuple[bytes, str]:
    """The document in UTF-8, and the Content-Security-Policy that lets nothing in but its own style."""
    zone = page.timezone
    services = "".join(
        f'<li><span>{_line(each.title)}</span><span class="{each.state}">{_state(each.state)}</span></li>'
        for each in page.services
    )
    live = [each for each in page.incidents if each.resolved_at is None]
    past = [each for each in page.incidents if each.resolved_at is not None]
    title = _line(page.title)
    document = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n"
        f'<p class="whole {page.state}"><span aria-hidden="true">{_MARK[page.state]} </span>'
        f"{_WHOLE[page.state]}</p>\n"
        + (f'<h2>Services</h2>\n<ul class="services">{services}</ul>\n' if services else "")
        + "<h2>Incidents</h2>\n"
        + (_incidents(live, zone) or "<p>Nothing to report.</p>\n")
        + (f"<h2>Resolved</h2>\n{_incidents(past, zone)}" if past else "")
        + f"</main>\n<footer><p>As of {_time(page.updated_at, zone)}.</p><p>{escape(ABOUT)}</p></footer>\n"
        "</body>\n</html>\n"
    )
    return document.encode("utf-8", "replace"), POLICY


def _incidents(incidents: Iterable[PublicIncident], zone: str) -> str:
    return "".join(_incident(each, zone) for each in incidents)


def _incident(incident: PublicIncident, zone: str) -> str:
    name = f"i-{escape(incident.id)}"
    ended = f", resolved {_time(incident.resolved_at, zone)}" if incident.resolved_at else ""
    updates = "".join(_update(each, zone) for each in incident.updates)
    return (
        f'<article id="{name}" aria-labelledby="{name}-t">\n'
        f'<h3 id="{name}-t">{_line(incident.title)}: '
        f'<span class="{incident.state}">{incident.phase.capitalize()}</span></h3>\n'
        f'<p class="soft">Since {_time(incident.opened_at, zone)}{ended}</p>\n'
        + (f"<ol reversed>{updates}</ol>\n" if updates else "")
        + "</article>\n"
    )


def _update(update: PublicUpdate, zone: str) -> str:
    return (
        f'<li><strong>{update.phase.capitalize()}</strong> <span class="soft">{_time(update.at, zone)}</span>'
        f'<p class="said">{escape(cleaned(update.words))}</p></li>'
    )


def _state(state: State) -> str:
    return f'<span aria-hidden="true">{_MARK[state]} </span>{_IN_WORDS[state]}'


def _time(instant: datetime, zone: str) -> str:
    exact, local = instant.isoformat(timespec="seconds"), escape(in_local_words(instant, zone))
    return f'<time datetime="{exact}">{local}</time>'


def _line(text: str) -> str:
    return escape(one_line(text)) or "-"
