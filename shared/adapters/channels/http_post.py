"""One request to a provider, mostly a POST: pooled, bounded in time and size; accepted or failed."""

from __future__ import annotations

import ipaddress
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from shared.adapters.channels.time_limit import USUAL, OutOfTime, Patience, time_limit, within
from shared.domain.errors import DeliveryFailed

if TYPE_CHECKING:
    import requests

ANSWER_LIMIT = 64 * 1024
"""Bytes of an answer that are read; the rest is left on the wire."""
LONGEST_RETRY_AFTER = 86_400.0
TEMPORARY = frozenset({408, 425, 429})
"""Client errors that pass by themselves; every 5xx does too."""
_SECONDS = re.compile(r"[0-9]{1,9}")
_AMBIGUOUS = re.compile(r"[\s\\\x00-\x1f\x7f-\x9f]")
_PROVIDER_ID = re.compile(r"[!-~]{1,128}")


@dataclass(frozen=True)
class Address:
    """Where to post. Only ``named`` ever appears in an error, because the URL may be a secret."""

    url: str = field(repr=False)
    named: str
    """In words: ``secret "slack-ops"``, ``the url of channel "ops"``."""


@dataclass(frozen=True)
class Answer:
    """What a provider said to a notification that it took (2xx)."""

    status: int
    headers: Mapping[str, str]
    """Names are lower-case."""
    body: bytes
    """At most `ANSWER_LIMIT` bytes, or what was asked for; less where the answer broke off."""


def address(url: str, named: str) -> Address:
    """The checked address: https, or http to this very machine. Raises DeliveryFailed (permanent).

    Nothing that two programs could read as two hosts is taken: neither user names nor backslashes, blanks or
    control characters.
    """
    stripped = url.strip()
    scheme, host = _scheme_and_host(stripped)
    if host is None or scheme not in {"http", "https"}:
        raise DeliveryFailed(f"{named} is not an http(s) URL", permanent=True)
    if scheme == "http" and not is_loopback(host):
        raise DeliveryFailed(f"{named} is plain http; only https leaves this machine", permanent=True)
    return Address(stripped, named)


def _scheme_and_host(url: str) -> tuple[str, str | None]:
    """The host as those read it who connect to it; None where there is none, or it reads differently."""
    from urllib3.exceptions import LocationParseError
    from urllib3.util import parse_url

    try:
        parts, read = urlsplit(url), parse_url(url)
        said, _ = parts.hostname, parts.port
    except (ValueError, LocationParseError):
        return "", None
    host = (read.host or "").removeprefix("[").removesuffix("]").lower()
    if not said or not host or _AMBIGUOUS.search(url) or "@" in parts.netloc or read.auth is not None:
        return parts.scheme, None
    if said.isascii() and said != host:  # others are connected to by another name
        return parts.scheme, None
    return parts.scheme, host


def is_loopback(host: str) -> bool:
    """Whether a host name or literal address is this very machine; names are not looked up."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def provider_id(text: object) -> str | None:
    """A provider's own id if it is fit to keep: up to 128 printable ASCII characters, else None."""
    if isinstance(text, bool) or not isinstance(text, str | int):
        return None
    return str(text) if _PROVIDER_ID.fullmatch(str(text)) else None


def retry_after(text: str | None, now: datetime) -> float | None:
    """Seconds that a ``Retry-After`` asks for, at most a day; None where it says nothing sensible."""
    if text is None:
        return None
    if _SECONDS.fullmatch(text.strip()):
        seconds = float(text)
    else:
        try:
            wish = parsedate_to_datetime(text)
        except (ValueError, TypeError, OverflowError):
            return None
        seconds = (wish if wish.tzinfo else wish.replace(tzinfo=UTC)).timestamp() - now.timestamp()
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER)


class HttpPost:
    """Posts for all HTTP channels, over one pool of connections; safe across threads."""

    def __init__(self, certificates: str | None = None, patience: Patience = USUAL) -> None:
        self._certificates = certificates
        self._patience = patience
        self._lock = threading.Lock()
        self._session: requests.Session | None = None

    def post(self, to: Address, body: bytes, headers: Mapping[str, str], now: datetime) -> Answer:
        """Post once and return what a 2xx said; raises DeliveryFailed for everything else."""
        return self.send("POST", to, body, headers, now)

    def send(
        self,
        method: str,
        to: Address,
        body: bytes,
        headers: Mapping[str, str],
        now: datetime,
        *,
        seconds: float | None = None,
        limit: int = ANSWER_LIMIT,
    ) -> Answer:
        """`post` by any method: a provider's PATCH, PUT, GET and so on; same bounds, same errors.

        ``seconds`` is what is left for it where several calls share one send; ``limit`` is in bytes.
        """
        exchange = _Exchange(self._opened(), method, to, body, headers, self._patience, limit)
        whole = self._patience.whole
        failure = _attempt(exchange, whole if seconds is None else min(seconds, whole))
        if exchange.status is None:
            raise failure or DeliveryFailed(f"{to.named}: no answer", permanent=False)
        return _judged(Answer(exchange.status, exchange.headers, bytes(exchange.body)), to, now)

    def close(self) -> None:
        """Close idle connections; the next post opens new ones."""
        with self._lock:
            if self._session is not None:
                self._session.close()

    def _opened(self) -> requests.Session:
        from shared.adapters.channels.pooled_session import open_session

        with self._lock:
            if self._session is None:
                self._session = open_session(self._certificates)
            return self._session


class _Exchange:
    """One request and as much of its answer as came in time, readable from outside at any moment."""

    def __init__(
        self,
        session: requests.Session,
        method: str,
        to: Address,
        body: bytes,
        headers: Mapping[str, str],
        patience: Patience,
        limit: int,
    ) -> None:
        self._session, self._method, self.to, self._request = session, method, to, body
        self._limit = limit
        self._request_headers = {"User-Agent": "Tocsin", "Accept-Encoding": "identity", **headers}
        self._timeouts = (patience.connect, patience.read)
        self.status: int | None = None
        self.headers: dict[str, str] = {}
        self.body = bytearray()

    def run(self) -> None:
        """Send and read; raises what requests, urllib3 and sockets raise."""
        with self._session.request(
            self._method,
            self.to.url,
            data=self._request,
            headers=self._request_headers,
            timeout=self._timeouts,
            allow_redirects=False,
            stream=True,
        ) as response:
            limit = time_limit()
            if limit.over:
                return  # cut off among the headers, which then look complete
            self.headers = {name.lower(): value for name, value in response.headers.items()}
            self.status = response.status_code
            while len(self.body) < self._limit and not limit.over:
                piece = response.raw.read1(self._limit - len(self.body), decode_content=False)
                if not piece:
                    return
                self.body += piece


def _attempt(exchange: _Exchange, seconds: float) -> DeliveryFailed | None:
    """Run the exchange; what went wrong is told in our own words, for theirs contain the URL."""
    import http.client

    from requests import exceptions as of_requests
    from urllib3 import exceptions as of_urllib3

    named = exchange.to.named
    try:
        within(seconds, exchange.run)
    except (OutOfTime, of_requests.Timeout):
        return DeliveryFailed(f"{named}: no answer in time", permanent=False)
    except (of_requests.InvalidURL, of_requests.InvalidSchema, of_urllib3.LocationValueError, UnicodeError):
        return DeliveryFailed(f"{named} is not a usable URL", permanent=True)
    except of_requests.SSLError:
        return DeliveryFailed(f"{named}: TLS failed", permanent=False)
    except (of_requests.RequestException, of_urllib3.HTTPError, OSError, http.client.HTTPException):
        return DeliveryFailed(f"{named}: the connection failed", permanent=False)
    return None


def _judged(answer: Answer, to: Address, now: datetime) -> Answer:
    status = answer.status
    if 200 <= status < 300:
        return answer
    temporary = status in TEMPORARY or 500 <= status < 600
    raise DeliveryFailed(
        f"{to.named}: answered {status}",
        permanent=not temporary,
        status=status,
        retry_after=retry_after(answer.headers.get("retry-after"), now) if temporary else None,
    )
