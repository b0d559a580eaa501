"""Who may import what, who may look at the clock and the environment, and how long a file may get."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CODE = ("function_app.py", "functions", "shared", "local", "bench")
TESTS = ("tests",)


@dataclass(frozen=True)
class Rule:
    """What modules of a place may import of ours, and which foreign packages they must leave alone."""

    place: str
    may: tuple[str, ...]
    never: tuple[str, ...] = ()


AZURE = ("azure",)
PORTS = ("shared.ports", "shared.export_ports")
HEAVY = ("azure", "pydantic", "yaml", "requests", "opentelemetry")
# The first rule whose place holds the module counts.
RULES = (
    Rule("function_app", ("functions",)),
    Rule(
        "functions",
        ("functions", "shared.app", "shared.workflows", *PORTS, "shared.domain", "shared.kpi"),
    ),
    Rule("shared.app", ("shared",)),
    Rule("shared.foundation", ("shared",)),
    Rule("shared.settings", ("shared.domain",), HEAVY),
    Rule("shared.ports", ("shared.domain",), HEAVY),
    Rule("shared.export_ports", ("shared.domain",), HEAVY),
    Rule("shared.domain", ("shared.domain",), HEAVY),
    Rule("shared.kpi.verify", (), HEAVY),
    Rule("shared.kpi", ("shared.kpi", "shared.domain"), AZURE),
    Rule("shared.web", ("shared.web", "shared.domain", "shared.ports"), AZURE),
    Rule("shared.plans", ("shared.plans", "shared.adapters", "shared.domain", "shared.kpi"), AZURE),
    Rule("shared.workflows", ("shared.workflows", *PORTS, "shared.domain", "shared.kpi"), AZURE),
    Rule("shared.adapters", ("shared.adapters", *PORTS, "shared.domain", "shared.settings")),
    Rule("local", ("local", "shared")),
    Rule("bench", ("bench", "local", "shared", "functions", "tests")),
)
OURS = ("function_app", "functions", "shared", "local", "bench", "tests")
CLOCKS = {"datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time", "time.time_ns"}
MAY_READ_THE_CLOCK = ("functions.clock", "local", "bench", "tests")
MAY_READ_THE_ENVIRONMENT = ("shared.app", "local", "bench", "tests")
MEANINGLESS = {
    "utils",
    "util",
    "helpers",
    "helper",
    "common",
    "manager",
    "managers",
    "service",
    "services",
    "base",
    "misc",
}
MOST_LINES, MOST_LINES_OF_TESTS = 400, 500
WRITTEN_TO_STAND_ALONE = {"shared/kpi/verify.py", "tests/test_verify.py"}


def files(*places: str) -> list[Path]:
    """Every Python file of these places."""
    found = [ROOT / place for place in places if (ROOT / place).exists()]
    return [path for one in found for path in ([one] if one.is_file() else sorted(one.rglob("*.py")))]


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def within(module: str, places: tuple[str, ...]) -> bool:
    return any(module == place or module.startswith(f"{place}.") for place in places)


def imported(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """The line and dotted name of everything that a module imports, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, "." * node.level + (node.module or "")


def dotted(node: ast.AST) -> str:
    """``datetime.now`` for such an expression, else the last name of it."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value).rpartition('.')[2]}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def named(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """The line and dotted name of every attribute that a module uses."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield node.lineno, dotted(node)


def broken_by_import(module: str, name: str) -> str | None:
    """The rule that an import breaks, in words."""
    rule = next((rule for rule in RULES if within(module, (rule.place,))), None)
    if name.startswith("."):
        return "imports name their module in full"
    if rule is None:
        return "this place stands in no rule: say in tests/test_layout.py what it may import"
    if within(name, OURS) and not within(name, rule.may):
        return f"{rule.place} imports only {', '.join(rule.may) or 'the standard library'}"
    if within(name, rule.never):
        return f"{rule.place} knows nothing of {name.partition('.')[0]}"
    return None


def check(path: Path) -> list[str]:
    """What a file of the product breaks, each as ``file:line: what: rule``."""
    module, tree = module_of(path), ast.parse(path.read_text(encoding="utf-8"))
    where = path.relative_to(ROOT).as_posix()
    broken = [
        f"{where}:{line}: import of {name}: {rule}"
        for line, name in imported(tree)
        if (rule := broken_by_import(module, name))
    ]
    if not within(module, MAY_READ_THE_CLOCK):
        broken += [
            f"{where}:{line}: {name}: only {', '.join(MAY_READ_THE_CLOCK)} read the clock"
            for line, name in named(tree)
            if name in CLOCKS
        ]
    if not within(module, MAY_READ_THE_ENVIRONMENT):
        broken += [
            f"{where}:{line}: {name}: only {', '.join(MAY_READ_THE_ENVIRONMENT)} read the environment"
            for line, name in named(tree)
            if name in {"os.environ", "os.getenv", "os.environb"}
        ]
    return broken


def test_imports_go_inwards_and_clock_and_environment_are_read_at_the_edge() -> None:
    assert [fault for path in files(*CODE) for fault in check(path)] == []


@pytest.mark.parametrize(
    ("module", "name", "allowed"),
    [
        ("functions.receive_alert", "shared.workflows.receive_alert", True),
        ("functions.receive_alert", "shared.adapters.incident_tables", False),
        ("functions.receive_alert", "azure.functions", True),
        ("shared.workflows.deliver", "functions.replies", False),
        ("shared.workflows.deliver", "shared.adapters.names", False),
        ("shared.workflows.deliver", "azure.core", False),
        ("shared.domain.incident", "shared.ports", False),
        ("shared.domain.incident", "pydantic", False),
        ("shared.adapters.key_vault", "shared.workflows.deliver", False),
        ("shared.adapters.key_vault", "azure.keyvault.secrets", True),
        ("shared.kpi.verify", "shared.kpi.figures", False),
        ("shared.somewhere.new", "json", False),
        ("local.host", "tests.stage", False),
    ],
)
def test_the_rules_tell_inwards_from_outwards(module: str, name: str, allowed: bool) -> None:
    assert (broken_by_import(module, name) is None) is allowed


def test_of_the_app_one_module_reads_the_clock() -> None:
    readers = [module_of(path) for path in files("functions") if within(module_of(path), MAY_READ_THE_CLOCK)]
    assert readers == ["functions.clock"]


def test_the_checks_find_what_they_look_for() -> None:
    tree = ast.parse("import os, datetime\nnow = datetime.datetime.now()\nx = os.environ['A']\n")
    assert {name for _, name in named(tree)} >= {"datetime.now", "os.environ"}
    assert [name for _, name in imported(tree)] == ["os", "datetime"]


def test_no_module_has_a_name_that_says_nothing() -> None:
    paths = files(*CODE, *TESTS)
    assert [str(path.relative_to(ROOT)) for path in paths if MEANINGLESS & set(path.stem.split("_"))] == []


def test_files_stay_short_enough_to_be_read() -> None:
    too_long = []
    for path in files(*CODE, *TESTS):
        where, lines = path.relative_to(ROOT).as_posix(), len(path.read_text(encoding="utf-8").splitlines())
        most = MOST_LINES_OF_TESTS if where.startswith("tests/") else MOST_LINES
        if lines > most and where not in WRITTEN_TO_STAND_ALONE:
            too_long.append(f"{where}: {lines} lines, at most {most}")
    assert too_long == []


def test_every_module_says_in_its_first_line_what_it_is() -> None:
    silent = [
        path.relative_to(ROOT).as_posix()
        for path in files(*CODE, *TESTS)
        if path.read_text(encoding="utf-8").strip()
        and not ast.get_docstring(ast.parse(path.read_text("utf-8")))
    ]
    assert silent == []
