"""People in texts: other scripts, spellings and series, what is cut or packed, and all in little time."""

from __future__ import annotations

import base64
import gzip
import json
import os
import subprocess
import sys
import time
import unicodedata
import zlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

import pytest

from shared.adapters.sources.alertmanager import Alertmanager
from shared.adapters.sources.azure_monitor import AzureMonitor
from shared.adapters.sources.bounds import bounded_alert, bounded_name, bounded_text
from shared.adapters.sources.grafana import Grafana
from shared.domain.alert import Alert
from shared.domain.personal import Pseudonyms
from shared.domain.written import carries_text
from tests.builders import NOON, an_alert

ROOT = Path(__file__).parents[1]
ACME = Pseudonyms(("user",), "acme", "only for tests")
ANA = "ana.lopez@example.org"


def token(value: str) -> str:
    return ACME.of(an_alert(labels={"user": value})).labels["user"]


def cleaned(value: str, text: str) -> str:
    return ACME.of(an_alert(labels={"user": value}, summary=text)).summary


@pytest.mark.parametrize(
    ("value", "text", "left"),
    [
        ("欧阳小明", "用户欧阳小明登录失败", "用户{}登录失败"),
        ("山田太郎", "山田太郎さんのログイン", "{}さんのログイン"),
        ("王伟", "王伟登录", "{}登录"),
        ("김민수", "김민수가 로그인", "{}가 로그인"),
        ("สมชายใจดี", "ผู้ใช้สมชายใจดีล็อกอิน", "ผู้ใช้{}ล็อกอิน"),
        ("somchaijai", "ผู้ใช้somchaijaiล็อกอิน", "ผู้ใช้{}ล็อกอิน"),
        ("Иван", "вход: Иван, Иванов", "вход: {}, Иванов"),
        ("王", '王 "王"', '王 "{}"'),
    ],
)
def test_scripts_without_spaces_need_no_word_boundary(value: str, text: str, left: str) -> None:
    assert cleaned(value, text) == left.replace("{}", token(value))


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ('{user="bob"}', '{user="{}"}'),
        ("'bob' and bob", "'{}' and bob"),
        ("owner=bob,id=bobby", "owner={},id=bobby"),
        ("login: bob failed", "login: {} failed"),
        ('{"a": "bob"}', '{"a": "{}"}'),
        ("x?q=%22bob%22", "x?q=%22{}%22"),
        ('"bobby" "a bob"', '"bobby" "a bob"'),
    ],
)
def test_a_short_value_goes_from_where_values_stand(text: str, left: str) -> None:
    assert cleaned("bob", text) == left.replace("{}", token("bob"))
    assert cleaned("30", "at 12:30:00") == "at 12:30:00"


@pytest.mark.parametrize(
    ("value", "text", "left"),
    [
        ("O'Brien Smith", "https://x/?u=O'Brien%20Smith", "https://x/?u={}"),
        ("O'Brien Smith", "O&#39;Brien Smith, O&#x27;Brien+Smith", "{}, {}"),
        ("josé müller", "?u=jos%c3%a9%20m%c3%bcller", "?u={}"),
        ("josé müller", "?u=jos%E9%20m%FCller", "?u={}"),
        ("josé müller", '"jos\\u00e9 m\\u00fcller"', '"{}"'),
        ("josé müller", unicodedata.normalize("NFD", "<josé müller>"), "<{}>"),
        (unicodedata.normalize("NFD", "josé"), "<josé>", "<{}>"),
        ("jose", unicodedata.normalize("NFD", "<josé>"), unicodedata.normalize("NFD", "<josé>")),
        (ANA, "?q=user%253D%2522ana.lopez%2540example.org%2522", "?q=user%253D%2522{}%2522"),
        ("a😀bc", '"a\\ud83d\\ude00bc" %61%f0%9f%98%80bc', '"{}" {}'),
        ("DOM\\bobby", "DOM\\bobby DOM\\\\bobby", "{} {}"),
    ],
)
def test_a_value_is_found_however_it_is_written(value: str, text: str, left: str) -> None:
    known = token(value)
    assert cleaned(value, text) == left.replace("{}", known)


def test_the_ways_in_which_unicode_writes_a_value_have_one_token() -> None:
    assert token(unicodedata.normalize("NFD", "josé")) == token(" josé ") == token("josé")


def test_values_that_overlap_leave_nothing_of_either() -> None:
    both = Pseudonyms(("user", "other"), "acme", "only for tests")
    alert = an_alert(
        labels={"user": "smith anna", "other": "anna maria lopez"}, summary="smith anna maria lopez"
    )
    assert both.of(alert).summary == token("anna maria lopez")


def test_tokens_do_not_depend_on_the_order_in_which_values_are_met() -> None:
    asked = (
        "from shared.domain.personal import Pseudonyms\n"
        "from tests.builders import an_alert\n"
        "labels = {'user': 'anna.m', 'mail': 'anna.m '}\n"
        "print(Pseudonyms(('user', 'mail'), 'acme', 'k').of(an_alert(labels=labels, group='anna.m')).group)\n"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", asked],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout
        for seed in ("1", "2", "3", "4")
    }
    assert len(said) == 1


def received(source: Alertmanager | Grafana | AzureMonitor, body: Mapping[str, object]) -> Alert:
    moment: datetime = NOON
    [alert] = source.parse(json.dumps(body).encode(), moment)
    return ACME.of(alert)


def test_every_series_of_a_legacy_grafana_alert_is_cleaned_and_so_are_the_names_of_figures() -> None:
    people = ("ana.lopez", "bob.miller")
    matches = [
        {"metric": f'logins {{user="{who}"}} of {who}', "value": 5, "tags": {"user": who}} for who in people
    ]
    alert = received(
        Grafana(), {"ruleName": "Logins", "ruleId": 7, "state": "alerting", "evalMatches": matches}
    )
    assert [who for who in people if who in repr(alert)] == []
    assert list(alert.values) == [f'logins {{user="{token(who)}"}} of {token(who)}' for who in people]
    assert alert.met == ()


def test_what_stands_under_a_labels_name_is_a_value_of_it() -> None:
    text = '[ labels={user=bob.miller, x=y} ], user!=\'rita.m\', user=~"a.*", "user": "eve", superuser=tom'
    left = ACME.of(an_alert(summary=text)).summary
    assert [who for who in ("bob.miller", "rita.m", "a.*", "eve") if who in left] == []
    assert "superuser=tom" in left
    assert f"user={token('bob.miller')}, x=y" in left
    assert ACME.of(an_alert(summary=left)).summary == left
    assert f"%22{token('eve')}%22" in ACME.of(an_alert(summary="?q=user%3D%22eve%22")).summary
    assert ACME.of(an_alert(summary='user="" sum by(user) user: locked')).summary.startswith('user="" sum')


def azure(*links: str) -> dict[str, object]:
    conditions = [
        {
            "searchQuery": f"Signins | where who != '{who}'",
            "metricMeasureColumn": "n",
            "metricValue": 9,
            "dimensions": [{"name": "user", "value": who}],
            **({"linkToFilteredSearchResultsUI": links[0]} if links else {}),
        }
        for who in (ANA, "bob.miller@example.org")
    ]
    conditions[0]["searchQuery"] = "Signins | where who != 'bob.miller@example.org'"
    essentials = {
        "alertId": "/subscriptions/s/providers/Microsoft.AlertsManagement/alerts/1",
        "alertRule": "logins",
        "monitorCondition": "Fired",
        "firedDateTime": "2026-11-18T12:00:00Z",
    }
    context = {"conditionType": "LogQueryCriteria", "condition": {"allOf": conditions}}
    return {
        "schemaId": "azureMonitorCommonAlertSchema",
        "data": {"essentials": essentials, "alertContext": context},
    }


def test_the_other_dimensions_of_an_azure_alert_are_cleaned_and_packed_queries_dropped() -> None:
    packed = quote(base64.b64encode(gzip.compress(f"x | where user == '{ANA}'".encode())).decode(), safe="")
    alert = received(AzureMonitor(), azure(f"https://portal.azure.com#@t/blade/x/q/{packed}/prettify/1"))
    assert "miller" not in repr(alert)
    assert token("bob.miller@example.org") in alert.annotations["searchQuery"]
    assert alert.url is None
    assert received(AzureMonitor(), azure("https://portal.azure.com#blade/q/x")).url is not None


@pytest.mark.parametrize(
    ("octets", "carries"),
    [
        (gzip.compress(b"where user is ana", mtime=0), True),
        (zlib.compress(b"where user is ana, and not another"), True),
        (b'{"user": "ana.lopez"}', True),
        (bytes(range(128, 168)), False),
    ],
)
def test_addresses_that_carry_texts_are_known(octets: bytes, carries: bool) -> None:
    plain = base64.b64encode(octets).decode()
    for written in (plain, quote(plain, safe=""), quote(quote(plain, safe=""), safe="")):
        assert carries_text(f"https://x.example/blade/q/{written}/end") is carries
    assert carries_text(f"https://x.example/?q={base64.urlsafe_b64encode(octets).decode()}") is carries
    assert not carries_text("https://portal.azure.com/#resource/subscriptions/0f/resourceGroups/monitoring/x")


def test_the_name_of_a_series_and_its_group_hold_tokens() -> None:
    body = {
        "status": "firing",
        "groupKey": '{}:{user="bob"}',
        "groupLabels": {"user": "bob"},
        "alerts": [{"labels": {"user": "bob"}, "startsAt": "2026-11-18T12:00:00Z"}],
    }
    alert = received(Alertmanager(), body)
    assert (alert.name, alert.group) == (f'{{user="{token("bob")}"}}', f'{{}}:{{user="{token("bob")}"}}')


def test_a_service_that_is_named_by_a_personal_label_is_a_token() -> None:
    assert ACME.of(an_alert(service="bob", labels={"user": "bob"})).service == token("bob")
    assert ACME.of(an_alert(service="api", labels={"user": "api", "app": "api"})).service == "api"


def test_the_beginning_of_a_value_where_a_text_was_cut_goes_too() -> None:
    for text in (bounded_text("x " * 3_985 + f"for {ANA} " * 9), bounded_name("x" * 893 + f" {ANA}" * 20)):
        left = cleaned(ANA, text)
        assert "ana" not in left
        assert left.endswith(text[-12:])


def test_labels_that_were_dropped_or_cut_are_known_all_the_same() -> None:
    labels = {f"l{n}": "x" for n in range(100)} | {"user": ANA}
    alert = bounded_alert(
        "generic", "1", firing=True, name=ANA, received_at=NOON, labels=labels, annotations={}
    )
    assert "user" not in alert.labels
    assert ACME.of(alert).name == token(ANA)


def spent(alerts: list[Alert], *labels: str) -> float:
    pseudonyms = Pseudonyms(labels or ("user",), "acme", "only for tests")
    began = time.process_time()
    for alert in alerts:
        pseudonyms.of(alert)
    return time.process_time() - began


def test_a_body_of_many_alerts_takes_little_time() -> None:
    people = [f"user.{n}@example.org" for n in range(9_000)]
    alerts = [an_alert(f"a{n}", labels={"user": who}, summary=f"of {who}") for n, who in enumerate(people)]
    assert spent(alerts) < 2


@pytest.mark.parametrize("text", ["é{n} ", "%41{n}%25", "aaaa", "user='{n}' ", "p{n}&#39;\\u00e9"])
def test_an_alert_of_large_texts_takes_little_time(text: str) -> None:
    labels = {f"u{n}": (text.format(n=n) * 4_000)[:8_000] for n in range(50)}
    alert = an_alert(labels={**labels, "user": "aaaa", "other": "aaaaa"}, summary=text * 1_000)
    others = {f"x{n}": value for n, value in enumerate(labels.values())}
    assert spent([replace(alert, annotations=others)], "user", "other", *labels) < 2


def test_an_alert_that_met_thousands_of_people_takes_little_time() -> None:
    met = [("user", f"user.{n}@example.org") for n in range(9_000)]
    texts = {f"x{n}": f"user.{n}@example.org, " * 300 for n in range(50)}
    assert spent([replace(an_alert(), annotations=texts, met=met)]) < 2
