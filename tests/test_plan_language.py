"""A plan that uses the whole language becomes what the domain understands, or its faults are named."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.adapters.plan_files import load, main
from shared.adapters.plan_values import parse_span
from shared.adapters.rules_text import rules_from_text
from shared.domain.errors import InvalidPlan
from shared.domain.hours import BusinessHours, BusinessTime, Span
from shared.domain.matrix import Inform, Repeat, Step, Updates
from shared.domain.oncall import Layer, Override, Restriction
from shared.domain.plan import (
    ActionItemRule,
    Calendar,
    Checklist,
    ClosingCode,
    Declaration,
    Item,
    Match,
    Plan,
    ReviewRule,
    Role,
    RunbookRule,
    Template,
)
from shared.domain.schedule import Digest, Drill
from tests.acme import PLANS, ROOT

GLOBEX = (PLANS / "globex.yaml").read_text(encoding="utf-8")


def minutes(count: int) -> timedelta:
    return timedelta(minutes=count)


def hours(count: int) -> timedelta:
    return timedelta(hours=count)


def globex(folder: Path, text: str = GLOBEX) -> Plan:
    (folder / "globex.yaml").write_text(text, encoding="utf-8")
    (plan,) = load(folder, words=True)
    return plan


def changed(old: str, new: str) -> str:
    assert GLOBEX.count(old) == 1, f"{old!r} stands {GLOBEX.count(old)} times in the plan"
    return GLOBEX.replace(old, new)


def faults_of(folder: Path, text: str) -> list[str]:
    (folder / "globex.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(InvalidPlan) as refused:
        load(folder, words=True)
    return [str(fault).removeprefix(f"{folder.as_posix()}/globex.yaml:") for fault in refused.value.faults]


def outcome(folder: Path) -> str:
    try:
        return load(folder)[0].name
    except InvalidPlan as refused:
        return str(refused)


def cases() -> list[tuple[str, str, list[str]]]:
    blocks = (PLANS / "globex-faults.txt").read_text(encoding="utf-8").strip().split("\n\n")[1:]
    lines = [[line[2:].replace("\\n", "\n") for line in block.splitlines()] for block in blocks]
    return [(old, new.replace("{nothing}", ""), faults) for old, new, *faults in lines]


@pytest.mark.parametrize(("old", "new", "faults"), cases())
def test_what_cannot_work_is_named_by_line_and_field(
    tmp_path: Path, old: str, new: str, faults: list[str]
) -> None:
    assert faults_of(tmp_path, changed(old, new)) == faults


def test_severities_say_who_is_called_who_is_told_and_when_updates_are_owed(tmp_path: Path) -> None:
    first, _, last = globex(tmp_path).rules.severities
    assert first.steps == (
        Step(minutes(0), ("first-line",), template="declared"),
        Step(minutes(0), ("database-expert",), services=("database",)),
        Step(minutes(15), ("boss",), unless="acknowledged"),
        Step(hours(1), ("commander", "boss"), template="escalation"),
    )
    assert first.inform == (
        Inform(minutes(0), ("boss",)),
        Inform(minutes(30), ("support",), customer_facing=True),
    )
    assert first.updates == (
        Updates("internal", minutes(30), None, ("commander",), minutes(5), ("room",)),
        Updates(
            "external",
            hours(1),
            minutes(15),
            ("commander",),
            minutes(5),
            ("status-page",),
            customer_facing=True,
            template="status-page",
        ),
    )
    assert (last.respond_within, last.resolve_within) == (BusinessTime(hours(8)), BusinessTime())
    assert [step.after for step in last.steps] == [BusinessTime(minutes(0)), BusinessTime(hours(4))]
    assert last.repeat == Repeat(1, BusinessTime(hours(1)))


def test_alerts_are_judged_by_what_was_measured_and_may_have_to_wait(tmp_path: Path) -> None:
    rules = globex(tmp_path).rules
    assert [rule.when for rule in rules.classify] == [
        Match(values={"error_rate": ("> 10",)}),
        Match(values={"error_rate": (">= 5", "<= 10")}),
        Match(annotations={"impact": "*customers*"}),
    ]
    assert rules.declare == (Declaration("down-for-5m", minutes(5), Match(alert="*Unavailable*")),)
    assert [service.name for service in rules.services if service.customer_facing] == ["shop"]


def test_the_rules_say_what_people_do_and_by_when(tmp_path: Path) -> None:
    rules = globex(tmp_path).rules
    assert rules.hours == BusinessHours((0, 1, 2, 3, 4), 540, 1020, ("2026-12-25", "2027-01-01"))
    assert rules.roles == (
        Role("commander", "Commander", "first-line", "boss"),
        Role("database-expert", "", "ben", None, ("database",)),
        Role("scribe", "Writes along"),
    )
    assert rules.checklists[0] == Checklist(
        "first-minutes",
        "initial",
        (
            Item("scope-known", "It is known who is hit, and since when", required=True),
            Item("room-open", "The room is open"),
        ),
        "The first minutes",
        ("SEV1",),
    )
    assert rules.closing_codes[0] == ClosingCode("fixed", "The cause is gone")
    assert rules.review == ReviewRule(
        ("SEV1",), hours(48), ("commander",), (hours(24), hours(4)), ("boss",), timedelta(days=2)
    )
    assert rules.action_items == ActionItemRule(("boss",), timedelta(days=7))


def test_rotations_are_in_the_time_of_the_plan_and_overrides_in_utc(tmp_path: Path) -> None:
    directory = globex(tmp_path).directory
    rotation = directory.rotations["first-line"]
    assert (rotation.title, rotation.timezone, rotation.fallback) == ("First line", "Europe/Berlin", "boss")
    assert rotation.layers == (
        Layer(("anna", "ben"), "2026-01-05T09:00", timedelta(days=7)),
        Layer(("ben",), "2026-01-05T09:00", timedelta(days=1), Restriction((5,), 1320, 360)),
    )
    assert rotation.overrides == (
        Override("boss", datetime(2026, 12, 23, 23, tzinfo=UTC), datetime(2026, 12, 26, 23, tzinfo=UTC)),
    )
    assert directory.contacts["anna"].calendar == Calendar(secret="anna-calendar")
    assert directory.contacts["ben"].calendar == Calendar(url="https://calendar.example.net/ben.ics")


def test_a_rotation_of_its_own_time_zone_is_read_in_that(tmp_path: Path) -> None:
    text = changed("    title: First line\n", "    timezone: America/Barbados\n")
    rotation = globex(tmp_path, text).directory.rotations["first-line"]
    assert (rotation.timezone, rotation.overrides[0].since) == (
        "America/Barbados",
        datetime(2026, 12, 24, 4, tzinfo=UTC),
    )


def test_words_runbooks_drills_digests_and_links_are_the_plans(tmp_path: Path) -> None:
    plan = globex(tmp_path)
    assert plan.templates["declared"] == Template(
        "{{ title }} was declared.\nIt concerns {{ service }}.\n", "{{ severity }}: {{ title }}"
    )
    assert plan.runbooks == (RunbookRule("unavailable", Match(alert="*Unavailable*")),)
    assert plan.drills == (
        Drill(
            "lost-database",
            "The database is lost",
            1,
            4,
            600,
            "database",
            "SEV1",
            "The primary is gone and the replica must take over.",
            "unavailable",
        ),
    )
    assert plan.digests == (
        Digest("open-sev3", ("SEV3",), ("room",), 540, business_days=True),
        Digest("week", ("SEV2", "SEV3"), ("boss", "first-line"), 570, 0),
    )
    assert plan.links == {"status-page": "https://status.globex.example/"}
    assert plan.targets == {"review_completion": 100}


@pytest.mark.parametrize(
    ("on", "nth", "weekday"), [("every monday", 0, 0), ("second tuesday", 2, 1), ("fifth sunday", 5, 6)]
)
def test_a_drill_is_of_a_month_or_of_every_week(tmp_path: Path, on: str, nth: int, weekday: int) -> None:
    drill = globex(tmp_path, changed("first friday", on)).drills[0]
    assert (drill.nth, drill.weekday) == (nth, weekday)


def test_the_rules_are_frozen_and_read_back_whole(tmp_path: Path) -> None:
    rules = globex(tmp_path).rules
    assert rules_from_text(rules.text) == rules
    assert '"respond_within":{"business_seconds":28800}' in rules.text
    assert '"resolve_within":{"next_business_day":true}' in rules.text


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("fallback: boss\n", "fallback: anna\n"),
        ("was declared.", "is declared."),
        ("first friday", "second friday"),
        ("runbook: unavailable}", "runbook: gone}"),
        ('"09:30"', '"09:31"'),
        ("status.globex.example", "status2.globex.example"),
        ("secret: anna-calendar", "secret: anna-absences"),
    ],
)
def test_what_is_looked_up_late_does_not_change_the_rules(tmp_path: Path, old: str, new: str) -> None:
    assert globex(tmp_path, changed(old, new)).rules.hash == globex(tmp_path).rules.hash


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("2027-01-01]", "2027-01-06]"),
        ("after: 5m", "after: 6m"),
        ("secondary: boss", "secondary: anna"),
        ("The room is open", "A room is open"),
        ("due_within: 48h", "due_within: 36h"),
        ("every: 7d", "every: 8d"),
        ("was taken back", "is taken back"),
        ("remind_before: 10m", "remind_before: 11m"),
    ],
)
def test_what_rules_an_incident_changes_their_hash(tmp_path: Path, old: str, new: str) -> None:
    assert globex(tmp_path, changed(old, new)).rules.hash != globex(tmp_path).rules.hash


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("4h", hours(4)),
        ("0s business", BusinessTime(minutes(0))),
        ("1h30m business", BusinessTime(minutes(90))),
        ("next business day", BusinessTime()),
    ],
)
def test_a_span_is_plain_or_business_time(text: str, span: Span) -> None:
    assert parse_span(text) == span


@pytest.mark.parametrize(
    "text",
    ["business", " business", "4h  business", "4 h business", "4h Business", "next business days", "1d\n"],
)
def test_anything_else_is_no_span(text: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        parse_span(text)


@pytest.mark.parametrize(
    ("higher", "lower", "louder"),
    [
        ("4h", "4h", False),
        ("4h", "3h59m", True),
        ("4h", "4h business", False),
        ("4h business", "4h", True),
        ("4h business", "4h1s", False),
        ("4h business", "3h business", True),
        ("1d", "next business day", False),
        ("next business day", "1d business", False),
        ("next business day", "23h business", True),
    ],
)
def test_business_time_is_not_louder_than_plain_time_of_that_length(
    tmp_path: Path, higher: str, lower: str, *, louder: bool
) -> None:
    text = changed("    respond_within: 8h business\n", f"    respond_within: {lower}\n").replace(
        "    respond_within: 15m\n", "    respond_within: 0h1m\n"
    )
    text = text.replace("    respond_within: 1h\n", f"    respond_within: {higher}\n").replace(
        "    resolve_within: next business day\n", ""
    )
    if not louder:
        assert globex(tmp_path, text).name == "globex"
        return
    (fault,) = faults_of(tmp_path, text)
    assert fault.endswith("SEV3.respond_within: is sooner than that of SEV2, which is the higher severity")


def test_a_gap_without_a_fallback_is_refused_and_one_with_a_fallback_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workdays = "[monday, tuesday, wednesday, thursday, friday]"
    gappy = changed(
        'starts: "2026-01-05T09:00", handoff: 7d}',
        f'starts: "2026-01-05T09:00", handoff: 7d, only: {{days: {workdays}}}}}',
    )
    (fault,) = faults_of(tmp_path, gappy.replace("    fallback: boss\n", ""))
    assert fault.endswith(
        "rotations.first-line: nobody is on call from Saturday 00:00 to Saturday 22:00 (and 1 more in a "
        "fortnight); name a fallback"
    )
    globex(tmp_path, gappy)
    assert main([str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == [
        "globex: first-line: only boss from Saturday 00:00 to Saturday 22:00",
        "globex: first-line: only boss from Sunday 06:00 to Monday 00:00",
    ]


def test_a_rotation_without_gaps_is_not_remarked_upon(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    globex(tmp_path, changed("    fallback: boss\n", ""))
    assert main([str(tmp_path)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1


@settings(deadline=None)
@given(
    st.integers(0, len(GLOBEX) - 1), st.sampled_from([*":-{}[]&*!'\"\n#,é", "", "a: ", "\t", "null", "\x00"])
)
def test_a_damaged_plan_is_read_or_refused_but_never_breaks(
    tmp_path_factory: pytest.TempPathFactory, at: int, put: str
) -> None:
    folder = tmp_path_factory.getbasetemp() / "damaged-globex"
    folder.mkdir(exist_ok=True)
    (folder / "globex.yaml").write_text(GLOBEX[:at] + put + GLOBEX[at + 1 :], encoding="utf-8")
    assert outcome(folder).startswith(("globex", f"plans: {folder.as_posix()}/globex.yaml:"))


@pytest.mark.parametrize(
    ("starts", "accepted"),
    [("1999-12-31T23:59", False), ("2000-01-01T00:00", True), ("2099-12-31T23:59", True)],
)
def test_dates_are_of_this_century(tmp_path: Path, starts: str, *, accepted: bool) -> None:
    text = changed('[anna, ben], starts: "2026-01-05T09:00"', f'[anna, ben], starts: "{starts}"')
    if accepted:
        assert globex(tmp_path, text).directory.rotations["first-line"].layers[0].starts == starts
    else:
        assert "must be a local date and time" in faults_of(tmp_path, text)[0]


@pytest.mark.parametrize(("count", "accepted"), [(8000, True), (8001, False)])
def test_a_template_has_room_for_8000_characters(tmp_path: Path, count: int, *, accepted: bool) -> None:
    text = changed('escalation: {body: "{{ title }} needs help."}', f'escalation: {{body: "{"x" * count}"}}')
    if accepted:
        assert len(globex(tmp_path, text).templates["escalation"].body) == count
    else:
        assert faults_of(tmp_path, text)[0].endswith("must be at most 8000 characters long")


def test_a_list_of_whom_has_at_most_20_names(tmp_path: Path) -> None:
    more = "".join(f"  c{n}: {{reach: [{{channel: log}}]}}\n" for n in range(21))
    text = changed("  support: {reach", f"{more}  support: {{reach")
    names = [f"c{n}" for n in range(21)]
    for many, accepted in ((20, True), (21, False)):
        told = text.replace(
            "[boss], unless: acknowledged", f"[{', '.join(names[:many])}], unless: acknowledged"
        )
        if accepted:
            assert len(globex(tmp_path, told).rules.severities[0].steps[2].notify) == 20
        else:
            assert faults_of(tmp_path, told)[0].endswith("must have at most 20 entries")


def test_a_severity_below_one_that_calls_nobody_calls_nobody(tmp_path: Path) -> None:
    start, end = (
        GLOBEX.index("    steps:\n      - {after: 0s, notify: [first-line]}"),
        GLOBEX.index("  SEV3:"),
    )
    (fault,) = faults_of(tmp_path, GLOBEX[:start] + GLOBEX[end:])
    assert fault.endswith(
        "SEV3.steps: calls people, but nobody is called for SEV2, which is the higher severity"
    )


def test_the_longer_example_of_the_reference_is_this_plan() -> None:
    page = (ROOT / "docs/plan-language.md").read_text(encoding="utf-8")
    assert page.split("## A longer example")[1].split("```yaml\n")[1].split("```")[0] == GLOBEX
