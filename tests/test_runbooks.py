"""Runbooks: which one is for what, what a file must hold, and how they are held against the plans."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from shared.adapters.runbook_files import RunbookFiles, check, main, notes
from shared.adapters.runbook_text import read_runbook
from shared.domain.errors import NotFound
from shared.domain.plan import Classification, Declaration, Match, Plan, RunbookRule, Service
from shared.domain.runbook import PARTS, runbook_of
from shared.domain.schedule import Drill
from tests.acme import ACME, ROOT
from tests.builders import a_plan, minutes, some_rules

RUNBOOKS = ROOT / "runbooks"
WHOLE = """# Disk full

## Alert information

- Alerts: `DiskFull`, `DiskFilling`
- Severity: high, somebody looks within the hour

## Quick assessment

Look at it. [The other one](other.md) may fit better; so may <https://example.org>.

## Investigation

```sh
## not a heading
df -h
```

## Resolution

Remove something.

## Post-resolution

Write it down.
"""
OTHER = WHOLE.replace("- Alerts: `DiskFull`, `DiskFilling`\n", "").replace("(other.md)", "(disk-full.md)")
DATABASE = RunbookRule("database", Match(service="database"))
LABELLED = RunbookRule("labelled", Match(alert="Disk*", labels={"team": "core"}))
DISKS = RunbookRule("disk-full", Match(alert="Disk*"))
REST = RunbookRule("other")


def written(folder: Path, **files: str) -> Path:
    """A folder of runbooks for the plan acme; names have ``_`` for ``-``."""
    own = folder / "acme"
    own.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (own / f"{name.replace('_', '-')}.md").write_text(text, encoding="utf-8")
    return folder


def flaws(text: str) -> list[tuple[int, str]]:
    return sorted(read_runbook("disk-full", text)[1])


def faults(folder: Path, *plans: Plan) -> list[str]:
    return [str(fault).removeprefix(f"{folder.as_posix()}/") for fault in check(folder, plans)]


def mapped(*rules: RunbookRule) -> Plan:
    return replace(a_plan(), runbooks=rules)


def test_the_first_rule_that_matches_names_the_runbook_of_an_alert() -> None:
    rules = (DATABASE, LABELLED, DISKS, REST)

    assert runbook_of(rules, "DiskFull", "api", "grafana") == "disk-full"
    assert runbook_of(rules, "DiskFull", "database", "grafana") == "database"
    assert runbook_of(rules, "Anything", "api", "grafana") == "other"
    assert runbook_of(rules[:3], "Anything", "api", "grafana") is None
    assert runbook_of((), "DiskFull", "api", "grafana") is None


@pytest.mark.parametrize(
    "more",
    [
        Match(alert="Disk*", severity="critical"),
        Match(alert="Disk*", labels={"team": "*"}),
        Match(alert="Disk*", annotations={"summary": "*"}),
        Match(alert="Disk*", values={"used": ("> 90",)}),
    ],
)
def test_without_the_alert_at_hand_a_rule_that_asks_for_more_of_it_is_passed_over(more: Match) -> None:
    assert runbook_of((RunbookRule("narrow", more), DISKS), "DiskFull", "api", "grafana") == "disk-full"


def test_an_incident_has_its_runbook_by_name_service_and_source() -> None:
    grafana = RunbookRule("from-grafana", Match(alert="DiskFull", source="grafana"))
    rules = (grafana, DATABASE, DISKS)

    assert runbook_of(rules, "DiskFull", "api", "grafana") == "from-grafana"
    assert runbook_of(rules, "DiskFull", "api", "generic") == "disk-full"
    assert runbook_of(rules, "DiskFull", "api", None) == "disk-full", "one declared by hand has no source"
    assert runbook_of(rules, "Slow", "database", None) == "database"
    assert runbook_of(rules, "Slow", "api", "grafana") is None


def test_a_runbook_is_read_with_title_alerts_severity_and_five_parts() -> None:
    runbook, wrong = read_runbook("disk-full", WHOLE)

    assert wrong == []
    assert (runbook.name, runbook.title, runbook.text) == ("disk-full", "Disk full", WHOLE)
    assert runbook.alerts == ("DiskFull", "DiskFilling")
    assert runbook.severity == "high, somebody looks within the hour"
    assert not runbook.skeleton
    assert tuple(part.name for part in runbook.parts) == PARTS
    assert runbook.parts[2].text == "```sh\n## not a heading\ndf -h\n```"


def test_a_skeleton_says_so_and_what_is_missing() -> None:
    text = WHOLE.replace("# Disk full\n", "# Disk full\n\nStatus: skeleton. Nobody has written it yet.\n", 1)
    runbook, wrong = read_runbook("disk-full", text)

    assert (runbook.skeleton, wrong) == (True, [])
    bare = text.replace(" Nobody has written it yet.", "")
    assert flaws(bare) == [(3, "a skeleton says in a sentence what is missing")]
    [(line, why)] = flaws(text.replace("skeleton", "perfect", 1))
    assert (line, "the only status" in why) == (3, True)


def test_every_part_stands_once_in_order_and_not_empty() -> None:
    last = len(WHOLE.splitlines())
    swapped = WHOLE.replace("## Resolution", "## X").replace("## Quick assessment", "## Resolution")

    assert flaws(WHOLE.replace("## Resolution\n", "")) == [(last - 1, "“Resolution” is missing")]
    assert flaws(WHOLE.replace("Remove something.\n", "### Nothing\n")) == [(19, "“Resolution” is empty")]
    assert flaws(WHOLE + "\n## Resolution\n\nAgain.\n") == [(last + 2, "“Resolution” stands here again")]
    assert (12, "“Investigation” stands after “Resolution”") in flaws(
        swapped.replace("## X", "## Quick assessment")
    )
    assert any("none of the five parts" in why for _, why in flaws(swapped))
    assert {why for _, why in flaws("")} >= {f"“{part}” is missing" for part in PARTS}


@pytest.mark.parametrize("text", ["\n" + WHOLE, WHOLE.replace("# Disk full", "#"), WHOLE + "\n# More\n"])
def test_the_title_is_the_first_line_and_the_only_one(text: str) -> None:
    head = text if "# More" not in text else text.replace("# Disk full\n", "# Disk full\n# More\n", 1)
    assert (1, "the first line must be its title, “# …”, and the only one") in flaws(head)


def test_runbooks_and_plan_that_fit_have_no_fault(tmp_path: Path) -> None:
    folder = written(tmp_path, disk_full=WHOLE, other=OTHER)

    assert faults(folder, mapped(DISKS, REST)) == []
    assert faults(folder, a_plan()) == [], "a plan need not have any rules"
    assert notes(folder, [mapped(DISKS, REST)]) == []
    assert [note.partition("acme/")[2] for note in notes(folder, [mapped(DISKS)])] == [
        "other.md: nothing of the plan leads to it"
    ]
    assert [note.rpartition(":")[2] for note in notes(folder, [])] == [" no plan has this name"]


def test_what_is_wrong_with_a_file_is_named_with_its_line(tmp_path: Path) -> None:
    folder = written(tmp_path, disk_full=WHOLE.replace("Write it down.\n", ""), Odd=OTHER)
    (folder / "acme/bytes.md").write_bytes(b"\xff")
    (folder / "acme/folder.md").mkdir()

    assert faults(folder) == [
        "acme/Odd.md:1: its file's name must be lower-case letters, digits and '-'",
        "acme/bytes.md: cannot be read: it is not UTF-8 (byte 0)",
        "acme/disk-full.md:10: links to other.md, which is not there",
        "acme/disk-full.md:23: “Post-resolution” is empty",
        "acme/folder.md: cannot be read: Is a directory",
    ]
    assert [fault.why for fault in check(tmp_path / "nowhere", [])] == ["is no folder"]


def test_a_rule_or_drill_that_leads_to_no_runbook_is_a_fault(tmp_path: Path) -> None:
    folder = written(tmp_path, disk_full=WHOLE, other=OTHER)
    drill = Drill("fire", "Fire", 1, 4, 600, "api", "P1", runbook="burning")
    plan = replace(mapped(DISKS, REST, DATABASE), drills=(drill, replace(drill, name="calm", runbook=None)))

    assert faults(folder, plan) == [
        "acme.yaml: runbooks.2.runbook: there is no runbook database",
        "acme.yaml: drills.fire.runbook: there is no runbook burning",
    ]


def test_an_alert_that_the_plan_names_and_no_rule_takes_is_a_fault(tmp_path: Path) -> None:
    folder = written(tmp_path, disk_full=WHOLE, other=OTHER)
    rules = replace(
        some_rules(),
        services=(
            Service("database", match=(Match(alert="SlowQuery"), Match(labels={"app": "postgres"}))),
            Service("api", match=(Match(alert="ApiDown"), Match(alert="Api*"))),
        ),
        classify=(
            Classification("full", "P1", Match(alert="DiskFull")),
            Classification("lag", "P1", Match(alert="Lag", labels={"app": "postgres"})),
            Classification("odd", "P1", Match(alert="Odd[12]")),
        ),
        declare=(Declaration("late", minutes(5), Match(alert="Late", source="grafana")),),
    )
    plan = replace(mapped(DISKS, replace(DATABASE, runbook="other")), rules=rules)

    assert faults(folder, plan) == [
        "acme.yaml: services.api.match.0: no runbook is mapped to the alert ApiDown",
        "acme.yaml: declare.0: no runbook is mapped to the alert Late",
    ]
    late = RunbookRule("other", Match(alert="Late", source="grafana"))
    assert faults(folder, replace(plan, runbooks=(*plan.runbooks, late))) == [
        "acme.yaml: services.api.match.0: no runbook is mapped to the alert ApiDown"
    ]
    assert faults(folder, replace(plan, runbooks=())) == []


def test_a_runbook_that_claims_an_alert_led_elsewhere_is_a_fault(tmp_path: Path) -> None:
    folder = written(tmp_path, disk_full=WHOLE, other=OTHER)
    full = RunbookRule("other", Match(alert="DiskFull"))

    assert faults(folder, mapped(full, DISKS)) == [
        "acme/disk-full.md: is for the alert DiskFull, which the plan leads to other"
    ]
    assert [line.rpartition(" ")[2] for line in faults(folder, mapped(full))] == ["other", "nowhere"]


def test_a_faulty_runbook_is_served_as_far_as_it_goes(tmp_path: Path) -> None:
    files = RunbookFiles(written(tmp_path, disk_full="# Half\n\n## Resolution\n\nPull the plug.\n"))

    [runbook] = files.all("acme")
    assert runbook == files.get("acme", "disk-full")
    assert [part.text for part in runbook.parts] == ["Pull the plug."]
    assert files.all("nobody") == ()


@pytest.mark.parametrize("name", ["nothing", "../acme/disk-full", "disk-full.md", "", "DISK-FULL", ".."])
def test_only_names_of_runbooks_lead_to_files(tmp_path: Path, name: str) -> None:
    files = RunbookFiles(written(tmp_path / "runbooks", disk_full=WHOLE))
    with pytest.raises(NotFound):
        files.get("acme", name)
    for plan in ("../runbooks/acme", "..", "", "acme/../acme"):
        assert files.all(plan) == ()


def test_the_check_prints_a_line_a_plan_or_every_fault(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, plans = written(tmp_path / "runbooks", disk_full=WHOLE, other=OTHER), tmp_path / "plans"
    plans.mkdir()
    mapping = "runbooks:\n  - {when: {alert: Disk*}, runbook: disk-full}\n"
    (plans / "acme.yaml").write_text(ACME + mapping, encoding="utf-8")
    assert main([str(folder), str(plans)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "acme: 2 runbooks, 0 of them skeletons, 1 rules lead to them",
        f"note: {folder.as_posix()}/acme/other.md: nothing of the plan leads to it",
    ]

    written(folder, other=OTHER.replace("## Investigation\n", ""), disk_full=WHOLE.replace("# Disk", "Disk"))
    (plans / "acme.yaml").write_text(ACME + mapping.replace("disk-full", "gone"), encoding="utf-8")
    assert main([str(folder), str(plans)]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    told = [fault.removeprefix(f"{tmp_path.as_posix()}/") for fault in said.err.splitlines()]
    assert [fault.partition(": ")[0] for fault in told] == [
        "runbooks/acme/disk-full.md:1",
        "runbooks/acme/other.md:23",
        f"plans/acme.yaml:{len(ACME.splitlines()) + 2}",
        "runbooks/acme/disk-full.md",
        "runbooks/acme/disk-full.md",
    ]


def test_the_runbooks_that_are_delivered_fit_their_plans(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(RUNBOOKS), str(ROOT / "plans")]) == 0, capsys.readouterr().err


INDEX = """
platform-outage database-failure ml-pipeline-failure security-incident high-error-rate
performance-degradation video-processing-failures gpu-resource-exhaustion high-cpu-usage high-memory-usage
pod-crashloop storage-issues network-connectivity prometheus-issues grafana-issues alerting-issues
jaeger-issues argocd-sync-failures canary-deployment-failures image-pull-failures configuration-issues
"""


def test_footanalytics_has_every_runbook_of_its_index_and_its_map() -> None:
    found = RunbookFiles(RUNBOOKS).all("footanalytics")
    leads = {alert: runbook.name for runbook in found for alert in runbook.alerts}

    assert {runbook.name for runbook in found} == {*INDEX.split(), "infrastructure-issues"}
    assert all(runbook.skeleton for runbook in found), "its document only names them"
    assert leads == {
        "PlatformAvailabilityCritical": "platform-outage",
        "APIResponseTimeHigh": "performance-degradation",
        "HighErrorRate": "high-error-rate",
        "DatabaseConnectionFailure": "database-failure",
        "MLInferenceLatencyHigh": "ml-pipeline-failure",
        "KubernetesNodeNotReady": "infrastructure-issues",
        "KubernetesPodCrashLooping": "pod-crashloop",
        "PersistentVolumeUsageHigh": "storage-issues",
        "CanaryFailed": "canary-deployment-failures",
        "ArgoCDSyncFailed": "argocd-sync-failures",
    }


def test_every_organisation_has_runbooks_and_bimrides_are_skeletons() -> None:
    shelf = {path.name: RunbookFiles(RUNBOOKS).all(path.name) for path in RUNBOOKS.iterdir()}

    assert set(shelf) == {
        "bimride",
        "fair-credit-scorer",
        "footanalytics",
        "malaria-prediction",
        "ml-platform",
    }
    assert all(runbook.skeleton for runbook in shelf["bimride"])
    assert not any(runbook.skeleton for runbook in shelf["fair-credit-scorer"])
    assert min(len(own) for own in shelf.values()) >= 5
