"""Who may call in a source's name: tokens, signed bodies, timestamps, and every way to get them wrong."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from shared.adapters.channels.webhook import signed
from shared.adapters.sources.catalogue import known_sources
from shared.adapters.sources.trust import TOCSIN_SIGNATURE, signature_of
from shared.domain.errors import SecretUnavailable, Unauthenticated
from shared.domain.plan import SourceTrust

NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)
BODY = b'{"status":"firing"}'
# Made with: printf '1772539200:{"status":"firing"}' | openssl dgst -sha256 -hmac 'correct horse'
PLAIN = "02bd5e191b0d1f83c93805706a35755a444f33dcdde73671f53a2960fd2cee5a"
STAMPED = "a07e3d27ffe430eed297034f0e1aa5a248c65ba1ae6e86d901cef62d46b751f5"
GENERIC_BODY = b'{"name":"backup-failed"}'
GENERIC = "sha256=8369292d5b4a3b8f71c6ae1071ee47d6de2e6f1975c82f276f252c73e59dea6a"
NOON_SECONDS = "1772539200"

BEARER = SourceTrust(bearer_secret="token")
SIGNED = SourceTrust(hmac_secret="key")
SIGNED_WITH_TIME = SourceTrust(hmac_secret="key", timestamp_header="X-Sent-At")
GENERIC_HEADERS = {"x-tocsin-signature": GENERIC, "x-tocsin-timestamp": NOON_SECONDS}
STAMPED_HEADERS = {"x-grafana-alerting-signature": STAMPED, "x-sent-at": NOON_SECONDS}


class Drawer:
    """Secrets out of a dict."""

    def __init__(self, **values: str) -> None:
        self.values = values

    def get(self, name: str) -> str:
        if name not in self.values:
            raise SecretUnavailable(f"there is no secret {name}")
        return self.values[name]

    def accepted(self, name: str) -> list[str]:
        """The value alone."""
        return [self.get(name)]

    def recheck(self, name: str) -> None:
        """Nothing is cached."""

    def forget(self, name: str) -> bool:  # noqa: ARG002
        """Nothing is cached."""
        return True


SECRETS = Drawer(token="s3cret-tökén", key="correct horse", blank="")


def verify(
    source: str,
    headers: Mapping[str, str],
    trust: SourceTrust,
    body: bytes = BODY,
    now: datetime = NOON,
) -> None:
    known_sources()[source].verify(headers, body, trust, SECRETS, now)


def refusal(source: str, headers: Mapping[str, str], trust: SourceTrust, body: bytes = BODY) -> str:
    with pytest.raises(Unauthenticated) as caught:
        verify(source, headers, trust, body)
    return str(caught.value)


@pytest.mark.parametrize("source", sorted(known_sources()))
def test_without_trust_every_call_passes(source: str) -> None:
    verify(source, {}, SourceTrust())


@pytest.mark.parametrize("source", sorted(known_sources()))
def test_every_source_takes_a_bearer_token(source: str) -> None:
    verify(source, {"authorization": "Bearer s3cret-tökén"}, BEARER)
    verify(source, {"authorization": "bearer  s3cret-tökén "}, BEARER)


@pytest.mark.parametrize(
    "header",
    ["Bearer s3cret-token", "Bearer ", "Bearer", "Basic s3cret-tökén", "s3cret-tökén", "", "Bearer \udcff"],
)
def test_a_wrong_or_missing_token_is_refused_without_showing_the_right_one(header: str) -> None:
    assert "s3cret" not in refusal("alertmanager", {"authorization": header}, BEARER)
    assert refusal("alertmanager", {}, BEARER) == "the header Authorization: Bearer is missing"


def test_a_missing_secret_is_our_fault_and_not_the_callers() -> None:
    with pytest.raises(SecretUnavailable):
        verify("alertmanager", {"authorization": "Bearer x"}, SourceTrust(bearer_secret="lost"))
    with pytest.raises(SecretUnavailable):
        verify("generic", GENERIC_HEADERS, SourceTrust(hmac_secret="lost"))


def test_an_empty_secret_lets_nobody_in() -> None:
    with pytest.raises(SecretUnavailable):
        verify("alertmanager", {"authorization": "Bearer "}, SourceTrust(bearer_secret="blank"))


def test_grafana_signs_the_body() -> None:
    verify("grafana", {"x-grafana-alerting-signature": PLAIN}, SIGNED)
    verify("grafana", {"x-other": PLAIN.upper()}, SourceTrust(hmac_secret="key", signature_header="X-Other"))


def test_grafana_signs_the_time_where_the_plan_names_its_header() -> None:
    verify("grafana", STAMPED_HEADERS, SIGNED_WITH_TIME)
    without_time = {"x-grafana-alerting-signature": PLAIN, "x-sent-at": NOON_SECONDS}
    assert "is wrong" in refusal("grafana", without_time, SIGNED_WITH_TIME)
    assert "is wrong" in refusal("grafana", STAMPED_HEADERS, SIGNED)


def test_the_generic_source_is_signed_as_tocsin_signs() -> None:
    verify("generic", GENERIC_HEADERS, SIGNED, GENERIC_BODY)
    assert signature_of(TOCSIN_SIGNATURE, "correct horse", GENERIC_BODY, NOON_SECONDS) == GENERIC
    bare = GENERIC_HEADERS | {"x-tocsin-signature": GENERIC.removeprefix("sha256=")}
    assert "is wrong" in refusal("generic", bare, SIGNED, GENERIC_BODY)


def test_what_our_own_webhook_channel_sends_the_generic_source_takes() -> None:
    headers = {name.lower(): value for name, value in signed("correct horse", GENERIC_BODY, NOON).items()}
    assert headers == GENERIC_HEADERS


def test_a_changed_body_is_refused() -> None:
    assert "is wrong" in refusal("generic", GENERIC_HEADERS, SIGNED, GENERIC_BODY + b" ")
    assert "is wrong" in refusal("grafana", {"x-grafana-alerting-signature": PLAIN}, SIGNED, BODY + b"\n")


def test_a_missing_signature_is_refused() -> None:
    assert refusal("grafana", {}, SIGNED) == "the header X-Grafana-Alerting-Signature is missing"
    assert "X-Tocsin-Signature" in refusal("generic", {"x-tocsin-timestamp": NOON_SECONDS}, SIGNED)


@pytest.mark.parametrize("seconds", ["", "soon", "-1", "1e9", "٣", "1" * 13, "1772539200.5"])
def test_a_timestamp_that_is_none_is_refused(seconds: str) -> None:
    headers = GENERIC_HEADERS | {"x-tocsin-timestamp": seconds}
    assert "X-Tocsin-Timestamp" in refusal("generic", headers, SIGNED, GENERIC_BODY)


@pytest.mark.parametrize("seconds", [-301, -300, -299, 0, 299, 300, 301])
def test_the_window_is_300_seconds_in_both_directions(seconds: int) -> None:
    now = NOON + timedelta(seconds=seconds)
    if abs(seconds) <= 300:
        verify("generic", GENERIC_HEADERS, SIGNED, GENERIC_BODY, now)
        verify("grafana", STAMPED_HEADERS, SIGNED_WITH_TIME, BODY, now)
        return
    for source, headers, trust, body in (
        ("generic", GENERIC_HEADERS, SIGNED, GENERIC_BODY),
        ("grafana", STAMPED_HEADERS, SIGNED_WITH_TIME, BODY),
    ):
        with pytest.raises(Unauthenticated, match="300 seconds"):
            verify(source, headers, trust, body, now)


def test_token_and_signature_are_both_asked_for_where_the_plan_names_both() -> None:
    both = SourceTrust(bearer_secret="token", hmac_secret="key")
    token = {"authorization": "Bearer s3cret-tökén"}
    verify("generic", GENERIC_HEADERS | token, both, GENERIC_BODY)
    refusal("generic", GENERIC_HEADERS, both, GENERIC_BODY)
    refusal("generic", token, both, GENERIC_BODY)


@pytest.mark.parametrize("source", ["alertmanager", "azure-monitor"])
def test_a_source_that_cannot_sign_is_never_taken_for_signed(source: str) -> None:
    assert not known_sources()[source].signs
    assert "signs nothing" in refusal(source, GENERIC_HEADERS, SIGNED)
