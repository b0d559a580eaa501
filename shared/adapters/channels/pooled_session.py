"""The pooled session behind every HTTP channel: without cookies, and deaf to the environment."""

from __future__ import annotations

from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from shared.adapters.channels.time_limit import time_limit

HOSTS, CONNECTIONS = 20, 32
"""Pools kept, and idle connections kept in each; more may be open at once."""


class _Connection(HTTPConnection):
    def request(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  (urllib3's signature)
        if self.sock is None:
            self.connect()
        time_limit().watch(self.sock)
        super().request(*args, **kwargs)


class _SecureConnection(HTTPSConnection):
    def request(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  (urllib3's signature)
        if self.sock is None:
            self.connect()
        time_limit().watch(self.sock)
        super().request(*args, **kwargs)


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class _WatchedAdapter(HTTPAdapter):
    """Sends over connections that a `TimeLimit` can cut off."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  (requests' signature)
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}


def open_session(certificates: str | None) -> requests.Session:
    """A session that many threads may share; ``certificates`` is a CA bundle, certifi's where None."""
    session = requests.Session()
    session.trust_env = False  # neither proxies nor .netrc: what is sent depends on the plan alone
    session.verify = certificates or True
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    adapter = _WatchedAdapter(pool_connections=HOSTS, pool_maxsize=CONNECTIONS, max_retries=0)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session
