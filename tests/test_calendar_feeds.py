"""Fetching calendars from a real HTTP server that answers badly, slowly, too much, or from somewhere else."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from shared.adapters.app_setting_secrets import AppSettingSecrets
from shared.adapters.calendars.fetch import MOST_BYTES, CalendarFeeds
from shared.adapters.channels.time_limit import Patience
from shared.domain.agenda import CalendarUnreadable
from shared.domain.plan import Calendar
from tests.builders import NOON
from tests.keeper import ics
from tests.receivers import HttpReceiver, Reply

DAY = timedelta(days=1)


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    with HttpReceiver() as server:
        yield server


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (Reply(404), "it answered 404"),
        (Reply(302, {"Location": "https://169.254.169.254/latest"}), "it redirects to another host"),
        (Reply(302, {"Location": "http://localhost/"}), "it redirects to another host"),
        (Reply(302), "it redirects to another host"),
        (Reply(302, {"Location": "/again"}), "it redirects without end"),
        (Reply(body=b"x" * (MOST_BYTES + 1)), "it is larger than"),
        (Reply(body=b"never ends", drip=True), "no answer in time"),
        (Reply(drip_head=True), "no answer in time"),
        (Reply(reset=True), "the connection failed"),
        (Reply(body=b"<html>"), "it is no calendar"),
    ],
)
def test_a_calendar_that_cannot_be_read_says_why_without_its_address(
    receiver: HttpReceiver, reply: Reply, why: str
) -> None:
    receiver.otherwise = reply
    secrets = AppSettingSecrets({"SECRET_CAL": f"{receiver.url}/t0ken"})
    feeds = CalendarFeeds(secrets, patience=Patience(1, 1, 0.5))
    with pytest.raises(CalendarUnreadable) as fault:
        feeds.absences(Calendar(secret="cal"), NOON, NOON + DAY, "UTC")
    assert why in str(fault.value)
    assert "t0ken" not in str(fault.value)
    assert "127.0.0.1" not in str(fault.value)


@pytest.mark.parametrize("url", ["http://calendar.example/x", "file:///etc/passwd", "", "https://[", "x"])
def test_only_https_leaves_this_machine(url: str) -> None:
    with pytest.raises(CalendarUnreadable, match="its url is"):
        CalendarFeeds(AppSettingSecrets({})).absences(Calendar(url=url), NOON, NOON + DAY, "UTC")


def test_a_secret_that_is_missing_is_named(receiver: HttpReceiver) -> None:
    with pytest.raises(CalendarUnreadable, match="nowhere"):
        CalendarFeeds(AppSettingSecrets({})).absences(Calendar(secret="nowhere"), NOON, NOON + DAY, "UTC")
    assert receiver.requests == []


def test_a_redirect_on_the_same_host_is_followed(receiver: HttpReceiver) -> None:
    receiver.script([Reply(301, {"Location": "/moved"}), Reply(body=ics("20261119"))])
    calendar = Calendar(url=f"{receiver.url}/old")
    assert len(CalendarFeeds(AppSettingSecrets({})).absences(calendar, NOON, NOON + DAY, "UTC")) == 1
    assert [each.path for each in receiver.requests] == ["/old", "/moved"]
