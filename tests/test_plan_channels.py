"""How a plan says who is reached by which ways, when and how loud, and where answers may come from."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.adapters.channel_forms import FORMS, ChannelKind, stand_in
from shared.adapters.plan_checks import check_sense
from shared.adapters.plan_files import load
from shared.adapters.plan_ways import check_ways
from shared.adapters.rules_text import rules_from_text
from shared.domain.delivery import PAGES
from shared.domain.doors import Chat, StatusPage, Storm
from shared.domain.errors import InvalidPlan
from shared.domain.matrix import StillOpen
from shared.domain.oncall import Restriction
from shared.domain.plan import FOLLOWS, LIVE, ROOMS, Plan, Reach
from shared.domain.principal import INCLUDES
from shared.domain.timeline import canonical
from shared.domain.ways import MOST_PROVIDERS, ways
from tests.acme import PLANS, ROOT
from tests.acme import loaded as acme

INITECH = (PLANS / "initech.yaml").read_text(encoding="utf-8")
PAGE = (ROOT / "docs/plan-language.md").read_text(encoding="utf-8")
NUMBER = "+4930123456"


def initech(folder: Path, text: str = INITECH) -> Plan:
    (folder / "initech.yaml").write_text(text, encoding="utf-8")
    (plan,) = load(folder, words=True)
    return plan


def changed(old: str, new: str) -> str:
    assert INITECH.count(old) == 1, f"{old!r} stands {INITECH.count(old)} times in the plan"
    return INITECH.replace(old, new)


def faults_of(folder: Path, text: str) -> list[str]:
    (folder / "initech.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(InvalidPlan) as refused:
        load(folder, words=True)
    return [str(fault).removeprefix(f"{folder.as_posix()}/initech.yaml:") for fault in refused.value.faults]


def cases() -> list[tuple[str, str, list[str]]]:
    blocks = (PLANS / "initech-faults.txt").read_text(encoding="utf-8").strip().split("\n\n")[1:]
    lines = [[line[2:].replace("\\n", "\n") for line in block.splitlines()] for block in blocks]
    return [(old, new.replace("{nothing}", ""), faults) for old, new, *faults in lines]


@pytest.mark.parametrize(("old", "new", "faults"), cases())
def test_what_would_reach_nobody_is_named_by_line_and_field(
    tmp_path: Path, old: str, new: str, faults: list[str]
) -> None:
    assert faults_of(tmp_path, changed(old, new)) == faults


def test_reminders_the_window_and_storms_are_as_the_plan_says(tmp_path: Path) -> None:
    plan = initech(tmp_path)
    assert [severity.still_open for severity in plan.rules.severities] == [
        StillOpen(timedelta(hours=1), ("first-line", "boss")),
        StillOpen(timedelta(days=1)),
    ]
    assert plan.rules.throttle == timedelta(minutes=2)
    assert plan.storm == Storm(5, timedelta(minutes=10))
    assert plan.chat == Chat("initech-slack-signing", "initech-slack-bot", "T0INITECH", "initech-teams-hook")
    assert plan.status_page == StatusPage("Initech", timedelta(days=30))
    assert plan.targets == {"time_to_first_told_mean": 30}


def test_a_plan_that_says_nothing_of_these_has_their_defaults(tmp_path: Path) -> None:
    plan = acme(tmp_path)
    anna = plan.directory.contacts["anna"]
    assert (plan.storm, plan.chat, plan.status_page) == (Storm(10, timedelta(minutes=5)), Chat(), None)
    assert (plan.rules.throttle, plan.rules.severities[0].still_open) == (timedelta(seconds=60), None)
    assert (anna.role, anna.identities) == ("Responder", {})
    assert plan.directory.channels["email"].fallback is None
    assert plan.directory.timezone == "Europe/Berlin"


def test_a_contact_has_identities_a_role_and_quiet_ways(tmp_path: Path) -> None:
    contacts = initech(tmp_path).directory.contacts
    same = "11111111-2222-4333-8444-aaaaaaaaaaaa"
    assert contacts["anna"].identities == {"slack": "U0ANNA001", "teams": same, "entra": same}
    assert [contacts[name].role for name in ("anna", "ben", "boss")] == ["Commander", "Responder", "Admin"]
    assert contacts["ben"].reach == (
        Reach(
            "sms",
            "+4930123457",
            kinds=("manual", "escalation", "still-open"),
            only=Restriction((0, 1), 1320, 360),
        ),
        Reach("mail", "ben@initech.example"),
    )
    assert contacts["anna"].reach[0].severities == ("critical",)
    assert set(contacts["anna"].reach[0].kinds) == PAGES
    assert all(contact.role in INCLUDES for contact in contacts.values())


def test_channels_that_stand_in_follow_one_another(tmp_path: Path) -> None:
    directory = initech(tmp_path).directory
    found = [(way.channel, way.to) for way in ways(directory, directory.contacts["anna"])]
    assert found[:3] == [("call", NUMBER), ("sms", NUMBER), ("second-sms", NUMBER)]
    assert found[-2:] == [("mail", "anna@initech.example"), ("second-mail", "anna@initech.example")]


def test_frozen_rules_keep_the_window_and_the_reminders(tmp_path: Path) -> None:
    rules = initech(tmp_path).rules
    assert rules_from_text(rules.text) == rules
    assert '"throttle":120' in rules.text
    assert '"still_open":{"every":3600,"notify":["first-line","boss"]}' in rules.text


def test_rules_frozen_before_there_were_any_have_their_defaults(tmp_path: Path) -> None:
    record = json.loads(initech(tmp_path).rules.text)
    del record["throttle"]
    for severity in record["severities"]:
        del severity["still_open"]
    older = rules_from_text(canonical(record).decode())
    assert older.throttle == timedelta(seconds=60)
    assert [severity.still_open for severity in older.severities] == [None, None]


@pytest.mark.parametrize(
    ("old", "new"), [("throttle: 2m", "throttle: 3m"), ("{every: 1d}", "{every: 2d}"), (", boss]}", "]}")]
)
def test_the_window_and_the_reminders_change_the_hash(tmp_path: Path, old: str, new: str) -> None:
    assert initech(tmp_path, changed(old, new)).rules.hash != initech(tmp_path).rules.hash


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("more_than: 5", "more_than: 6"),
        ("workspace: T0INITECH", "workspace: T1INITECH"),
        ("history: 30d", "history: 31d"),
        ("slack: U0BEN0001", "slack: U0BEN0002"),
        ("role: Commander", "role: Reader"),
        ("kinds: [pages]}", "kinds: [manual]}"),
        ("    fallback: second-sms\n", ""),
        ("time_to_first_told_mean: 30", "time_to_first_told_mean: 31"),
    ],
)
def test_who_is_reached_and_who_may_answer_does_not_change_the_rules(
    tmp_path: Path, old: str, new: str
) -> None:
    assert initech(tmp_path, changed(old, new)).rules.hash == initech(tmp_path).rules.hash


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("throttle: 2m", "throttle: 0s"),
        ("throttle: 2m", "throttle: 1h"),
        ("every: 1h, notify", "every: 5m, notify"),
        ("more_than: 5, within: 10m", "more_than: 1, within: 1m"),
        ("more_than: 5, within: 10m", "more_than: 1000, within: 1h"),
        ("slack: U0BEN0001", "slack: W0BEN0001"),
        ("MG00000000000000000000000000000003", '"+4930100003"'),
        ("https://events.eu.pagerduty.com", "http://127.0.0.1:8080"),
        ('channel: page, to: "c1shop,c2pay"', "channel: page"),
        ("channel: duty, to: Operations", "channel: duty"),
        ("app, to: U0ANNA001", "app, to: C0SHOP001"),
        ("history: 30d", "history: 1s"),
    ],
)
def test_what_lies_on_the_border_is_in_the_language(tmp_path: Path, old: str, new: str) -> None:
    assert initech(tmp_path, changed(old, new)).name == "initech"


def chained(count: int, kind: str = "webhook", **more: object) -> dict[str, object]:
    """So many channels, each standing in for the one before."""
    names = [f"c{nth}" for nth in range(count)]
    channels: dict[str, object] = {
        name: {"kind": kind, "secret": "hook-key", "url": "https://hook.example/", "fallback": after} | more
        for name, after in pairwise(names)
    }
    channels[names[-1]] = {"kind": kind, "secret": "hook-key", "url": "https://hook.example/"} | more
    return {"channels": channels}


def flaws(plan: object) -> list[tuple[object, ...]]:
    return [flaw.loc for flaw in check_ways(plan, None)]


def test_at_most_four_channels_stand_in_for_one_another() -> None:
    assert flaws(chained(MOST_PROVIDERS)) == []
    assert flaws(chained(MOST_PROVIDERS + 1)) == [("channels", "c0", "fallback")]


def test_a_public_channel_stands_in_for_a_public_channel_alone() -> None:
    assert flaws(chained(2, options={"public": "true"})) == []
    half = chained(2)
    channels = half["channels"]
    assert isinstance(channels, dict)
    channels["c1"] |= {"options": {"public": "true"}}
    assert [flaw.why for flaw in check_ways(half, None)] == ["is public, and this channel is not"]


def test_a_number_must_suit_every_channel_in_the_row() -> None:
    sms = {"kind": "acs-sms", "secret": "acs", "options": {"from": NUMBER}}
    hook = {"kind": "webhook", "url": "https://hook.example/", "fallback": "sms"}
    plan: dict[str, object] = {"channels": {"hook": hook, "sms": sms}}
    bare = plan | {"contacts": {"anna": {"reach": [{"channel": "hook"}]}}}
    told = plan | {"contacts": {"anna": {"reach": [{"channel": "hook", "to": NUMBER}]}}}
    assert flaws(told) == []
    assert flaws(bare) == [("contacts", "anna", "reach", 0, "to")]


@pytest.mark.parametrize(
    ("number", "good"),
    [
        ("+1234567", True),
        ("+123456", False),
        ("+123456789012345", True),
        ("+1234567890123456", False),
        ("+0123456789", False),
        ("4930123456", False),
        ("+49 30 123456", False),
        ("+٤٩٣٠١٢٣٤٥٦", False),
        ("+4930123456\n", False),
    ],
)
def test_a_telephone_number_is_in_international_form(number: str, *, good: bool) -> None:
    looks = FORMS["twilio-sms"].to
    assert looks is not None
    assert (looks.flaw(number) is None) == good


def test_a_guid_is_an_identity_but_no_name_of_a_secret() -> None:
    guid = "99999999-2222-4333-8444-bbbbbbbbbbbb"
    assert flaws({"contacts": {"anna": {"identities": {"entra": guid, "teams": guid}}}}) == []
    assert flaws({"channels": {"duty": {"kind": "opsgenie", "secret": guid}}}) == [
        ("channels", "duty", "secret")
    ]
    assert flaws({"chat": {"teams": {"secret": guid}}}) == [("chat", "teams", "secret")]


def test_nothing_that_is_written_where_a_secret_belongs_is_repeated(tmp_path: Path) -> None:
    for written in ("xoxb-1-verysecretindeed", "0123456789abcdef0123456789abcdef", "key=verysecretindeed"):
        found = faults_of(tmp_path, changed("secret: initech-pagerduty", f"secret: {written}"))
        assert len(found) == 1
        assert written not in found[0]


def test_kinds_that_go_on_from_the_first_message_are_kinds_of_the_language() -> None:
    assert get_args(ChannelKind) == tuple(FORMS)
    assert set(FORMS) >= FOLLOWS | LIVE | ROOMS


def test_kinds_stand_in_for_one_another_both_ways() -> None:
    for kind in FORMS:
        assert kind in stand_in(kind)
        assert all(kind in stand_in(other) for other in stand_in(kind))
    assert stand_in("email") == ("email", "acs-email")
    assert stand_in("slack-app") == ("slack-app",)


@pytest.mark.parametrize("kind", FORMS)
def test_the_reference_names_what_each_kind_of_channel_takes(kind: ChannelKind) -> None:
    (row,) = re.findall(rf"^\| `{kind}` \|.*$", PAGE, re.MULTILINE)
    form = FORMS[kind]
    for option, looks in form.options.items():
        assert f"`{option}`" in row or f"options.{option}" in row, option
        assert looks.missing is None or f"`{option}` (required)" in row or f"options.{option}`" in row
    assert ("`secret`" in row) == (form.secret is not None or kind == "webhook")
    assert ("`url`" in row) == (form.url in {"optional", "either"})
    assert ("`to`" in row) == (form.to is not None and kind != "log")


def test_the_example_of_ways_in_the_reference_is_this_plan() -> None:
    assert PAGE.split("## An example of ways")[1].split("```yaml\n")[1].split("```")[0] == INITECH


@pytest.mark.parametrize(("section", "part"), [("contacts", "### A contact"), ("channels", "### A channel")])
def test_the_short_examples_of_the_reference_hold(tmp_path: Path, section: str, part: str) -> None:
    example = PAGE.split(part)[1].split("```yaml\n")[1].split("```")[0]
    assert example.startswith(f"{section}:\n")
    directory = initech(tmp_path, changed(f"\n{section}:\n", f"\n{example}")).directory
    carla = directory.contacts.get("carla")
    if carla:
        assert carla.reach[0] == Reach("call", "+4930123458", ("critical",), tuple(sorted(PAGES)))
        assert carla.reach[1].only == Restriction((0, 1, 2, 3, 4, 5, 6), 480, 1200)
    else:
        assert [directory.channels[name].fallback for name in ("sms-1", "sms-2")] == ["sms-2", None]


def test_who_is_reached_in_public_alone_is_reminded_in_the_plans_own_words(tmp_path: Path) -> None:
    told = changed("every: 1h, notify: [first-line, boss]", "every: 1h, notify: [world]")
    worded = f"{told}templates: {{still-open: {{body: We are still at it.}}}}\n"
    assert initech(tmp_path, worded).rules.severities[0].still_open == StillOpen(
        timedelta(hours=1), ("world",)
    )


def outcome(folder: Path) -> str:
    try:
        return load(folder)[0].name
    except InvalidPlan as refused:
        return str(refused)


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, len(INITECH) - 1), st.sampled_from([*":-{}[]&*!'\"\n#,é", "", "a: ", "\t", "null", "\x00"])
)
def test_a_damaged_plan_is_read_or_refused_but_never_breaks(
    tmp_path_factory: pytest.TempPathFactory, at: int, put: str
) -> None:
    folder = tmp_path_factory.getbasetemp() / "damaged-initech"
    folder.mkdir(exist_ok=True)
    (folder / "initech.yaml").write_text(INITECH[:at] + put + INITECH[at + 1 :], encoding="utf-8")
    assert outcome(folder).startswith(("initech", f"plans: {folder.as_posix()}/initech.yaml:"))


@pytest.mark.parametrize(
    "odd",
    [
        {"channels": {"a": {"kind": ["x"], "fallback": {}}, "b": 3}, "contacts": {"c": {"reach": "mail"}}},
        {"channels": {"a": {"kind": "email", "options": []}}, "contacts": {"c": {"reach": [3]}}},
        {"contacts": {"c": {"identities": {"slack": ["U1"]}, "reach": [{"channel": ["a"], "to": {}}]}}},
        {"channels": [], "contacts": [], "chat": "slack", "storm": [], "severities": {"P1": []}},
        {"severities": {"P1": {"still_open": "1h"}, "P2": {"still_open": {"every": ["1h"], "notify": {}}}}},
    ],
)
def test_a_file_of_any_shape_is_looked_at(odd: object) -> None:
    assert isinstance([*check_ways(odd, None), *check_sense(odd, None)], list)
