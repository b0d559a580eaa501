"""Runbooks from a folder of Markdown files, one folder an organisation; ``python -m
shared.adapters.runbook_files`` holds them against the plans and names everything that is wrong at once."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from shared.adapters.plan_values import NAME
from shared.adapters.runbook_text import read_runbook
from shared.domain.alert import Alert, fingerprint_of
from shared.domain.classification import classify
from shared.domain.errors import Fault, InvalidPlan, NotFound
from shared.domain.plan import Match, Plan
from shared.domain.runbook import Runbook, runbook_of

Shelf = Mapping[str, Mapping[str, Runbook]]
"""Plan -> name -> runbook."""
Place = Callable[[Plan, tuple[str | int, ...]], str]
"""Where something of a plan stands: ``file:line``, or as near to it as is known."""
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:|[#/]")
_PATTERN = re.compile(r"[*?\[]")


class RunbookFiles:
    """The runbooks under a folder, each plan's read when it is first asked for.

    A faulty runbook is served as far as it goes: in an incident half a runbook beats none.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[str, Mapping[str, Runbook]] = {}

    def all(self, plan: str) -> Sequence[Runbook]:
        """Every runbook of a plan, by name; none where it has no folder."""
        return tuple(self._of(plan).values())

    def get(self, plan: str, name: str) -> Runbook:
        """One runbook. Raises NotFound."""
        found = self._of(plan).get(name)
        if found is None:
            raise NotFound(f"there is no runbook {name} of {plan}")
        return found

    def _of(self, plan: str) -> Mapping[str, Runbook]:
        if plan not in self._read:
            folder = self._folder / plan
            named = re.fullmatch(NAME, plan) is not None
            self._read[plan] = {path.stem: _read(path)[0] for path in _files(folder)} if named else {}
        return self._read[plan]


def check(folder: Path, plans: Sequence[Plan], place: Place | None = None) -> list[Fault]:
    """Everything wrong with the runbooks under a folder, and with what the plans make of them."""
    shelf, faults = _shelf(folder)
    where = place or _by_name
    for plan in plans:
        own = shelf.get(plan.name, {})
        faults.extend(_dangling(plan, own, where))
        faults.extend(_without_runbook(plan, where))
        faults.extend(_unreached(plan, own, folder))
    return faults


def notes(folder: Path, plans: Sequence[Plan]) -> list[str]:
    """What is no fault and yet worth a look: runbooks to which nothing of a plan with rules leads."""
    shelf, _ = _shelf(folder)
    found = [f"{(folder / name).as_posix()}: no plan has this name" for name in _strangers(shelf, plans)]
    for plan in (each for each in plans if each.runbooks):
        used = {rule.runbook for rule in plan.runbooks} | {drill.runbook for drill in plan.drills}
        found.extend(
            f"{(folder / plan.name / name).as_posix()}.md: nothing of the plan leads to it"
            for name in shelf.get(plan.name, {})
            if name not in used
        )
    return found


def _strangers(shelf: Shelf, plans: Sequence[Plan]) -> list[str]:
    return sorted(set(shelf) - {plan.name for plan in plans})


def _shelf(folder: Path) -> tuple[Shelf, list[Fault]]:
    shelf: dict[str, dict[str, Runbook]] = {}
    faults: list[Fault] = []
    if not folder.is_dir():
        return shelf, [Fault(folder.as_posix(), "is no folder")]
    for inner in sorted(path for path in folder.iterdir() if path.is_dir()):
        own = shelf.setdefault(inner.name, {})
        for path in _files(inner):
            own[path.stem], flaws = _read(path)
            faults.extend(flaws)
    return shelf, faults


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.md") if not path.name.startswith("."))


def _read(path: Path) -> tuple[Runbook, list[Fault]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else f"it is not UTF-8 (byte {error.start})"
        return Runbook(path.stem, path.stem, ""), [Fault(path.as_posix(), f"cannot be read: {why}")]
    runbook, flaws = read_runbook(path.stem, text)
    if re.fullmatch(NAME, path.stem) is None:
        flaws.append((1, "its file's name must be lower-case letters, digits and '-'"))
    flaws.extend(_broken_links(path, text))
    return runbook, [Fault(f"{path.as_posix()}:{line}", why) for line, why in sorted(flaws)]


def _broken_links(path: Path, text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.splitlines(), start=1):
        for target in _LINK.findall(line):
            file = target.partition("#")[0]
            if not _ABSOLUTE.match(target) and not (path.parent / file).is_file():
                yield number, f"links to {file}, which is not there"


def _dangling(plan: Plan, own: Mapping[str, Runbook], where: Place) -> Iterator[Fault]:
    for number, rule in enumerate(plan.runbooks):
        if rule.runbook not in own:
            yield Fault(where(plan, ("runbooks", number, "runbook")), f"there is no runbook {rule.runbook}")
    for drill in plan.drills:
        if drill.runbook is not None and drill.runbook not in own:
            at = where(plan, ("drills", drill.name, "runbook"))
            yield Fault(at, f"there is no runbook {drill.runbook}")


def _without_runbook(plan: Plan, where: Place) -> Iterator[Fault]:
    """Alerts that the plan knows by their exact name and that no runbook rule matches."""
    if not plan.runbooks:
        return
    told: set[str] = set()
    for at, match, service in _conditions(plan):
        name = match.alert
        if name is None or name in told or _PATTERN.search(name):
            continue
        about = service or classify(_sample(name, match), plan.rules).service
        if runbook_of(plan.runbooks, name, about, match.source) is None:
            told.add(name)
            yield Fault(where(plan, at), f"no runbook is mapped to the alert {name}")


def _conditions(plan: Plan) -> Iterator[tuple[tuple[str | int, ...], Match, str | None]]:
    """Where each condition on alerts stands, and the service it decides."""
    for service in plan.rules.services:
        for number, match in enumerate(service.match):
            yield ("services", service.name, "match", number), match, service.name
    for number, rule in enumerate(plan.rules.classify):
        yield ("classify", number), rule.when, None
    for number, declaration in enumerate(plan.rules.declare):
        yield ("declare", number), declaration.when, None


def _sample(name: str, match: Match) -> Alert:
    """An alert of that name, as far as a condition says what it is like."""
    return Alert(
        source=match.source or "",
        fingerprint=fingerprint_of("", name),
        firing=True,
        name=name,
        started_at=datetime.min.replace(tzinfo=UTC),
        service=match.service,
        labels=match.labels,
    )


def _unreached(plan: Plan, own: Mapping[str, Runbook], folder: Path) -> Iterator[Fault]:
    """Runbooks that say they are for an alert which the plan's rules take elsewhere."""
    for runbook in own.values() if plan.runbooks else ():
        for name in runbook.alerts:
            if _PATTERN.search(name):
                continue
            service = classify(_sample(name, Match()), plan.rules).service
            leads = runbook_of(plan.runbooks, name, service, None)
            if leads != runbook.name:
                to = f"to {leads}" if leads else "nowhere"
                at = (folder / plan.name / runbook.name).as_posix()
                yield Fault(f"{at}.md", f"is for the alert {name}, which the plan leads {to}")


def _by_name(plan: Plan, loc: tuple[str | int, ...]) -> str:
    return f"{plan.name}.yaml: {'.'.join(str(step) for step in loc)}"


def _in_files(folder: Path) -> Place:
    """Places with the lines of the plans' files."""
    from shared.adapters.plan_files import ENDINGS
    from shared.adapters.plan_yaml import read_yaml

    def place(plan: Plan, loc: tuple[str | int, ...]) -> str:
        for path in (folder / f"{plan.name}{ending}" for ending in sorted(ENDINGS)):
            if path.is_file():
                node, _ = read_yaml(path.read_bytes())
                return f"{path.as_posix()}:{node.line_of(loc) if node else 1}"
        return _by_name(plan, loc)

    return place


def report(runbooks: Path, plans: Path) -> Iterator[str]:
    """One line a plan, and one a note. Raises InvalidPlan with every fault."""
    from shared.adapters.plan_files import load

    loaded = load(plans)
    if faults := check(runbooks, loaded, _in_files(plans)):
        raise InvalidPlan("runbooks", faults)
    shelf = RunbookFiles(runbooks)
    for plan in loaded:
        own = shelf.all(plan.name)
        skeletons = sum(runbook.skeleton for runbook in own)
        yield (
            f"{plan.name}: {len(own)} runbooks, {skeletons} of them skeletons, {len(plan.runbooks)} rules "
            "lead to them"
        )
    yield from (f"note: {note}" for note in notes(runbooks, loaded))


def main(arguments: list[str] | None = None) -> int:
    """Check the runbooks of a folder against the plans of another."""
    parser = argparse.ArgumentParser(prog="runbook_files", description=main.__doc__)
    parser.add_argument("runbooks", nargs="?", type=Path, default=Path("runbooks"))
    parser.add_argument("plans", nargs="?", type=Path, default=Path("plans"))
    chosen = parser.parse_args(arguments)
    try:
        for line in report(chosen.runbooks, chosen.plans):
            print(line)
    except InvalidPlan as invalid:
        for fault in invalid.faults:
            print(fault, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
