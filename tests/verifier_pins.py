"""What the verifier pins of a report and a workbook; `python -m tests.verifier_pins` writes the pins anew."""

from __future__ import annotations

import base64
import hashlib
import re
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

from shared.kpi import verify
from shared.kpi.report_html import FOLDER
from shared.kpi.workbook_xlsx import write
from tests.report_weeks import week

REFRESH = "python -m tests.verifier_pins"


def style_pin() -> str:
    """Of the style sheet as it is."""
    return base64.b64encode(hashlib.sha256((FOLDER / "report.css").read_bytes()).digest()).decode("ascii")


def book_pins(folder: Path) -> dict[str, tuple[int, str]]:
    """Of workbooks that are made there: bytes and SHA-256 of the parts that are the same in all."""
    one, found = week(), {}
    write(folder / "workbook.xlsx", one.kpi, one.read)
    write(folder / "undated", one.kpi, lambda _: [b"id,due\n"])
    for name in verify.BOOK_PINS:
        part, _, variant = name.partition(" ")
        with zipfile.ZipFile(folder / (variant or "workbook.xlsx")) as parts:
            content = parts.read(part)
        found[name] = (len(content), hashlib.sha256(content).hexdigest())
    return found


def refresh() -> None:
    """Write the pins into the verifier."""
    path = Path(verify.__file__)
    text = re.sub('STYLE_PIN = ".*?"', f'STYLE_PIN = "{style_pin()}"', path.read_text(encoding="utf-8"))
    with TemporaryDirectory() as folder:
        for name, (size, sha256) in book_pins(Path(folder)).items():
            text = re.sub(rf'("{re.escape(name)}": \()[^)]*\)', rf'\g<1>{size}, "{sha256}")', text)
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    refresh()
