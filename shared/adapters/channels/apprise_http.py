"""The wire under apprise's plugins: what they ask of `requests` goes out bounded, by TLS, and no further."""

from __future__ import annotations

import http.client
import io
import logging
import sys
import threading
import warnings
from contextvars import ContextVar
from datetime import datetime
from typing import Any

import requests
from urllib3.exceptions import HTTPError

from shared.adapters.channels.http_post import ANSWER_LIMIT, TEMPORARY, address, retry_after
from shared.adapters.channels.pooled_session import open_session
from shared.adapters.channels.time_limit import Patience, time_limit
from shared.domain.errors import DeliveryFailed

_PASSED_ON = frozenset({"params", "data", "json", "headers", "auth"})
"""What a plugin may say of a request; timeouts, redirects, certificates and proxies are not its business."""
_LENT = frozenset({"codes", "exceptions", "auth", "adapters", "structures", "utils", "Response"})
"""What else of the library a plugin sees, besides its exceptions. None of it sends."""
_NOISY = ("urllib3.connectionpool", "urllib3.util.retry")
"""They log paths and queries, in which plugins put tokens."""


class Wire:
    """What one notification does on the wire."""

    def __init__(self, session: requests.Session, named: str, patience: Patience, now: datetime) -> None:
        self._session, self._named, self._now = session, named, now
        self._timeouts = (patience.connect, patience.read)
        self.taken: int | None = None
        """Status of the latest 2xx."""
        self.failure: DeliveryFailed | None = None
        """The first thing that went wrong, in our own words."""

    def request(self, method: str, url: str, **said: Any) -> requests.Response:  # noqa: ANN401  (as the library)
        """As ``requests.request``; of the answer `ANSWER_LIMIT` bytes. Raises RequestException."""
        try:
            to = address(str(url), self._named)
        except DeliveryFailed as refusal:
            self._failed(refusal)
            raise requests.exceptions.InvalidURL("refused") from None
        kept = {name: value for name, value in said.items() if name in _PASSED_ON}
        try:
            response = self._session.request(
                method, to.url, timeout=self._timeouts, allow_redirects=False, stream=True, **kept
            )
            _read(response)
        except (HTTPError, OSError, http.client.HTTPException, UnicodeError) as fault:
            self._failed(_told(fault, self._named))
            if isinstance(fault, requests.RequestException):
                raise
            raise requests.exceptions.ConnectionError("broken off") from fault
        self._judge(response)
        return response

    def _judge(self, response: requests.Response) -> None:
        status = response.status_code
        if 200 <= status < 300:
            self.taken = status
            return
        temporary = status in TEMPORARY or 500 <= status < 600
        wish = retry_after(response.headers.get("Retry-After"), self._now) if temporary else None
        told = f"{self._named}: answered {status}"
        self._failed(DeliveryFailed(told, permanent=not temporary, status=status, retry_after=wish))

    def _failed(self, failure: DeliveryFailed) -> None:
        self.failure = self.failure or failure


_under_way: ContextVar[Wire | None] = ContextVar("tocsin_apprise_wire", default=None)


class GuardedRequests:
    """Stands where apprise's modules have the library ``requests``."""

    def request(self, method: str, url: str, **said: Any) -> requests.Response:  # noqa: ANN401  (as the library)
        """By the wire of the notification under way. Raises RequestException where there is none."""
        wire = _under_way.get()
        if wire is None:
            raise requests.exceptions.ConnectionError("no notification is under way")
        return wire.request(method, url, **said)

    def get(self, url: str, params: Any = None, **said: Any) -> requests.Response:  # noqa: ANN401
        """GET."""
        return self.request("GET", url, params=params, **said)

    def post(self, url: str, data: Any = None, json: Any = None, **said: Any) -> requests.Response:  # noqa: ANN401
        """POST."""
        return self.request("POST", url, data=data, json=json, **said)

    def put(self, url: str, data: Any = None, **said: Any) -> requests.Response:  # noqa: ANN401
        """PUT."""
        return self.request("PUT", url, data=data, **said)

    def patch(self, url: str, data: Any = None, **said: Any) -> requests.Response:  # noqa: ANN401
        """PATCH."""
        return self.request("PATCH", url, data=data, **said)

    def delete(self, url: str, **said: Any) -> requests.Response:  # noqa: ANN401
        """DELETE."""
        return self.request("DELETE", url, **said)

    def head(self, url: str, **said: Any) -> requests.Response:  # noqa: ANN401
        """HEAD."""
        return self.request("HEAD", url, **said)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  (whatever the library has)
        found = getattr(requests, name)
        if name in _LENT or (isinstance(found, type) and issubclass(found, Exception)):
            return found
        raise AttributeError(name)


class AppriseWires:
    """One pool of connections for all plugins; safe across threads."""

    def __init__(self, certificates: str | None, patience: Patience) -> None:
        self._session = open_session(certificates)
        self._session.headers.update({"User-Agent": "Tocsin", "Accept-Encoding": "identity"})
        self._patience = patience

    def lay(self, named: str, now: datetime) -> Wire:
        """What the calling thread's plugins send by, from now on."""
        wire = Wire(self._session, named, self._patience, now)
        _under_way.set(wire)
        return wire

    def close(self) -> None:
        """Close idle connections."""
        self._session.close()


_GUARDED = GuardedRequests()
_lock = threading.Lock()


def guard_apprise() -> None:
    """Put our guard in the library's place in all of apprise, and silence what would log addresses."""
    with _lock:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # they load what Python 3.13 dropped
            list(known_plugins().plugins())
        logging.getLogger("apprise").disabled = True
        for name in _NOISY:
            if _is_quiet not in logging.getLogger(name).filters:
                logging.getLogger(name).addFilter(_is_quiet)
        for name, module in list(sys.modules.items()):
            if name.startswith("apprise.") and vars(module).get("requests") is requests:
                vars(module)["requests"] = _GUARDED


def known_plugins() -> Any:  # noqa: ANN401  (it has no types)
    """Apprise's plugins: ``[schema]`` is a class."""
    from apprise.manager_plugins import NotificationManager

    kept: Any = NotificationManager
    return kept()


def goes_by_guard(plugin: type[Any]) -> bool:
    """Whether a plugin sends by the library that we have replaced, in one of its own modules."""
    modules = {each.__module__ for each in plugin.__mro__ if each.__module__.startswith("apprise.plugins.")}
    return any(vars(sys.modules[module]).get("requests") is _GUARDED for module in modules)


def _is_quiet(_record: logging.LogRecord) -> bool:
    return _under_way.get() is None


def _read(response: requests.Response) -> None:
    """Take the body off the wire, as much as we want of it, so that plugins read it from memory."""
    raw, body, limit = response.raw, bytearray(), time_limit()
    while len(body) < ANSWER_LIMIT and not limit.over:
        piece = raw.read1(ANSWER_LIMIT - len(body), decode_content=False)
        if not piece:
            break
        body += piece
    if limit.over or len(body) >= ANSWER_LIMIT:
        raw.close()
    raw.release_conn()
    response.raw = io.BytesIO(bytes(body))


def _told(fault: Exception, named: str) -> DeliveryFailed:
    if isinstance(fault, requests.exceptions.InvalidURL | UnicodeError):
        return DeliveryFailed(f"{named} does not lead to a usable URL", permanent=True)
    what = "the connection failed"
    if isinstance(fault, requests.Timeout):
        what = "no answer in time"
    elif isinstance(fault, requests.exceptions.SSLError):
        what = "TLS failed"
    return DeliveryFailed(f"{named}: {what}", permanent=False)
