"""Plans from a folder of YAML files, one organisation a file; ``python -m shared.adapters.plan_files`` checks
them and names everything that is wrong in all of them at once."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from shared.adapters.plan_checks import check_sense
from shared.adapters.plan_documents import Condition, PlanDocument
from shared.adapters.plan_documents import Severity as SeverityDocument
from shared.adapters.plan_shape import read_document
from shared.adapters.plan_ways import check_ways
from shared.adapters.plan_yaml import Flaw, Node, read_yaml
from shared.adapters.rules_text import freeze
from shared.domain.errors import Fault, InvalidPlan, NotFound
from shared.domain.plan import (
    Channel,
    Classification,
    Contact,
    Directory,
    Grouping,
    Match,
    Plan,
    Reach,
    Repeat,
    Rules,
    Service,
    Severity,
    SourceTrust,
    Step,
)

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


def load(folder: Path, known_sources: Mapping[str, bool] | None = None) -> list[Plan]:
    """Every plan of the folder, by name. Raises InvalidPlan with every fault of every file."""
    plans, faults = [], []
    for path in _files(folder):
        plan, flaws = _read(path, known_sources)
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


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise InvalidPlan("plans", [Fault(folder.as_posix(), "is no folder")])
    return sorted(
        path for path in folder.iterdir() if path.suffix in ENDINGS and not path.name.startswith(".")
    )


def _read(path: Path, known_sources: Mapping[str, bool] | None) -> tuple[Plan | None, list[Fault]]:
    try:
        content = path.read_bytes()
    except OSError as error:
        return None, [Fault(path.as_posix(), f"cannot be read: {error.strerror}")]
    node, flaws = read_yaml(content)
    if node is None:
        return None, _faults(path, None, flaws)
    data = node.plain()
    flaws += [*check_ways(data, known_sources), *check_sense(data, known_sources)]
    if isinstance(data, dict) and isinstance(data.get("plan"), str) and data["plan"] != path.stem:
        flaws.append(Flaw(("plan",), f"must be {path.stem!r}, the name of its file"))
    document, misshapen = read_document(data)
    faults = _faults(path, node, [*flaws, *misshapen])
    if faults or document is None:
        return None, faults
    plan = _plan(document)
    if len(plan.rules.text) > LONGEST_RULES:
        long = f"its rules take {len(plan.rules.text)} characters in full; at most {LONGEST_RULES} are kept"
        return None, [Fault(path.as_posix(), long)]
    return plan, []


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


def _plan(document: PlanDocument) -> Plan:
    return Plan(
        name=document.plan,
        title=document.title,
        rules=freeze(_rules(document)),
        directory=_directory(document),
        visible_to=tuple(document.visible_to),
        sources={
            name: SourceTrust(
                bearer_secret=trust.bearer_secret,
                hmac_secret=trust.hmac_secret,
                signature_header=trust.signature_header and trust.signature_header.lower(),
                timestamp_header=trust.timestamp_header and trust.timestamp_header.lower(),
            )
            for name, trust in document.sources.items()
        },
        targets=document.targets.model_dump(exclude_none=True),
    )


def _rules(document: PlanDocument) -> Rules:
    return Rules(
        hash="",
        text="",
        plan=document.plan,
        timezone=document.timezone,
        severities=tuple(_severity(name, severity) for name, severity in document.severities.items()),
        default_severity=document.default_severity,
        default_service=document.default_service,
        services=tuple(
            Service(name, service.title, tuple(_match(match) for match in service.match))
            for name, service in document.services.items()
        ),
        classify=tuple(
            Classification(rule.name, rule.severity, _match(rule.when)) for rule in document.classify
        ),
        group=tuple(Grouping(rule.name, tuple(rule.by), _match(rule.when)) for rule in document.group),
        reopen_within=document.reopen_within,
        auto_resolve=document.auto_resolve,
        alarm=tuple(document.alarm.notify) if document.alarm else (),
    )


def _severity(name: str, severity: SeverityDocument) -> Severity:
    return Severity(
        name=name,
        title=severity.title,
        respond_within=severity.respond_within,
        resolve_within=severity.resolve_within,
        steps=tuple(Step(step.after, tuple(step.notify)) for step in severity.steps),
        until=severity.until,
        repeat=Repeat(severity.repeat.times, severity.repeat.every),
        acknowledgement_expires=severity.acknowledgement_expires,
    )


def _match(condition: Condition) -> Match:
    return Match(
        source=condition.source,
        alert=condition.alert,
        severity=condition.severity,
        service=condition.service,
        labels=dict(condition.labels),
    )


def _directory(document: PlanDocument) -> Directory:
    return Directory(
        contacts={
            name: Contact(name, contact.title, tuple(Reach(way.channel, way.to) for way in contact.reach))
            for name, contact in document.contacts.items()
        },
        channels={
            name: Channel(name, channel.kind, channel.url, channel.secret, dict(channel.options))
            for name, channel in document.channels.items()
        },
    )


def report(folder: Path) -> Iterator[str]:
    """One line a plan, each checked against the sources of this version. Raises InvalidPlan."""
    from shared.adapters.sources.catalogue import known_sources

    signing = {name: source.signs for name, source in known_sources().items()}
    for plan in load(folder, signing):
        rules, directory = plan.rules, plan.directory
        yield (
            f"{plan.name}: {len(rules.severities)} severities, {len(rules.services)} services, "
            f"{len(rules.classify)} classification rules, {len(directory.contacts)} contacts, "
            f"{len(directory.channels)} channels, rules {rules.hash[:12]}"
        )


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
