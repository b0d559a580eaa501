"""Does the verifier find every altered byte, and say where it is? Alters random bytes, one at a time.

``python -m bench.flips BUNDLE.zip [HOW_MANY] [SEED]``; exit code 1 where one was not found, or its member
not named.
"""

from __future__ import annotations

import contextlib
import io
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from random import Random

from shared.kpi import verify


@dataclass(frozen=True)
class Flip:
    """One byte altered: where it is, in which member (or the zip's own records), and what was said of it."""

    at: int
    member: str
    found: bool
    named: bool
    said: str


def member_at(path: Path, at: int) -> str:
    """The member whose content holds that byte; empty for the zip's own records."""
    with zipfile.ZipFile(path) as bundle:
        for info in bundle.infolist():
            begins = info.header_offset + 30 + len(info.filename)
            if begins <= at < begins + info.file_size:
                return info.filename
    return ""


def flip(path: Path, whole: bytes, at: int, mask: int, scratch: Path) -> Flip:
    """Alter one byte and verify."""
    altered = bytearray(whole)
    altered[at] ^= mask
    scratch.write_bytes(altered)
    said, member = io.StringIO(), member_at(path, at)
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = verify.main([str(scratch)])
    problems = said.getvalue()
    return Flip(at, member, code != 0, (member or "bundle.zip") in problems, problems)


def run(path: Path, count: int, seed: int) -> list[Flip]:
    """So many flips: half of them anywhere, half spread evenly over the members, small ones too."""
    rng, whole = Random(seed), path.read_bytes()  # noqa: S311  (any bytes will do, the same each time)
    with zipfile.ZipFile(path) as bundle:
        spans = [(one.header_offset + 30 + len(one.filename), one.file_size) for one in bundle.infolist()]
    spans = [span for span in spans if span[1]]
    flips = []
    with tempfile.TemporaryDirectory() as folder:
        for nth in range(count):
            begins, size = rng.choice(spans) if nth % 2 else (0, len(whole))
            flips.append(
                flip(path, whole, begins + rng.randrange(size), 1 << rng.randrange(8), Path(folder, "b.zip"))
            )
            if (nth + 1) % 100 == 0:
                print(f"{nth + 1} of {count}", flush=True)
    return flips


def main(arguments: list[str]) -> int:
    """Run and print; the exit code."""
    path, count, seed = Path(arguments[0]), *(int(one) for one in (*arguments[1:], *("1000", "1"))[:2])
    flips = run(path, count, seed)
    missed = [one for one in flips if not one.found]
    unnamed = [one for one in flips if one.found and not one.named]
    for one in (*missed, *unnamed)[:20]:
        print(f"byte {one.at} of {one.member or 'the zip itself'}: {one.said[-400:]!r}")
    found = count - len(missed)
    print(f"{count} bytes flipped: {found} found, {found - len(unnamed)} with their place")
    return 1 if missed or unnamed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
