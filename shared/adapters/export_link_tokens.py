"""The tokens in auditors' links: what may be read until when, and a MAC over it."""

from __future__ import annotations

import base64
import binascii
import json
from datetime import UTC, datetime

from shared.domain.errors import Unauthenticated
from shared.domain.export_link import ExportLink
from shared.ports import SignedLinks

LONGEST_TOKEN = 600
_PURPOSE = "export link "


class ExportLinkTokens:
    """`ports.ExportLinks` on signed links; each link has one token only."""

    def __init__(self, links: SignedLinks) -> None:
        self._links = links

    def sign(self, link: ExportLink) -> str:
        """Letters, digits, ``-``, ``_`` and one dot. Raises SecretUnavailable."""
        payload = _payload(link)
        return f"{payload}.{self._links.sign(_PURPOSE + payload)}"

    def read(self, token: str, now: datetime) -> ExportLink:
        """What the token lets its holder read. Raises Unauthenticated, SecretUnavailable."""
        payload, _, signature = token.partition(".")
        if len(token) > LONGEST_TOKEN or not self._links.holds(_PURPOSE + payload, signature):
            raise Unauthenticated("this link is not one of ours, or was cut off on its way")
        link = _link(payload)
        if now >= link.expires:
            raise Unauthenticated("this link has expired; ask whoever gave it to you for a new one")
        return link


def _payload(link: ExportLink) -> str:
    parts = [link.id, link.plan, link.week, link.label, int(link.expires.timestamp())]
    text = json.dumps(parts, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode("ascii")).decode("ascii").rstrip("=")


def _link(payload: str) -> ExportLink:
    """Of a payload that was signed by us."""
    try:
        id, plan, week, label, expires = json.loads(
            base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
        )
    except (binascii.Error, ValueError) as error:
        raise Unauthenticated("this link is not one of ours") from error
    return ExportLink(id, plan, week, label, datetime.fromtimestamp(expires, UTC))
