"""The sign-in page for browsers: one says who one is, and the host believes it, on loopback only."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import html
import json
import secrets
import time
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import parse_qs

from local.principal import Person
from local.replies import Reply, problem, status_line

# The app roles of the Entra ID registration, in the order the page offers them.
APP_ROLES = ("Admin", "Commander", "Responder", "Auditor", "Reader")
HOURS = 8
LARGEST_FORM = 16 * 1024
PAGE = Path(__file__).resolve().parent / "sign_in.html"
POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'"


class SignIn:
    """Everything under ``/.auth/``; who is signed in stands in a signed cookie that ends with the host."""

    def __init__(self, port: int) -> None:
        self._key = secrets.token_bytes(32)
        # Browsers share the cookies of one name between all ports of a machine; stacks run side by side.
        self._cookie = f"AppServiceAuthSession{port}"

    def person(self, environ: dict[str, Any]) -> Person | None:
        """The person whose cookie came with the request; None where it is missing, forged or too old."""
        for cookie in environ.get("HTTP_COOKIE", "").split(";"):
            name, _, value = cookie.strip().partition("=")
            if name == self._cookie:
                return self._read(value)
        return None

    def answer(self, path: str, environ: dict[str, Any]) -> Reply:
        """The answer to a request under ``/.auth/``."""
        method = environ["REQUEST_METHOD"]
        query = parse_qs(environ.get("QUERY_STRING", ""))
        if path.startswith("/.auth/login/") and method == "GET":
            return self._page(_local_path(query, "post_login_redirect_uri"))
        if path.startswith("/.auth/login/") and method == "POST":
            return self._log_in(environ)
        if path == "/.auth/logout":
            return self._redirect(_local_path(query, "post_logout_redirect_uri"), "", 0)
        return problem(404, f"there is nothing at {path}")

    def _page(self, target: str) -> Reply:
        roles = "".join(
            f'<label><input type="checkbox" name="roles" value="{role}"> {role}</label>' for role in APP_ROLES
        )
        page = Template(PAGE.read_text(encoding="utf-8")).substitute(target=html.escape(target), roles=roles)
        headers = [
            ("Content-Type", "text/html; charset=utf-8"),
            ("Content-Security-Policy", POLICY),
            ("Cache-Control", "no-store"),
        ]
        return Reply(status_line(200), headers, page.encode())

    def _log_in(self, environ: dict[str, Any]) -> Reply:
        origin = environ.get("HTTP_ORIGIN")
        if origin is not None and origin != f"http://{environ['HTTP_HOST']}":
            return problem(403, "this form is sent from the host's own page only")
        form = parse_qs(environ["wsgi.input"].read(LARGEST_FORM).decode("utf-8", "replace"))
        name = "".join(form.get("name", [""])[0].split("\0")).strip()
        roles = [role for role in APP_ROLES if role in form.get("roles", [])]
        if not name:
            return problem(400, "a name is needed")
        session = {"name": name[:200], "roles": roles, "until": time.time() + HOURS * 3600}
        return self._redirect(_local_path(form, "post_login_redirect_uri"), self._sign(session), HOURS * 3600)

    def _redirect(self, target: str, cookie: str, seconds: int) -> Reply:
        attributes = f"Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax"
        headers = [("Location", target), ("Set-Cookie", f"{self._cookie}={cookie}; {attributes}")]
        return Reply(status_line(303), [*headers, ("Cache-Control", "no-store")])

    def _sign(self, session: dict[str, Any]) -> str:
        text = base64.urlsafe_b64encode(json.dumps(session).encode()).decode()
        return f"{text}.{self._signature(text)}"

    def _signature(self, text: str) -> str:
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()

    def _read(self, value: str) -> Person | None:
        text, _, signature = value.partition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(text).encode()):
            return None
        try:
            session = json.loads(base64.urlsafe_b64decode(text))
        except (binascii.Error, ValueError):
            return None
        return Person(session["name"], tuple(session["roles"])) if session["until"] > time.time() else None


def _local_path(fields: dict[str, list[str]], name: str) -> str:
    """Where to go on; only ever a path of this host."""
    target = fields.get(name, ["/"])[0]
    is_path = target.startswith("/") and not target.startswith(("//", "/\\"))
    return target if is_path and target.isascii() and target.isprintable() and "\\" not in target else "/"
