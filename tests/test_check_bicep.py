"""The checker of our Bicep passes what we deploy, and finds each fault sown into a copy of it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from local.check_bicep import check

ROOT = Path(__file__).parent.parent
INFRA = ROOT / "infra"


def test_the_checker_has_nothing_to_say_about_our_infrastructure() -> None:
    assert check([INFRA]) == []


FAULTS = {
    "an undefined symbol": (
        "main.bicep",
        "AZURE_LOCATION string = location",
        "AZURE_LOCATION string = locatoin",
        "'locatoin' is not",
    ),
    "an undefined function": (
        "main.bicep",
        "toLower(uniqueString",
        "lowercase(uniqueString",
        "'lowercase' is not",
    ),
    "a missing parameter": ("main.bicep", "    email: alertEmail\n", "", "not given its parameter 'email'"),
    "an unknown parameter": (
        "main.bicep",
        "    email: alertEmail",
        "    mail: alertEmail",
        "no parameter 'mail'",
    ),
    "an unknown output": ("main.bicep", "= vault.outputs.name", "= vault.outputs.uri", "no output 'uri'"),
    "a missing file": (
        "main.bicep",
        "modules/alarms.bicep",
        "modules/alarm.bicep",
        "alarm.bicep' does not exist",
    ),
    "a missing brace": ("modules/identity.bicep", "  tags: tags\n}", "  tags: tags\n", "syntax"),
    "a missing value": ("modules/key-vault.bicep", "enableSoftDelete: true", "enableSoftDelete:", "syntax"),
    "an unused parameter": ("modules/identity.bicep", "  tags: tags\n", "", "param 'tags' is never used"),
    "an unused variable": (
        "modules/roles.bicep",
        "\nresource hostAccount",
        "\nvar spare = 1\nresource hostAccount",
        "var 'spare' is never used",
    ),
    "an unused resource": (
        "modules/sign-in.bicep",
        "  parent: site\n",
        "",
        "existing resource 'site' is never used",
    ),
    "a symbol twice": (
        "modules/identity.bicep",
        "output id string",
        "resource identity 'Microsoft.X/y@2024-01-01' = {\n  name: 'x'\n}\noutput id string",
        "'identity' is declared more than once",
    ),
    "a property twice": (
        "modules/identity.bicep",
        "  name: name\n",
        "  name: name\n  name: name\n",
        "set more than",
    ),
    "keys in an output": (
        "modules/host-storage.bicep",
        "output name string = account.name",
        "output name string = account.listKeys().keys[0].value",
        "hands out a secret: listKeys()",
    ),
    "keys in an output by way of a variable": (
        "modules/host-storage.bicep",
        "output name string = account.name",
        "var door = 'x;${listKeys(account.id, '2023-05-01').keys[0].value}'\noutput name string = door",
        "hands out a secret: listKeys()",
    ),
    "a connection string in an output": (
        "modules/monitoring.bicep",
        "string = component.name",
        "string = component.properties.ConnectionString",
        "hands out a secret: ConnectionString",
    ),
    "a secure parameter in an output": (
        "modules/identity.bicep",
        "param name string\n",
        "@secure()\nparam name string\noutput again string = name\n",
        "hands out a secret: the secure parameter 'name'",
    ),
    "keys in an app setting": (
        "modules/function-app.bicep",
        "value: hostAccount.name",
        "value: hostAccount.listKeys().keys[0].value",
        "app setting 'AzureWebJobsStorage__accountName' holds a secret",
    ),
    "a password in an app setting": (
        "modules/function-app.bicep",
        "          name: 'PLANS_DIR'\n          value: 'plans'",
        "          name: 'SMTP_PASSWORD'\n          value: 'correct horse'",
        "app setting 'SMTP_PASSWORD' holds a secret",
    ),
    "a token in an app setting": (
        "modules/function-app.bicep",
        "value: 'plans'",
        "value: 'q9ZrT4xW1bNc8VmK2sLp7YdH'",
        "its value looks random",
    ),
    "a connection string in a default": (
        "main.bicep",
        "param codeVersion string = ''",
        "param codeVersion string = 'AccountName=x;AccountKey=abc'",
        "a secret is written here",
    ),
    "a parameter file with an unknown name": (
        "main.parameters.json",
        '"alertEmail"',
        '"alarmEmail"',
        "main.bicep has no parameter 'alarmEmail'",
    ),
    "a parameter file without a required name": (
        "main.parameters.json",
        '"location": { "value": "${AZURE_LOCATION}" },',
        "",
        "parameter 'location' of main.bicep is missing",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_checker_finds(fault: str, tmp_path: Path) -> None:
    file, old, new, message = FAULTS[fault]
    infra = tmp_path / "infra"
    shutil.copytree(INFRA, infra)
    whole = (infra / file).read_text("utf-8")
    assert old in whole
    (infra / file).write_text(whole.replace(old, new, 1), "utf-8")

    found = [str(one) for one in check([infra])]

    assert any(message in line and line.startswith(str(infra / file)) for line in found), found


def test_a_syntax_error_is_told_by_both_parsers_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "broken.bicep"
    file.write_text("param name string\noutput same string = name +* 1\n", "utf-8")

    found = check([file])

    assert {one.line for one in found} == {2}
    assert all(any(parser in one.message for one in found) for parser in ("tree-sitter", "pycep"))


def test_names_that_loops_and_lambdas_bind_are_not_taken_for_undefined(tmp_path: Path) -> None:
    file = tmp_path / "loops.bicep"
    file.write_text(
        "param names array\n"
        "var pairs = [for (name, i) in names: '${name}${i}']\n"
        "output long array = filter(pairs, pair => length(pair) > 3 && pair != 'none')\n",
        "utf-8",
    )

    assert check([file]) == []


def test_the_command_line_prints_file_line_and_column_and_ends_with_1(tmp_path: Path) -> None:
    file = tmp_path / "one.bicep"
    file.write_text("param unused string\n", "utf-8")

    bad = command(str(file))
    good = command("infra")
    empty = command(str(tmp_path / "nothing-here"))

    assert (bad.returncode, bad.stdout) == (1, f"{file}:1:1: error: param 'unused' is never used\n")
    assert good.returncode == 0
    assert empty.returncode == 1


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "local.check_bicep", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
