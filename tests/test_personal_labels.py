"""Labels that a plan declares personal: tokens at the door, wherever the value stands, before all else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.app_setting_secrets import AppSettingSecrets
from shared.adapters.sources.alertmanager import Alertmanager
from shared.adapters.sources.bounds import bounded_text
from shared.domain.alert import Alert
from shared.domain.errors import SecretUnavailable
from shared.domain.personal import Pseudonyms
from shared.domain.plan import Grouping
from tests.builders import NOON, an_alert, some_rules
from tests.stage import Stage

KEY = "only for tests"
TOKEN = re.compile(r"p-[0-9a-f]{16}")
ANA = "ana.lopez@example.org"


def clean(alert: Alert, *labels: str, plan: str = "acme", key: str = KEY) -> Alert:
    return Pseudonyms(labels or ("user",), plan, key).of(alert)


def token(value: str, plan: str = "acme") -> str:
    return clean(an_alert(labels={"user": value}), plan=plan).labels["user"]


def test_a_value_becomes_the_same_token_in_every_label_of_the_plan_and_another_in_another_plan() -> None:
    alert = clean(an_alert(labels={"user": ANA, "owner": ANA, "team": "blue"}), "user", "owner")

    assert TOKEN.fullmatch(alert.labels["user"])
    assert alert.labels["owner"] == alert.labels["user"]
    assert alert.labels["team"] == "blue"
    assert token(ANA, "globex") != token(ANA)
    assert clean(an_alert(labels={"user": ANA}), key="another").labels["user"] != token(ANA)


def test_it_goes_from_wherever_it_stands_whole() -> None:
    alert = replace(
        an_alert(f"Login of {ANA}", labels={"user": ANA, "path": f"/home/{ANA}/x"}, summary=f"{ANA}: locked"),
        annotations={"user": ANA, "who": f"<{ANA}>", "values": json.dumps({"user": ANA})},
        group=f'{{}}:{{user="{ANA}"}}',
        url="https://grafana.example/d?user=ana.lopez%40example.org&x=1",
    )
    found = clean(alert)

    assert ANA not in repr(found)
    assert "ana.lopez" not in repr(found)
    known = token(ANA)
    assert found.name == f"Login of {known}"
    assert found.group == f'{{}}:{{user="{known}"}}'
    assert found.url == f"https://grafana.example/d?user={known}&x=1"
    assert found.annotations == {"user": known, "who": f"<{known}>", "values": f'{{"user": "{known}"}}'}


@pytest.mark.parametrize(
    ("value", "text", "left"),
    [
        ("anna", "Annapolis annapolis Joanna", "Annapolis annapolis Joanna"),
        ("anna", "anna, anna_x (anna) anna1", "{}, {}_x ({}) anna1"),
        ("anna", '%22anna%22 {"a":"\\nanna\\u0000anna"}', '%22{}%22 {"a":"\\n{}\\u0000{}"}'),
        ("bob", "bob is bobbing", "bob is bobbing"),
        ("a", "a banana", "a banana"),
        ("ana lopez", "ana lopez and ana", "{} and ana"),
        ("+49 30 123", "call +49 30 123.", "call {}."),
        (".*+?(", "x .*+?( y", "x {} y"),
        ('qu"ote\\s', 'json "qu\\"ote\\\\s"', 'json "{}"'),
        ("Žižka 1", "f?u=%C5%BDi%C5%BEka%201&v=%C5%BDi%C5%BEka+1", "f?u={}&v={}"),
    ],
)
def test_only_whole_values_of_four_characters_are_replaced_inside_others(
    value: str, text: str, left: str
) -> None:
    found = clean(an_alert(labels={"user": value}, summary=text))
    assert found.labels["user"] == token(value)
    assert found.summary == left.replace("{}", token(value))


def test_a_short_value_goes_from_its_own_label_and_nowhere_else() -> None:
    found = clean(an_alert(labels={"user": "1", "severity": "1"}, summary="1 of 1"))
    assert (found.labels["severity"], found.summary) == ("1", "1 of 1")
    assert TOKEN.fullmatch(found.labels["user"])


@pytest.mark.parametrize("nothing", ["", " ", "\t"])
def test_an_empty_label_stays_empty(nothing: str) -> None:
    assert clean(an_alert(labels={"user": nothing}, summary="x  y")).labels == {"user": nothing}


def test_of_values_within_values_the_longest_goes_first_and_tokens_stay() -> None:
    labels = {"user": "lopez", "mail": "lopez@example.org", "host": "p-00"}
    found = clean(an_alert(labels=labels, summary="lopez@example.org, lopez"), "user", "mail")
    assert found.summary == f"{found.labels['mail']}, {found.labels['user']}"


def test_fingerprints_tell_nothing_and_a_resolution_still_meets_its_firing() -> None:
    firing, over = (
        an_alert(labels={"user": ANA}, identity=f"user={ANA}", firing=each) for each in (True, False)
    )
    assert clean(firing).fingerprint == clean(over).fingerprint
    assert clean(firing).fingerprint != firing.fingerprint
    assert re.fullmatch("[0-9a-f]{32}", clean(firing).fingerprint)
    assert clean(firing, key="another").fingerprint != clean(firing).fingerprint
    assert clean(an_alert("other")).fingerprint != an_alert("other").fingerprint


def test_a_huge_value_is_replaced_in_time() -> None:
    huge = "x" * 8_000
    found = clean(an_alert(labels={"user": huge} | {f"l{n}": huge for n in range(99)}, summary=huge))
    assert huge not in repr(found)


def test_values_that_a_source_cut_are_found_where_they_are_not_cut() -> None:
    whole = "x" * 9_000
    found = clean(an_alert(labels={"user": bounded_text(whole)}, summary=f"for {whole}"))
    assert whole[:7_000] not in found.summary


@given(
    value=st.text(min_size=4, max_size=40).filter(lambda text: text.strip() and "p-" not in text),
    around=st.text(max_size=20),
)
def test_no_value_is_left_between_spaces(value: str, around: str) -> None:
    found = clean(an_alert(labels={"user": value}, summary=f"{around} {value} {around}"))
    assert found.labels["user"] == token(value)
    if len(value.strip()) >= 4 and value not in around:
        assert f" {value} " not in found.summary


@pytest.fixture
def stage(storage: str) -> Iterator[Stage]:
    with Stage(storage) as stage:
        stage.plans.plan = replace(stage.plans.plan, personal_labels=("user",))
        yield stage


def everything(stage: Stage, incident: str) -> str:
    partition = stage.incident(incident).partition
    return str(list(stage.store.table.query_entities(f"PartitionKey eq '{partition}'")))


def test_nothing_of_it_is_stored_and_groups_stay_together(stage: Stage) -> None:
    by_user = some_rules()
    stage.rules(replace(by_user, group=(Grouping("by-user", ("user",)),)))
    stage.plans.plan = replace(stage.plans.plan, personal_labels=("user",))
    first = stage.hear(an_alert(f"Locked {ANA}", labels={"user": ANA}, summary=ANA))
    second = stage.hear(an_alert("Slow", labels={"user": ANA}))
    other = stage.hear(an_alert("Slow", labels={"user": "rita@example.org"}))

    assert first[0].id == second[0].id != other[0].id
    assert first[0].id is not None
    assert ANA not in everything(stage, first[0].id)
    assert token(ANA, stage.name) in everything(stage, first[0].id)
    assert ANA not in str(stage.journal_events())


def test_a_resolution_resolves(stage: Stage) -> None:
    [opened] = stage.hear(an_alert(labels={"user": ANA}))
    [resolved] = stage.hear(an_alert(labels={"user": ANA}, firing=False))
    assert (opened.id, resolved.action) == (resolved.id, "resolved")


class NoSecrets(AppSettingSecrets):
    """The vault is down."""

    def __init__(self) -> None:
        super().__init__({})


def test_without_the_key_nothing_is_stored(stage: Stage) -> None:
    stage.receive.secrets = NoSecrets()
    with pytest.raises(SecretUnavailable):
        stage.hear(an_alert("Never", labels={"user": ANA}))
    assert list(stage.store.subjects(stage.name, "2026-W47")) == []

    stage.plans.plan = replace(stage.plans.plan, personal_labels=())
    assert stage.hear(an_alert("Fine", labels={"user": ANA}))[0].id


def test_what_alertmanager_sends_is_cleaned_with_its_group_key() -> None:
    body = {
        "version": "4",
        "groupKey": f'{{}}:{{alertname="Locked", user="{ANA}"}}',
        "status": "firing",
        "receiver": "tocsin",
        "groupLabels": {"user": ANA},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "http://am.example",
        "alerts": [
            {
                "status": "firing",
                "labels": {"alertname": "Locked", "user": ANA},
                "annotations": {"summary": f"{ANA} is locked out"},
                "startsAt": "2026-11-18T12:00:00Z",
                "endsAt": "0001-01-01T00:00:00Z",
                "generatorURL": f"http://prom.example/graph?g0.expr=x{{user=%22{ANA}%22}}",
                "fingerprint": "0123456789abcdef",
            }
        ],
    }
    received: datetime = NOON
    [alert] = Alertmanager().parse(json.dumps(body).encode(), received)
    assert ANA not in repr(clean(alert))
