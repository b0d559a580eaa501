"""What Slack sends: slash commands, buttons and forms, signed with the app's signing secret (``v0``)."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from datetime import datetime
from html import unescape
from typing import Any
from urllib.parse import parse_qs

from shared.adapters.chat.signed_plans import SignedPlans, refuse_if_large
from shared.domain.chat_call import Call, Caller, Closing, Press, key_of
from shared.domain.errors import Fault, InvalidInput, Unauthenticated
from shared.domain.plan import Plan
from shared.ports import Plans, Secrets

FRESH_SECONDS = 300
RESOLVE_FORM = "tocsin-resolve"
WORDS, CODE = "words", "code"
_DIGITS = re.compile(r"[0-9]{1,12}")
_LINK = re.compile(r"<(https?://[^<|>]*|mailto:[^<|>]*)(?:\|([^<>]*))?>")
_MENTION = re.compile(r"<([@#!])([A-Za-z0-9^]+)(?:\|[^<>]*)?>")


class SlackRequests:
    """`workflows.chat.SlackRequests`."""

    def __init__(self, plans: Plans, secrets: Secrets) -> None:
        self._signers = SignedPlans(plans, secrets, lambda plan: plan.chat.slack_signing_secret)

    def command(self, headers: Mapping[str, str], body: bytes, salt: str, now: datetime) -> Call | None:
        """See `workflows.chat.SlackRequests`."""
        plans = self._signed(headers, body, now)
        form = _form(body)
        if "ssl_check" in form:
            return None
        user, team = _required(form, "user_id"), form.get("team_id", "")
        return Call(
            Caller("slack", user, _of_workspace(plans, team)),
            _required(form, "command"),
            _plain(form.get("text", "")),
            key_of("slack", team, form.get("trigger_id") or hashlib.sha256(body).hexdigest()),
            salt,
            form.get("response_url", ""),
        )

    def action(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Press | Closing | None:
        """See `workflows.chat.SlackRequests`."""
        plans = self._signed(headers, body, now)
        form = _form(body)
        if "ssl_check" in form:
            return None
        payload = _payload(form)
        user, team = _part(payload, "user"), _part(payload, "team")
        workspace = _text(team, "id") or _text(user, "team_id")
        caller = Caller("slack", _text(user, "id"), _of_workspace(plans, workspace))
        if payload.get("type") == "block_actions":
            return _press(payload, caller)
        if payload.get("type") == "view_submission":
            return _closing(payload, caller)
        return None

    def _signed(self, headers: Mapping[str, str], body: bytes, now: datetime) -> tuple[Plan, ...]:
        """The plans whose signing secret signed it, just now. Raises Unauthenticated, TooLarge."""
        refuse_if_large(body)
        stamp, given = headers.get("x-slack-request-timestamp", ""), headers.get("x-slack-signature", "")
        if not given or not _DIGITS.fullmatch(stamp):
            raise Unauthenticated("the call carries no signature of Slack's")
        if abs(now.timestamp() - int(stamp)) > FRESH_SECONDS:
            raise Unauthenticated("the call was signed more than five minutes ago, or will be")
        signed = b":".join((b"v0", stamp.encode(), body))

        def signature(secret: str) -> str | None:
            key = secret.strip().encode("utf-8")
            return f"v0={hmac.new(key, signed, hashlib.sha256).hexdigest()}" if key else None

        return self._signers.of(signature, given, now)


def _of_workspace(plans: tuple[Plan, ...], team: str) -> tuple[Plan, ...]:
    found = tuple(plan for plan in plans if plan.chat.slack_workspace in (None, team))
    if not found:
        raise Unauthenticated("the call comes from a workspace that no plan names")
    return found


def _press(payload: Mapping[str, Any], caller: Caller) -> Press | None:
    """The first button of ours; buttons that are links call as well, and mean nothing here."""
    actions = payload.get("actions")
    for action in actions if isinstance(actions, list) else []:
        if not isinstance(action, dict) or action.get("action_id") not in ("acknowledge", "resolve"):
            continue
        return Press(
            caller,
            "acknowledge" if action["action_id"] == "acknowledge" else "resolve",
            _text(action, "value"),
            _text(payload, "trigger_id"),
            _text(payload, "response_url"),
        )
    return None


def _closing(payload: Mapping[str, Any], caller: Caller) -> Closing | None:
    view = _part(payload, "view")
    if view.get("callback_id") != RESOLVE_FORM:
        return None
    values = _part(_part(view, "state"), "values")
    words = _part(_part(values, WORDS), WORDS)
    option = _part(_part(_part(values, CODE), CODE), "selected_option")
    return Closing(
        caller,
        _text(view, "private_metadata"),
        _text(words, "value").strip(),
        _text(option, "value") or None,
        _text(view, "id"),
    )


def _form(body: bytes) -> dict[str, str]:
    try:
        fields = parse_qs(body.decode("utf-8"), keep_blank_values=True, max_num_fields=100)
    except ValueError as error:
        raise _malformed("it is no form in UTF-8") from error
    return {name: values[0] for name, values in fields.items()}


def _payload(form: Mapping[str, str]) -> Mapping[str, Any]:
    try:
        payload = json.loads(form.get("payload", ""))
    except (ValueError, RecursionError) as error:
        raise _malformed("its field payload is no JSON") from error
    if not isinstance(payload, dict):
        raise _malformed("its field payload is no object")
    return payload


def _required(form: Mapping[str, str], name: str) -> str:
    if not form.get(name):
        raise _malformed(f"its field {name} is missing")
    return form[name]


def _malformed(why: str) -> InvalidInput:
    return InvalidInput("the body is not what Slack sends", [Fault("", why)])


def _part(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = value.get(name)
    return found if isinstance(found, dict) else {}


def _text(value: Mapping[str, Any], name: str) -> str:
    found = value.get(name)
    return found if isinstance(found, str) else ""


def _plain(text: str) -> str:
    """What was typed: Slack escapes three characters, and marks links, people and rooms."""
    linked = _LINK.sub(lambda link: link.group(2) or link.group(1), text)
    mentioned = _MENTION.sub(lambda mention: f"{mention.group(1)}{mention.group(2)}", linked)
    return unescape(mentioned)
