"""Real mail servers on free loopback ports: one that takes mail, and one that never comes to an end."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from types import TracebackType
from typing import Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session

_NEXT_MOMENT = 0.05


@dataclass(frozen=True)
class Mail:
    """One mail as it was handed over."""

    sender: str
    recipients: list[str]
    content: bytes
    user: str | None
    """Who had logged in."""
    encrypted: bool

    @property
    def message(self) -> EmailMessage:
        """The content, parsed."""
        return message_from_bytes(self.content, policy=SMTP_POLICY)


class SmtpReceiver:
    """An SMTP server: ``with SmtpReceiver(starttls=context, login=("tocsin", "s3cret")) as receiver: …``."""

    def __init__(
        self,
        starttls: ssl.SSLContext | None = None,
        tls: ssl.SSLContext | None = None,
        login: tuple[str, str] | None = None,
        port: int = 0,
        heard: Callable[[Mail], None] | None = None,
    ) -> None:
        """``starttls`` is offered; ``tls`` is spoken from the first byte; ``login`` is demanded.

        ``heard`` is called with each mail before its sender learns that it was taken.
        """
        self.messages: list[Mail] = []
        self._heard = heard
        self._login = login
        self._replies: dict[str, deque[str]] = {}
        self._controller = _Controller(
            self,
            hostname="127.0.0.1",
            port=port,
            ssl_context=tls,
            tls_context=starttls,
            authenticator=self._authenticate if login else None,
            auth_required=login is not None,
            auth_require_tls=starttls is not None,
            enable_SMTPUTF8=False,
        )

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._controller.port

    def url(self, starttls: str | None = None, login: tuple[str, str] | None = None) -> str:
        """The SMTP URL to reach it by, as a secret would hold it."""
        scheme = "smtps" if self._controller.ssl_context else "smtp"
        user = f"{login[0]}:{login[1]}@" if login else ""
        query = f"?starttls={starttls}" if starttls else ""
        return f"{scheme}://{user}127.0.0.1:{self.port}{query}"

    def answer(self, step: str, *replies: str) -> None:
        """Answer the next of that step (``RCPT``, ``DATA``, ``AUTH``) thus: ``451 4.3.0 later``."""
        self._replies.setdefault(step, deque()).extend(replies)

    def __enter__(self) -> Self:
        self._controller.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._controller.stop()

    def _scripted(self, step: str) -> str | None:
        replies = self._replies.get(step)
        return replies.popleft() if replies else None

    def _authenticate(
        self, _server: object, _session: object, _envelope: object, _mechanism: str, data: LoginPassword
    ) -> AuthResult:
        refusal = self._scripted("AUTH")
        if refusal is not None:
            return AuthResult(success=False, handled=False, message=refusal)
        given = (data.login.decode(), data.password.decode())
        return AuthResult(success=given == self._login, handled=False, auth_data=given[0])

    async def handle_RCPT(  # noqa: N802  (aiosmtpd's name)
        self, _server: object, _session: object, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """aiosmtpd's hook for RCPT TO."""
        refusal = self._scripted("RCPT")
        if refusal is None:
            envelope.rcpt_tos.append(address)
        return refusal or "250 OK"

    async def handle_DATA(  # noqa: N802  (aiosmtpd's name)
        self, _server: object, session: Session, envelope: Envelope
    ) -> str:
        """aiosmtpd's hook for the end of DATA."""
        refusal = self._scripted("DATA")
        if refusal is None:
            content = envelope.original_content or b""
            encrypted = session.ssl is not None or self._controller.ssl_context is not None
            mail = Mail(envelope.mail_from or "", envelope.rcpt_tos, content, session.auth_data, encrypted)
            self.messages.append(mail)
            if self._heard is not None:
                self._heard(mail)
        return refusal or "250 OK"


class _Controller(Controller):
    """Takes a free port where it was given none, before it connects to itself to see whether it is up."""

    def _trigger_server(self) -> None:
        if self.port == 0 and isinstance(self.server, asyncio.Server):
            self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]


class LineReceiver:
    """A TCP server that sends what it is given, drop by drop and for ever, whatever the client says."""

    def __init__(self, piece: bytes, first: bytes = b"") -> None:
        self._piece, self._first = piece, first
        self._stopping = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.02)
        self._thread = threading.Thread(target=self._serve)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._listener.getsockname()[1])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        while not self._stopping.is_set():
            with suppress(OSError):
                connection, _ = self._listener.accept()
                with connection:
                    connection.sendall(self._first)
                    while not self._stopping.wait(_NEXT_MOMENT):
                        connection.sendall(self._piece)
