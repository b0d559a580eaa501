"""One mail handed to a mail server: bounded in time, and turned into accepted or failed."""

from __future__ import annotations

import smtplib
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit

from shared.adapters.channels.http_post import is_loopback
from shared.adapters.channels.time_limit import OutOfTime, Patience, time_limit, within
from shared.domain.errors import DeliveryFailed

STARTTLS = frozenset({"required", "if-available", "off"})
_FAULTS: tuple[tuple[type[Exception], str, bool], ...] = (
    (OutOfTime, "the mail server did not answer in time", False),
    (TimeoutError, "the mail server did not answer in time", False),
    (smtplib.SMTPServerDisconnected, "the mail server hung up", False),
    (smtplib.SMTPException, "the mail server lacks the login or TLS asked for", True),
    (ssl.SSLError, "TLS failed", False),
    (OSError, "no connection to the mail server", False),
    (ValueError, "the host, user or password cannot be used", True),
)
"""Why, and whether for good; the first that fits."""
PORTS = {"smtp": 587, "smtps": 465}


@dataclass(frozen=True)
class MailServer:
    """What an SMTP URL says: ``smtp://user:password@host:port?starttls=required`` or ``smtps://…``."""

    named: str
    """What errors may call it: the secret's name, never its value."""
    host: str
    port: int
    implicit_tls: bool
    starttls: str
    user: str | None = None
    password: str = field(default="", repr=False)


@dataclass(frozen=True)
class Envelope:
    """A mail as it goes over the wire: ASCII addresses, and the bytes with CRLF line ends."""

    sender: str
    recipient: str
    data: bytes


def mail_server(url: str, named: str) -> MailServer:
    """Read an SMTP URL; user and password are percent-decoded. Raises DeliveryFailed (permanent)."""
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
        starttls = parse_qs(parts.query).get("starttls", ["required"])[-1]
    except ValueError:
        host, port, parts, starttls = None, None, urlsplit(""), ""
    if not host or not host.isascii() or parts.scheme not in PORTS or starttls not in STARTTLS:
        raise DeliveryFailed(f"{named} is not an SMTP URL", permanent=True)
    return MailServer(
        named=named,
        host=host,
        port=port or PORTS[parts.scheme],
        implicit_tls=parts.scheme == "smtps",
        starttls=starttls,
        user=None if parts.username is None else unquote(parts.username),
        password=unquote(parts.password or ""),
    )


def post_mail(server: MailServer, envelope: Envelope, certificates: str | None, patience: Patience) -> int:
    """Hand the mail over once and return the server's 2xx code. Raises DeliveryFailed.

    ``certificates`` is a CA bundle, the machine's own where None. What the server says is not repeated in
    errors: refusals quote addresses.
    """
    dialogue = _Dialogue(server, envelope, certificates, patience)
    try:
        return within(patience.whole, dialogue.run)
    except (OutOfTime, smtplib.SMTPException, OSError, ValueError) as fault:
        failure = _failed(server.named, fault)
    raise failure


class _WatchedSmtp(smtplib.SMTP):
    """Its socket can be cut off by a `TimeLimit`, and is opened with a timeout of its own."""

    def __init__(self, server: MailServer, hello: str, tls: ssl.SSLContext, patience: Patience) -> None:
        super().__init__(local_hostname=hello, timeout=patience.read)
        self._server, self._tls, self._patience = server, tls, patience
        self._host = server.host  # what starttls() checks the certificate against

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        sock = socket.create_connection((host, port), self._patience.connect)
        sock.settimeout(timeout)
        time_limit().watch(sock)
        if self._server.implicit_tls:
            sock = self._tls.wrap_socket(sock, server_hostname=host)
            time_limit().watch(sock)
        return sock


class _Dialogue:
    """EHLO, STARTTLS, AUTH, MAIL, RCPT, DATA; in that order, each step checked."""

    def __init__(
        self, server: MailServer, envelope: Envelope, certificates: str | None, patience: Patience
    ) -> None:
        self._server, self._envelope, self._patience = server, envelope, patience
        self._certificates = certificates

    def run(self) -> int:
        """The code with which the mail was taken; raises DeliveryFailed, or as smtplib and sockets do."""
        named = self._server.named
        tls = ssl.create_default_context(cafile=self._certificates)
        hello = self._envelope.sender.rpartition("@")[2]
        smtp = _WatchedSmtp(self._server, hello, tls, self._patience)
        try:
            _expect(named, "the session", smtp.connect(self._server.host, self._server.port)[0])
            encrypted = self._server.implicit_tls or self._upgrade(smtp, tls)
            self._log_in(smtp, encrypted)
            return self._hand_over(smtp)
        finally:
            with suppress(OSError, smtplib.SMTPException):
                smtp.putcmd("QUIT")
            smtp.close()

    def _upgrade(self, smtp: smtplib.SMTP, tls: ssl.SSLContext) -> bool:
        smtp.ehlo_or_helo_if_needed()
        wanted = self._server.starttls
        if wanted == "off" or (wanted == "if-available" and not smtp.has_extn("starttls")):
            return False
        code, _ = smtp.starttls(context=tls)
        if code != 220:
            raise _refused(self._server.named, "STARTTLS", code)
        if smtp.sock is not None:
            time_limit().watch(smtp.sock)
        return True

    def _log_in(self, smtp: smtplib.SMTP, encrypted: bool) -> None:
        server = self._server
        if server.user is None:
            smtp.ehlo_or_helo_if_needed()
            return
        if not encrypted and not is_loopback(server.host):
            raise DeliveryFailed(f"{server.named}: the password would travel unencrypted", permanent=True)
        smtp.login(server.user, server.password)

    def _hand_over(self, smtp: smtplib.SMTP) -> int:
        envelope, named = self._envelope, self._server.named
        _expect(named, "the sender", smtp.mail(envelope.sender)[0])
        _expect(named, "the recipient", smtp.rcpt(envelope.recipient)[0])
        return _expect(named, "the mail", smtp.data(envelope.data)[0])


def _expect(named: str, what: str, code: int) -> int:
    if not 200 <= code < 300:
        raise _refused(named, what, code)
    return code


def _refused(named: str, what: str, code: int) -> DeliveryFailed:
    permanent = 500 <= code < 600
    return DeliveryFailed(
        f"{named}: the mail server refused {what} ({code})", permanent=permanent, status=code
    )


def _failed(named: str, fault: Exception) -> DeliveryFailed:
    """What went wrong, in our own words."""
    if isinstance(fault, smtplib.SMTPResponseException):
        what = "the login" if isinstance(fault, smtplib.SMTPAuthenticationError) else "the session"
        return _refused(named, what, fault.smtp_code)
    for kind, why, permanent in _FAULTS:
        if isinstance(fault, kind):
            return DeliveryFailed(f"{named}: {why}", permanent=permanent)
    raise fault
