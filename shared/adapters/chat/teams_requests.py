"""What Teams sends from an outgoing webhook, signed with its security token, and what it shows."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from bisect import bisect_left
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
BUDGET = 24 * 1024
"""Bytes of a whole answer as sent (JSON, UTF-8): below Teams' 28 KB."""
TITLE_LIMIT, LABEL_LIMIT, MOST_LINKS = 600, 100, 5
"""UTF-16 units, and a number; with these, some of the budget is always left for texts."""
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
        links = [(label, safe_link(url)) for label, url in answer.links]
        shown = [f"[{escaped(label, LABEL_LIMIT)}]({url})" for label, url in links if url is not None]
        title = f"**{escaped(cleaned(answer.title), TITLE_LIMIT)}**"
        return _within_budget([title], [cleaned(text) for text in answer.texts], shown[:MOST_LINKS])


def _within_budget(parts: list[str], texts: list[str], links: list[str]) -> dict[str, Any]:
    """As many texts as there is room for, the last one cut; then the links."""
    for text in filter(None, texts):
        longer = [*parts, escaped(text, BUDGET)]
        if not _fits(longer, links):
            return _message([*parts, _cut(text, parts, links)], links[1:])
        parts = longer
    return _message(parts, links)


def _cut(text: str, before: list[str], links: list[str]) -> str:
    """As much of a text as there is room for, with the first link, which leads to the whole."""

    def cut(limit: int) -> str:
        return " ".join([escaped(text, limit).removesuffix("…") + "…", *links[:1]])

    return cut(bisect_left(range(1, BUDGET), True, key=lambda n: not _fits([*before, cut(n)], links[1:])))


def _message(parts: list[str], links: list[str]) -> dict[str, Any]:
    return {"type": "message", "textFormat": "markdown", "text": "\n\n".join([*parts, *links])}


def _fits(parts: list[str], links: list[str]) -> bool:
    return len(json.dumps(_message(parts, links), ensure_ascii=False).encode()) <= BUDGET


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
