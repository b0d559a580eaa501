"""Mails, to real mail servers on loopback: what they say, how they travel, and what refusals come to."""

from __future__ import annotations

import re
import socket
from dataclasses import replace
from email.utils import parsedate_to_datetime
from html import unescape
from pathlib import Path

import pytest

from shared.adapters.channels.email import EmailChannel
from shared.adapters.channels.time_limit import USUAL, Patience
from shared.adapters.templates import Templates, trials
from shared.domain.delivery import Message
from shared.domain.errors import DeliveryFailed
from shared.domain.plan import Template
from shared.ports import Accepted
from tests.certificates import LoopbackAuthority
from tests.mail_receivers import LineReceiver, SmtpReceiver
from tests.notifications import (
    CONTROLS,
    HURRIED,
    KEY,
    MAIL,
    NOON,
    SHORT_READS,
    a_channel,
    a_hostile_message,
    a_message,
    assert_no_sender_is_left,
    failure_of,
    in_hostile_words,
    in_words,
    secrets_of,
    sent,
)


def test_a_mail_says_it_in_text_and_html() -> None:
    with SmtpReceiver() as receiver:
        spec = a_channel("email", secret="smtp", **{"from": "Tocsin <alarm@example.com>"})
        accepted = sent(EmailChannel(), spec, secrets_of(smtp=receiver.url("off")), to="ada@example.org")
        (mail,) = receiver.messages
    message = mail.message
    plain, html = message.iter_parts()
    assert accepted == Accepted(250)
    assert (mail.sender, mail.recipients) == ("alarm@example.com", ["ada@example.org"])
    assert message["Subject"] == "[SEV1] Checkout is slow (INC-8Q2XK4ZR-1)"
    assert (message["From"], message["To"]) == ("Tocsin <alarm@example.com>", "ada@example.org")
    assert message["Message-ID"] == f"<{KEY}@example.com>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert parsedate_to_datetime(message["Date"]) == NOON
    assert (plain.get_content_type(), html.get_content_type()) == ("text/plain", "text/html")
    assert "https://tocsin.example.com/incidents/INC-8Q2XK4ZR-1" in plain.get_content()
    assert '<a href="https://grafana.example.com/d/1?from=now-1h">' in html.get_content()


@pytest.mark.parametrize(
    ("sender", "shown"),
    [
        ("<alarm@example.com>", "alarm@example.com"),
        ('"Tocsin, Ops" <alarm@example.com>', '"Tocsin, Ops" <alarm@example.com>'),
        ("Wächter <alarm@example.com>", "Wächter <alarm@example.com>"),
    ],
)
def test_the_sender_may_have_a_name(sender: str, shown: str) -> None:
    with SmtpReceiver() as receiver:
        spec = a_channel("email", secret="smtp", **{"from": sender})
        sent(EmailChannel(), spec, secrets_of(smtp=receiver.url("off")), to="ada@example.org")
        assert receiver.messages[0].message["From"] == shown


def test_the_same_notification_has_the_same_message_id() -> None:
    with SmtpReceiver() as receiver:
        spec = a_channel("email", secret="smtp", **{"from": "alarm@example.com"})
        for _ in range(2):
            sent(EmailChannel(), spec, secrets_of(smtp=receiver.url("off")), to="ada@example.org")
        assert len({mail.message["Message-ID"] for mail in receiver.messages}) == 1


def test_a_hostile_mail_has_no_header_and_no_element_of_the_attacker_s() -> None:
    with SmtpReceiver() as receiver:
        spec = a_channel("email", secret="smtp", **{"from": "alarm@example.com"})
        secrets = secrets_of(smtp=receiver.url("off"))
        sent(EmailChannel(), spec, secrets, a_hostile_message(), to="ada@example.org")
        (mail,) = receiver.messages
    message = mail.message
    plain, html = (part.get_content() for part in message.iter_parts())
    assert message["Bcc"] is None
    assert mail.recipients == ["ada@example.org"]
    assert "Bcc: victim" in message["Subject"]
    assert not CONTROLS.search(plain.replace("\r\n", "\n") + message["Subject"])
    assert "<script" not in html
    assert "<script>alert(1)</script>" in unescape(html)
    assert re.findall(r'href="([^"]*)"', html) == ["https://tocsin.example.com/incidents/INC-8Q2XK4ZR-1"]
    assert max(len(line) for line in mail.content.split(b"\r\n")) <= 998


def mailed(message: Message) -> tuple[str, str, str]:
    """Subject, plain part and HTML part as a mail server gets them."""
    with SmtpReceiver() as receiver:
        spec = a_channel("email", secret="smtp", **MAIL)
        sent(EmailChannel(), spec, secrets_of(smtp=receiver.url("off")), message, to="ada@example.org")
        (mail,) = receiver.messages
    assert mail.recipients == ["ada@example.org"]
    assert set(mail.message.keys()) <= {
        "Subject", "From", "To", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type",
    }  # fmt: skip
    plain, html = (part.get_content() for part in mail.message.iter_parts())
    return str(mail.message["Subject"]), plain.replace("\r\n", "\n"), html


def test_a_mail_in_the_plan_s_words_has_them_first_and_the_facts_after() -> None:
    subject, plain, html = mailed(
        in_words("Dear all,\n\nwe are <down>.", "Incident - Checkout - Investigating")
    )
    assert subject == "Incident - Checkout - Investigating"
    assert plain.startswith(
        "Incident - Checkout - Investigating\n\nDear all,\n\nwe are <down>.\n\nIncident: INC"
    )
    assert "Open runbook: https://tocsin.example.com/runbooks/high-latency" in plain
    assert "we are &lt;down&gt;." in html
    assert "<th align=left>Severity</th><td>SEV1</td>" in html
    assert not [text for text in ("escalation step 2 of 3", "p95 above 2 s") if text in plain + html]


def test_a_public_mail_has_the_plan_s_words_and_nothing_of_the_inside() -> None:
    with SmtpReceiver() as receiver:
        options = {"from": "status@example.com", "public": "true"}
        spec = a_channel("email", secret="smtp", **options)
        secrets = secrets_of(smtp=receiver.url("off"))
        sent(EmailChannel(), spec, secrets, in_words("We look <into> it.", "Trouble"), "ada@example.org")
        (mail,) = receiver.messages
        refused = failure_of(lambda: sent(EmailChannel(), spec, secrets, to="ada@example.org"))
    plain, html = mail.message.iter_parts()
    assert mail.message["Subject"] == "Trouble"
    assert plain.get_content().strip() == "We look <into> it."
    assert "We look &lt;into&gt; it." in html.get_content()
    for part in (plain, html):
        assert "INC-" not in part.get_content()
        assert "http" not in part.get_content()
    assert refused.permanent
    assert len(receiver.messages) == 1


def test_a_mail_of_a_drill_says_so_everywhere() -> None:
    subject, plain, html = mailed(in_words("x", "Checkout", drill="first-friday"))
    assert subject == "[DRILL] Checkout"
    assert plain.startswith("[DRILL] Checkout\n")
    assert "<h2>[DRILL] Checkout</h2>" in html
    assert mailed(a_message(drill="x"))[0] == "[DRILL] [SEV1] Checkout is slow (INC-8Q2XK4ZR-1)"


def test_a_mail_s_own_html_stands_as_the_template_made_it_and_as_text_beside() -> None:
    body = Template("<p>Status of <b>{{ title }}</b></p><p>See {{ links['x'] }}</p>", "Update")
    words = Templates().html(body, replace(next(trials()), title="<script>alert(1)</script>"))
    _, plain, html = mailed(a_message(words=words))
    assert "<div><p>Status of <b>&lt;script&gt;alert(1)&lt;/script&gt;</b></p>" in html
    assert "<script" not in html
    assert "Status of <script>alert(1)</script>\nSee -\n" in plain


def test_a_plain_body_is_never_taken_for_html() -> None:
    _, _, html = mailed(in_words("<img src=x onerror=alert(1)>"))
    assert "<img" not in html


def test_hostile_words_have_no_header_and_no_element_of_the_attacker_s() -> None:
    subject, plain, html = mailed(in_hostile_words())
    assert not CONTROLS.search(plain + subject)
    assert len(subject) <= 200
    assert "<script" not in html
    assert "<script>alert(1)</script>" in unescape(html)
    assert re.findall(r'href="([^"]*)"', html) == ["https://tocsin.example.com/incidents/INC-8Q2XK4ZR-1"]


def test_a_mail_goes_out_encrypted_and_logged_in(tmp_path: Path) -> None:
    authority = LoopbackAuthority(tmp_path)
    login = ("tocsin", "p@ss/word")
    with (
        SmtpReceiver(starttls=authority.server, login=login) as upgrading,
        SmtpReceiver(tls=authority.server) as encrypted,
    ):
        by_default = upgrading.url().replace("//", "//tocsin:p%40ss%2Fword@")
        for url in (by_default, by_default + "?starttls=if-available", encrypted.url()):
            spec = a_channel("email", secret="smtp", **{"from": "alarm@example.com"})
            sent(EmailChannel(authority.bundle), spec, secrets_of(smtp=url), to="ada@example.org")
        assert [(mail.user, mail.encrypted) for mail in upgrading.messages] == [("tocsin", True)] * 2
        assert [(mail.user, mail.encrypted) for mail in encrypted.messages] == [(None, True)]


def test_starttls_if_available_goes_on_without_it_where_it_is_not() -> None:
    with SmtpReceiver() as receiver:
        spec = a_channel("email", secret="smtp", **{"from": "alarm@example.com"})
        sent(EmailChannel(), spec, secrets_of(smtp=receiver.url("if-available")), to="ada@example.org")
        assert [mail.encrypted for mail in receiver.messages] == [False]


@pytest.mark.parametrize(
    ("step", "reply", "permanent", "status"),
    [
        ("RCPT", "550 5.1.1 ada@example.org is unknown", True, 550),
        ("RCPT", "451 4.7.1 greylisted", False, 451),
        ("DATA", "554 5.7.1 spam", True, 554),
        ("DATA", "452 4.3.1 full", False, 452),
    ],
)
def test_a_mail_server_s_code_decides_whether_to_try_again(
    step: str, reply: str, permanent: bool, status: int
) -> None:
    with SmtpReceiver() as receiver:
        receiver.answer(step, reply)
        failure = mail_failure(receiver.url("off"))
        assert receiver.messages == []
    assert (failure.permanent, failure.status) == (permanent, status)
    assert "ada" not in str(failure)


def mail_failure(url: str, patience: Patience = USUAL, certificates: str | None = None) -> DeliveryFailed:
    spec = a_channel("email", secret="smtp", **MAIL)
    channel = EmailChannel(certificates, patience)
    failure = failure_of(lambda: sent(channel, spec, secrets_of(smtp=url), to="ada@example.org"))
    assert 'secret "smtp"' in str(failure)
    assert "tell-tale" not in f"{failure!r}{failure.__cause__!r}{failure.__context__!r}"
    return failure


def test_a_wrong_mail_password_fails_for_good_and_a_passing_refusal_does_not(tmp_path: Path) -> None:
    authority = LoopbackAuthority(tmp_path)
    with SmtpReceiver(starttls=authority.server, login=("tocsin", "right")) as receiver:
        url = receiver.url(login=("tocsin", "tell-tale"))
        wrong = mail_failure(url, certificates=authority.bundle)
        receiver.answer("AUTH", *["454 4.7.0 later"] * 3)
        later = mail_failure(url, certificates=authority.bundle)
    assert (wrong.permanent, wrong.status) == (True, 535)
    assert (later.permanent, later.status) == (False, 454)


def test_a_mail_server_that_offers_no_starttls_is_not_trusted_by_default() -> None:
    with SmtpReceiver() as receiver:
        failure = mail_failure(receiver.url())
        assert receiver.messages == []
    assert failure.permanent


def test_a_mail_server_with_an_untrusted_certificate_gets_nothing(tmp_path: Path) -> None:
    authority = LoopbackAuthority(tmp_path)
    with (
        SmtpReceiver(starttls=authority.server) as upgrading,
        SmtpReceiver(tls=authority.server) as encrypted,
    ):
        for url in (upgrading.url(), encrypted.url()):
            assert "TLS failed" in str(mail_failure(url))
        assert upgrading.messages == encrypted.messages == []


def test_a_password_does_not_travel_unencrypted_to_another_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    with SmtpReceiver() as receiver:
        real, port = socket.create_connection, receiver.port
        monkeypatch.setattr(
            socket, "create_connection", lambda _address, timeout: real(("127.0.0.1", port), timeout)
        )
        failure = mail_failure("smtp://tocsin:tell-tale@mail.example.com?starttls=off")
    assert failure.permanent
    assert "unencrypted" in str(failure)


@pytest.mark.parametrize("login", [("t%C3%B6csin", "tell-tale"), ("tocsin", "t%C3%A4ll-tale")])
def test_a_login_that_smtp_cannot_carry_fails_for_good(tmp_path: Path, login: tuple[str, str]) -> None:
    authority = LoopbackAuthority(tmp_path)
    with SmtpReceiver(starttls=authority.server, login=("tocsin", "right")) as receiver:
        assert mail_failure(receiver.url(login=login), certificates=authority.bundle).permanent


def test_a_login_that_is_not_offered_fails_for_good() -> None:
    with SmtpReceiver() as receiver:
        assert mail_failure(receiver.url("off", login=("tocsin", "tell-tale"))).permanent


@pytest.mark.parametrize(
    ("greeting", "permanent", "status"), [(b"421 busy\r\n", False, 421), (b"554 go away\r\n", True, 554)]
)
def test_a_mail_server_that_greets_with_a_refusal_is_believed(
    greeting: bytes, permanent: bool, status: int
) -> None:
    with LineReceiver(b"", greeting) as receiver:
        failure = mail_failure(f"smtp://127.0.0.1:{receiver.port}", SHORT_READS)
    assert (failure.permanent, failure.status) == (permanent, status)


@pytest.mark.parametrize("piece", [b"2", b"220-go on\r\n"], ids=["a line without end", "lines without end"])
def test_a_mail_server_that_never_ends_its_greeting_is_cut_off(piece: bytes) -> None:
    with LineReceiver(piece) as receiver:
        failure = mail_failure(f"smtp://127.0.0.1:{receiver.port}?starttls=off", HURRIED)
        assert_no_sender_is_left()
    assert (failure.permanent, failure.status) == (False, None)


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_a_mail_server_that_says_nothing_is_left_after_the_read_timeout(scheme: str) -> None:
    with LineReceiver(b"") as receiver:
        assert not mail_failure(f"{scheme}://127.0.0.1:{receiver.port}", SHORT_READS).permanent
        assert_no_sender_is_left()


def test_a_mail_server_that_is_not_there_is_tried_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed_soon:
        port = closed_soon.getsockname()[1]
    assert not mail_failure(f"smtp://127.0.0.1:{port}").permanent


@pytest.mark.parametrize(
    "url",
    [
        "mail.tell-tale.example",
        "https://tell-tale.example",
        "smtp://",
        "smtp://tell-tale.example:99999",
        "smtp://tell-tale.example?starttls=perhaps",
        "smtp://[::1",
        "smtp://t\xe4ll-tale.example",
        f"smtp://{'a' * 64}.example",
    ],
)
def test_a_secret_that_is_no_smtp_url_fails_for_good_and_is_not_repeated(url: str) -> None:
    assert mail_failure(url).permanent


@pytest.mark.parametrize(
    "to",
    [
        "",
        "ada",
        "ada@",
        "@example.org",
        "ada@example.org\r\nBcc: eve@example.org",
        "ada@example.org, eve@example.org",
        "ada@@example.org",
        "ada..b@example.org",
        ".ada@example.org",
        "ada.@example.org",
        "ädä@example.org",
        "ada@exämple.org",
        "ada@example..org",
        "Ada <ada@example.org",
        "<ada@example.org> <eve@example.org>",
        "a" * 65 + "@example.org",
    ],
)
def test_an_address_that_is_none_fails_for_good_and_is_not_repeated(to: str) -> None:
    spec = a_channel("email", secret="smtp", **MAIL)
    failure = failure_of(lambda: sent(EmailChannel(), spec, secrets_of(smtp="smtp://localhost"), to=to))
    assert failure.permanent
    assert "example.org" not in str(failure)
