"""What Teams sends from an outgoing webhook, signed with its security token, and what it shows."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from html import unescape
from typing import Any

from shared.adapters.channels.teams import escaped
from shared.adapters.channels.wording import cleaned, safe_link
from shared.adapters.chat.signed_plans import SignedPlans, refuse_if_large
from shared.domain.chat_call import Answer, Call, Caller, key_of
from shared.domain.errors import Fault, InvalidInput, Unauthenticated
from shared.ports import Plans, Secrets

FRESH_SECONDS = 300
SCHEME = "HMAC "
TITLE_LIMIT, TEXT_LIMIT, MOST_TEXTS = 600, 3_000, 7
"""UTF-16 units as sent; all together they stay below Teams' 28 KB."""
_MENTION, _MENTIONED = (re.compile(tag, re.IGNORECASE) for tag in (r"<at\b[^<>]*>", r"</at\s*>"))
_BREAK = re.compile(r"<(?:br|/p|/div|/li)\b[^<>]*>", re.IGNORECASE)
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")


class TeamsRequests:
    """`workflows.chat.TeamsRequests`."""

    def __init__(self, plans: Plans, secrets: Secrets) -> None:
        self._signers = SignedPlans(plans, secrets, lambda plan: plan.chat.teams_secret)

    def message(self, headers: Mapping[str, str], body: bytes, salt: str, now: datetime) -> Call:
        """See `workflows.chat.TeamsRequests`."""
        refuse_if_large(body)
        given = headers.get("authorization", "")
        if not given.startswith(SCHEME):
            raise Unauthenticated("the call carries no signature of Teams'")

        def signature(secret: str) -> str | None:
            key = _key(secret)
            return base64.b64encode(hmac.new(key, body, hashlib.sha256).digest()).decode() if key else None

        plans = self._signers.of(signature, given.removeprefix(SCHEME).strip(), now)
        said = _activity(body)
        _refuse_if_old(said.get("timestamp"), now)
        sender = said.get("from")
        user = sender.get("aadObjectId") if isinstance(sender, dict) else None
        if not isinstance(user, str) or not user:
            raise _malformed("it does not name its sender by aadObjectId")
        text = said.get("text")
        identity = said.get("id")
        return Call(
            Caller("teams", user, plans),
            "",
            plain(text if isinstance(text, str) else ""),
            key_of("teams", str(identity) if identity else hashlib.sha256(body).hexdigest(), user),
            salt,
        )


class TeamsViews:
    """`workflows.chat.TeamsViews`."""

    def shown(self, answer: Answer) -> dict[str, Any]:
        """A message in Markdown in which nothing of a hostile text is markup."""
        parts = [f"**{escaped(cleaned(answer.title), TITLE_LIMIT)}**"]
        parts += [escaped(cleaned(text), TEXT_LIMIT) for text in answer.texts[:MOST_TEXTS] if text.strip()]
        links = [(label, safe_link(url)) for label, url in answer.links]
        parts += [f"[{escaped(label, 100)}]({url})" for label, url in links if url is not None]
        return {"type": "message", "textFormat": "markdown", "text": "\n\n".join(parts)}


def plain(text: str) -> str:
    """What was typed, without the mention of us that it begins with and without tags."""
    begin = _MENTION.search(text)
    end = _MENTIONED.search(text, begin.end()) if begin else None
    spoken = f"{text[: begin.start()]} {text[end.end() :]}" if begin and end else text
    return unescape(_TAG.sub("", _BREAK.sub("\n", spoken))).replace("\xa0", " ").strip()


def _key(secret: str) -> bytes | None:
    try:
        return base64.b64decode(secret.strip(), validate=True) or None
    except (binascii.Error, ValueError):
        return None


def _activity(body: bytes) -> Mapping[str, Any]:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _malformed("it is no JSON") from error
    if not isinstance(said, dict):
        raise _malformed("it is no object")
    return said


def _refuse_if_old(stamp: object, now: datetime) -> None:
    """The signature covers no time of its own, but the message says when it was sent."""
    if not isinstance(stamp, str):
        return
    try:
        sent = datetime.fromisoformat(stamp)
    except ValueError:
        return
    aware = sent if sent.tzinfo else sent.replace(tzinfo=UTC)
    if abs(now.timestamp() - aware.timestamp()) > FRESH_SECONDS:
        raise Unauthenticated("the message was sent more than five minutes ago, or will be")


def _malformed(why: str) -> InvalidInput:
    return InvalidInput("the body is not what Teams sends", [Fault("", why)])
