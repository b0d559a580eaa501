"""What is written about Tocsin says the same as the code: settings, routes, commands, paths, links."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from functions.bodies import COMMANDS, ListQuery
from functions.operations import OPERATIONS
from shared.adapters.sources.catalogue import known_sources
from shared.settings import SETTINGS

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
LINK = re.compile(r"\]\((?!https?://|#|mailto:)([^)#\s]+)")
ROUTE = re.compile(r"`(GET|HEAD|POST) (/[^`]*)`")
BY_PAGE = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def example() -> Mapping[str, str]:
    values: Mapping[str, str] = json.loads(text(ROOT / "local.settings.example.json"))["Values"]
    return values


def section(heading: str) -> str:
    """A section of the README, from its heading to the next of the same rank."""
    found = re.search(rf"^## {heading}$(.*?)(?=^## |\Z)", text(README), re.MULTILINE | re.DOTALL)
    assert found, f"README.md has no section {heading!r}"
    return found[1]


def routes() -> set[tuple[str, str]]:
    """Method and path of every route, the commands as one."""
    commands = re.compile(rf"(?<=/\{{id\}}/)(?:{'|'.join(COMMANDS)})$")
    return {
        (each.method.upper(), commands.sub("{command}", each.path) if each.method == "post" else each.path)
        for each in OPERATIONS
    }


def test_every_setting_is_documented_with_its_meaning_and_its_default() -> None:
    by = {"app": "Bicep", "local": "only locally", "platform": "the platform"}
    rows = [
        f"| `{one.name}` | {one.meaning} | {f'`{one.default}`' if one.default else ''} | {by[one.where]} |"
        for one in SETTINGS
    ]
    written = text(ROOT / "docs" / "settings.md").splitlines()
    assert [line for line in written if line.startswith("| `")] == rows


def test_the_example_gives_the_defaults_of_the_code() -> None:
    defaults = {setting.name: setting.default for setting in SETTINGS if setting.default}
    differ = {
        name: value for name, value in example().items() if name in defaults and value != defaults[name]
    }
    assert differ == {}


def test_the_readme_names_every_route_and_no_other() -> None:
    assert set(ROUTE.findall(text(README))) == routes()


def test_the_readme_names_every_command_and_every_filter() -> None:
    rows = {match[2]: row for row in text(README).splitlines() for match in [ROUTE.search(row)] if match}
    assert re.findall(r"`([a-z-]+)`", rows["/api/v1/incidents/{id}/{command}"]) == list(COMMANDS)
    filters = ", ".join(ListQuery.model_fields)
    assert f"`{filters}`" in text(README)


def test_following_an_alert_leads_through_files_that_exist() -> None:
    paths = re.findall(r"[\w./-]+\.py|[\w./-]+/(?=[\]`)])", section("Follow an alert"))

    assert len(paths) > 10
    assert [path for path in paths if not (ROOT / path).exists()] == []


@BY_PAGE
def test_every_link_leads_somewhere(page: Path) -> None:
    dead = [target for target in LINK.findall(text(page)) if not (page.parent / target).exists()]
    assert dead == []


@BY_PAGE
def test_every_module_that_is_named_exists(page: Path) -> None:
    named = re.findall(
        r"`((?:functions|shared|local|tests|bench|infra)/[\w./-]+\.(?:py|bicep|md|json))`", text(page)
    )
    assert [path for path in named if not (ROOT / path).exists()] == []


@BY_PAGE
def test_every_command_line_names_a_module_that_exists(page: Path) -> None:
    modules = re.findall(r"python -m ((?:shared|local|bench)[\w.]*)", text(page))
    missing = [
        module
        for module in modules
        if not (ROOT / (module.replace(".", "/") + ".py")).exists()
        and not (ROOT / module.replace(".", "/") / "__main__.py").exists()
    ]
    assert missing == []


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", text(ROOT / "Makefile"), re.MULTILINE))
    named = {name for page in PAGES for name in re.findall(r"`?make ([a-z]+)\b(?=[ `\n])", text(page))}
    spoken = {name for name in named if f"`make {name}" in "".join(text(page) for page in PAGES)}
    assert spoken <= targets


def test_every_source_is_described() -> None:
    page = ROOT / "docs" / "sources.md"
    assert page.exists()
    assert [name for name in known_sources() if f"`{name}`" not in text(page)] == []
