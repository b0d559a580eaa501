"""Slack's Web API as one bot: calls that share one limit of time, with Slack's errors turned into ours."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from shared.adapters.channels.current_secret import with_current_secret
from shared.adapters.channels.http_post import HttpPost, address
from shared.adapters.channels.time_limit import USUAL
from shared.domain.errors import DeliveryFailed
from shared.domain.plan import Channel as ChannelSpec
from shared.ports import Accepted, Secrets

BASE = "https://slack.com/api"
READ_LIMIT = 2 * 1024 * 1024
"""Bytes of an answer: Slack repeats each message, escaped to six bytes a character, and lists channels."""
REFUSED = frozenset({"invalid_auth", "token_revoked", "token_expired", "not_authed", "account_inactive"})
"""The token is not (any more) good: what HTTP calls 401."""
FINAL = REFUSED.union(
    ("access_denied", "cant_invite", "channel_not_found", "channel_type_not_supported"),
    ("ekm_access_denied", "is_archived", "is_inactive", "missing_scope", "name_taken", "no_permission"),
    ("not_allowed_token_type", "not_found", "not_in_channel", "restricted_action"),
    ("restricted_action_non_threadable_channel", "restricted_action_read_only_channel"),
    ("restricted_action_thread_only_channel", "user_disabled", "user_is_bot", "user_is_restricted"),
    ("user_not_found", "user_not_in_channel", "cannot_reply_to_message", "cant_update_message"),
    ("edit_window_closed", "message_not_found", "messages_tab_disabled", "thread_not_found"),
    ("exchanged_trigger_id", "expired_trigger_id", "invalid_trigger", "invalid_trigger_id"),
    ("view_not_found", "invalid_arg_name", "invalid_arguments", "invalid_array_arg", "invalid_blocks"),
    ("invalid_blocks_format", "invalid_charset", "invalid_form_data", "invalid_json", "invalid_name"),
    ("invalid_name_maxlength", "invalid_name_punctuation", "invalid_name_required"),
    ("invalid_name_specials", "invalid_post_type", "invalid_users", "json_not_object"),
    ("metadata_too_large", "method_deprecated", "method_not_supported_for_channel_type"),
    ("missing_argument", "missing_charset", "missing_post_type", "msg_blocks_too_long", "msg_too_long"),
    ("no_text", "too_long", "too_many_attachments", "unknown_method"),
)
"""What the same call will be told again. Whatever else Slack says, or does not say, may pass by itself."""
_TOKEN = re.compile(r"[!-~]{1,1000}")
_CODE = re.compile(r"[a-z_]{1,60}")


class SlackSaidNo(DeliveryFailed):
    """Slack's answer was ``"ok": false``; ``code`` is its reason, empty where that is not fit to repeat."""

    def __init__(self, named: str, code: str, status: int) -> None:
        refused = code in REFUSED
        super().__init__(
            f"{named}: {code or 'refused'}",
            permanent=code in FINAL,
            status=401 if refused else status,
        )
        self.code = code


class SlackCalls:
    """The calls of one send; together they take no longer than one post of any other channel."""

    def __init__(
        self, http: HttpPost, spec: ChannelSpec, token: str, now: datetime, seconds: float = USUAL.whole
    ) -> None:
        """Raises DeliveryFailed where the token cannot be one."""
        if not _TOKEN.fullmatch(token.strip()):
            raise DeliveryFailed(f'secret "{spec.secret}" is not a token', permanent=True)
        self._http, self._now = http, now
        self._base = (spec.url or BASE).rstrip("/")
        self._named = f'the Slack API of channel "{spec.name}"'
        self._authorization = f"Bearer {token.strip()}"
        self._until = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds that are left for further calls."""
        return self._until - time.monotonic()

    def write(
        self, method: str, arguments: Mapping[str, Any], at_most: float | None = None
    ) -> dict[str, Any]:
        """Call a method that takes JSON, for ``at_most`` seconds. Raises DeliveryFailed or SlackSaidNo."""
        body = json.dumps(arguments, ensure_ascii=False).encode("utf-8")
        return self._call(method, body, "application/json; charset=utf-8", at_most)

    def read(self, method: str, arguments: Mapping[str, str], at_most: float | None = None) -> dict[str, Any]:
        """Call a method that takes a form, as those that only read do. Raises as `write`."""
        form = urlencode(arguments).encode("ascii")
        return self._call(method, form, "application/x-www-form-urlencoded", at_most)

    def _call(self, method: str, body: bytes, kind: str, at_most: float | None) -> dict[str, Any]:
        named = f"{self._named} ({method})"
        seconds = self.left if at_most is None else min(self.left, at_most)
        if seconds <= 0:
            raise DeliveryFailed(f"{named}: no time left", permanent=False)
        headers = {"Content-Type": kind, "Authorization": self._authorization}
        to = address(f"{self._base}/{method}", named)
        answer = self._http.send("POST", to, body, headers, self._now, seconds=seconds, limit=READ_LIMIT)
        stated = _object_in(answer.body)
        if stated is None:
            raise DeliveryFailed(f"{named}: no answer of Slack's", permanent=False, status=answer.status)
        if stated.get("ok") is not True:
            code = stated.get("error")
            fit = isinstance(code, str) and _CODE.fullmatch(code)
            raise SlackSaidNo(named, str(code) if fit else "", answer.status)
        return stated


def as_bot(
    http: HttpPost,
    spec: ChannelSpec,
    secrets: Secrets,
    now: datetime,
    attempt: Callable[[SlackCalls], Accepted],
) -> Accepted:
    """Do ``attempt`` with the channel's bot token. Raises DeliveryFailed or SecretUnavailable."""
    if spec.secret is None:
        raise DeliveryFailed(f'channel "{spec.name}" names no secret with its bot token', permanent=True)
    return with_current_secret(
        secrets, spec.secret, lambda token: attempt(SlackCalls(http, spec, token, now))
    )


def _object_in(body: bytes) -> dict[str, Any] | None:
    try:
        stated = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return stated if isinstance(stated, dict) else None
