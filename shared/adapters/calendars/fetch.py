"""Fetches a contact's calendar: bounded in time and size, silent about its address, which may be a secret."""

from __future__ import annotations

import http.client
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from shared.adapters.channels.http_post import Address, address
from shared.adapters.channels.time_limit import USUAL, OutOfTime, Patience, time_limit, within
from shared.domain.agenda import CalendarUnreadable
from shared.domain.errors import DeliveryFailed, InvalidInput, SecretUnavailable
from shared.domain.oncall import Absence
from shared.domain.plan import Calendar
from shared.ports import Secrets

if TYPE_CHECKING:
    import requests

MOST_BYTES = 1024 * 1024
MOST_REDIRECTS = 3
_PIECE = 64 * 1024
_MOVED = frozenset({301, 302, 303, 307, 308})
_HEADERS = {"User-Agent": "Tocsin", "Accept": "text/calendar", "Accept-Encoding": "identity"}


class CalendarFeeds:
    """`ports.Calendars` over HTTP; safe across threads."""

    def __init__(self, secrets: Secrets, certificates: str | None = None, patience: Patience = USUAL) -> None:
        """``certificates`` is a CA bundle, certifi's where None."""
        self._secrets = secrets
        self._certificates = certificates
        self._patience = patience

    def absences(
        self, calendar: Calendar, since: datetime, until: datetime, timezone: str
    ) -> tuple[Absence, ...]:
        """The absences that overlap [since, until), earliest first. Raises CalendarUnreadable."""
        from shared.adapters.calendars.absences_ics import read_absences

        content = self._fetch(self._address(calendar))
        try:
            return tuple(read_absences(content, since, until, timezone))
        except InvalidInput as fault:  # its words may quote the calendar, which is nobody else's business
            raise CalendarUnreadable("it is no calendar, or one beyond the limits") from fault

    def _address(self, calendar: Calendar) -> Address:
        url, named = calendar.url or "", "its url"
        if calendar.secret is not None:
            named = f'secret "{calendar.secret}"'
            try:
                url = self._secrets.get(calendar.secret)
            except SecretUnavailable as missing:
                raise CalendarUnreadable(str(missing)) from missing
        return _checked(url, named)

    def _fetch(self, where: Address) -> bytes:
        from shared.adapters.channels.pooled_session import open_session

        with open_session(self._certificates) as session:
            exchange = _Exchange(session, where, self._patience)
            _run(exchange, self._patience.whole)
        return bytes(exchange.body)


@dataclass
class _Exchange:
    """One calendar, with the redirects on its way."""

    session: requests.Session
    where: Address
    patience: Patience

    def __post_init__(self) -> None:
        """Nothing is read yet."""
        self.body = bytearray()

    def run(self) -> None:
        """Follow redirects on the same host, and read; raises what requests, urllib3 and sockets raise."""
        where: Address | None = self.where
        for _ in range(MOST_REDIRECTS + 1):
            if where is None:
                return
            where = self._get(where)
        raise CalendarUnreadable(f"{self.where.named}: it redirects without end")

    def _get(self, where: Address) -> Address | None:
        """Read the calendar; or where it says that it has moved to."""
        timeouts = (self.patience.connect, self.patience.read)
        with self.session.get(
            where.url, headers=_HEADERS, timeout=timeouts, allow_redirects=False, stream=True
        ) as answer:
            if answer.status_code in _MOVED:
                return _moved(where, answer.headers.get("Location", ""))
            if answer.status_code != 200:
                raise CalendarUnreadable(f"{where.named}: it answered {answer.status_code}")
            self._read(answer, where.named)
        return None

    def _read(self, answer: requests.Response, named: str) -> None:
        limit = time_limit()
        while piece := answer.raw.read1(_PIECE, decode_content=False):
            self.body += piece
            if len(self.body) > MOST_BYTES:
                raise CalendarUnreadable(f"{named}: it is larger than {MOST_BYTES} bytes")
        stated = answer.headers.get("Content-Length", "")
        if limit.over or (stated.isdecimal() and len(self.body) < int(stated)):
            raise CalendarUnreadable(f"{named}: the answer broke off")


def _run(exchange: _Exchange, seconds: float) -> None:
    """Run the exchange; what went wrong is told in our own words, for theirs contain the address."""
    from requests import exceptions as of_requests
    from urllib3 import exceptions as of_urllib3

    named = exchange.where.named
    try:
        within(seconds, exchange.run)
    except (OutOfTime, of_requests.Timeout, of_urllib3.TimeoutError):
        why = "no answer in time"
    except of_requests.SSLError:
        why = "TLS failed"
    except (
        of_requests.RequestException,
        of_urllib3.HTTPError,
        OSError,
        http.client.HTTPException,
        UnicodeError,
    ):
        why = "the connection failed"
    else:
        return
    raise CalendarUnreadable(f"{named}: {why}")


def _checked(url: str, named: str) -> Address:
    """https, or http to this very machine; ``webcal`` is https by another name."""
    stripped = url.strip()
    if stripped[:9].lower() == "webcal://":
        stripped = f"https://{stripped[9:]}"
    try:
        return address(stripped, named)
    except DeliveryFailed as fault:
        raise CalendarUnreadable(str(fault)) from None


def _moved(where: Address, location: str) -> Address:
    """The new address; only on the same host, or a stranger could send us anywhere."""
    try:
        target = urljoin(where.url, location)
        here, there = urlsplit(where.url), urlsplit(target)
        same = (here.scheme, here.hostname, here.port) == (there.scheme, there.hostname, there.port)
    except ValueError:
        same, target = False, ""
    if not location or not same:
        raise CalendarUnreadable(f"{where.named}: it redirects to another host")
    return _checked(target, where.named)
