"""The page behind an auditor's link: the bundle's files with their hashes. Plain HTML, nothing loaded."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.domain.export_link import ExportLink

if TYPE_CHECKING:
    from jinja2 import Template

FOLDER = Path(__file__).resolve().parent.parent / "web"
BESIDE = ("manifest.json", "manifest.sha256", "manifest.sig")


class ExportPage:
    """Renders it; every value is escaped."""

    def shown(self, link: ExportLink, manifest: Mapping[str, Any], token: str) -> bytes:
        """What the link leads to."""
        ends = "ends" if manifest.get("provisional") else "ended"
        page = _template().render(
            title=f"KPI audit export {link.plan}, {link.week} {link.label}",
            period=f"The week {ends} {manifest['to']} ({manifest['timezone']})",
            expires=f"{link.expires:%Y-%m-%d %H:%M} UTC",
            token=token,
            files=manifest["files"],
            beside=BESIDE,
        )
        return page.encode("utf-8", "replace")


@functools.cache
def _template() -> Template:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    place = Environment(loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined)
    return place.get_template("export.html")
