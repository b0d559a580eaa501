"""Plans from a folder of YAML files, one organisation a file; ``python -m shared.adapters.plan_files`` checks
them and names everything that is wrong in all of them at once."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from shared.adapters.plan_checks import check_nothing, check_sense, check_words
from shared.adapters.plan_coverage import uncovered
from shared.adapters.plan_domain import plan_of
from shared.adapters.plan_shape import read_document
from shared.adapters.plan_ways import check_ways
from shared.adapters.plan_yaml import Flaw, Node, read_yaml
from shared.domain.errors import Fault, InvalidPlan, NotFound
from shared.domain.plan import Plan
from shared.domain.timeline import canonical

ENDINGS = {".yaml", ".yml"}
LONGEST_RULES = 400_000
"""Characters of the rules in full, aliases written out: they are frozen into one row of storage."""


class PlanFiles:
    """The plans of a folder, read once."""

    def __init__(self, folder: Path, known_sources: Mapping[str, bool] | None = None) -> None:
        """Reads every plan; raises InvalidPlan.

        ``known_sources`` says of each source by name whether it can sign its bodies; None checks neither.
        """
        self._plans = {plan.name: plan for plan in load(folder, known_sources)}

    def get(self, name: str) -> Plan:
        """The current plan. Raises NotFound."""
        if name not in self._plans:
            raise NotFound(f"there is no plan {name!r}")
        return self._plans[name]

    def all(self) -> Sequence[Plan]:
        """Every plan, by name."""
        return tuple(self._plans.values())


def load(folder: Path, known_sources: Mapping[str, bool] | None = None, *, words: bool = False) -> list[Plan]:
    """Every plan of the folder, by name. Raises InvalidPlan with every fault of every file.

    ``words``: templates are tried out as well, which takes too long for a start.
    """
    plans, faults = [], []
    for path in _files(folder):
        plan, flaws = _read(path, known_sources, words=words)
        faults.extend(flaws)
        if plan is not None:
            plans.append(plan)
    if not plans and not faults:
        faults.append(Fault(folder.as_posix(), "holds no plan: no file ends in .yaml or .yml"))
    twice = sorted(name for name, files in Counter(plan.name for plan in plans).items() if files > 1)
    faults.extend(Fault(folder.as_posix(), f"has {name}.yaml and {name}.yml") for name in twice)
    if faults:
        raise InvalidPlan("plans", faults)
    return sorted(plans, key=lambda plan: plan.name)


def read_plan(path: Path) -> Plan:
    """One plan from a file of any name. Raises InvalidPlan with every fault."""
    plan, faults = _read(path, None, words=False, any_name=True)
    if plan is None:
        raise InvalidPlan("plan", faults)
    return plan


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise InvalidPlan("plans", [Fault(folder.as_posix(), "is no folder")])
    return sorted(
        path for path in folder.iterdir() if path.suffix in ENDINGS and not path.name.startswith(".")
    )


def _read(
    path: Path, known_sources: Mapping[str, bool] | None, *, words: bool, any_name: bool = False
) -> tuple[Plan | None, list[Fault]]:
    try:
        content = path.read_bytes()
    except OSError as error:
        return None, [Fault(path.as_posix(), f"cannot be read: {error.strerror}")]
    node, flaws = read_yaml(content)
    if node is None:
        return None, _faults(path, None, flaws)
    data = node.plain()
    flaws += [*check_ways(data, known_sources), *check_sense(data, known_sources)]
    flaws += check_words(data) if words else ()
    if not any_name:
        flaws += _misnamed(data, path)
    document, misshapen = read_document(data)
    faults = _faults(path, node, [*flaws, *misshapen, *check_nothing(data)])
    if faults or document is None or not isinstance(data, dict):
        return None, faults
    plan = replace(plan_of(document), document=_canonical(data))
    if len(plan.rules.text) > LONGEST_RULES:
        long = f"its rules take {len(plan.rules.text)} characters in full; at most {LONGEST_RULES} are kept"
        return None, [Fault(path.as_posix(), long)]
    unmanned = _faults(path, node, list(_unmanned(plan)))
    return (None, unmanned) if unmanned else (plan, [])


def _canonical(data: Mapping[str, object]) -> str:
    """All that the file says, and the order of its names, which counts for severities and services."""
    order = {key: list(value) for key, value in data.items() if isinstance(value, dict)}
    return canonical({"document": data, "order": order}).decode("utf-8")


def _misnamed(data: object, path: Path) -> list[Flaw]:
    if isinstance(data, dict) and isinstance(data.get("plan"), str) and data["plan"] != path.stem:
        return [Flaw(("plan",), f"must be {path.stem!r}, the name of its file")]
    return []


def _unmanned(plan: Plan) -> Iterator[Flaw]:
    for rotation, gaps in uncovered(plan):
        if rotation.fallback is None:
            more = f" (and {len(gaps) - 1} more in a fortnight)" if len(gaps) > 1 else ""
            why = f"nobody is on call from {gaps[0]}{more}; name a fallback"
            yield Flaw(("rotations", rotation.name), why)


def _faults(path: Path, node: Node | None, flaws: list[Flaw]) -> list[Fault]:
    """One fault a place, in the order of the file; of several flaws the first, which knows most."""
    first: dict[tuple[object, ...], tuple[int, Fault]] = {}
    for flaw in flaws:
        line = flaw.line or (node.line_of(flaw.loc) if node else 1)
        where = f"{path.as_posix()}:{line}"
        fault = Fault(f"{where}: {_dotted(flaw)}" if flaw.loc else where, flaw.why)
        first.setdefault(flaw.loc or (flaw.why,), (line, fault))
    return [fault for _, fault in sorted(first.values(), key=lambda found: found[0])]


def _dotted(flaw: Flaw) -> str:
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in flaw.loc)
    return "".join(steps).removeprefix(".")


def report(folder: Path) -> Iterator[str]:
    """One line a plan, each checked against the sources of this version. Raises InvalidPlan."""
    from shared.adapters.sources.catalogue import known_sources

    signing = {name: source.signs for name, source in known_sources().items()}
    for plan in load(folder, signing, words=True):
        rules, directory = plan.rules, plan.directory
        yield (
            f"{plan.name}: {len(rules.severities)} severities, {len(rules.services)} services, "
            f"{len(rules.classify)} classification rules, {len(directory.contacts)} contacts, "
            f"{len(directory.channels)} channels, rules {rules.hash[:12]}"
        )
        for rotation, gaps in uncovered(plan):
            for gap in gaps:
                yield f"{plan.name}: {rotation.name}: only {rotation.fallback} from {gap}"


def main(arguments: list[str] | None = None) -> int:
    """Check the plans of a folder."""
    parser = argparse.ArgumentParser(prog="plan_files", description=main.__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("plans"))
    try:
        for line in report(parser.parse_args(arguments).folder):
            print(line)
    except InvalidPlan as invalid:
        for fault in invalid.faults:
            print(fault, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
