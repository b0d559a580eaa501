"""What Twilio tells us: its signature checked, its forms read, its answers written."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from email.utils import parsedate_to_datetime
from urllib.parse import parse_qsl, urlsplit

from shared.adapters.channels.http_post import provider_id
from shared.adapters.channels.short_text import heard, short_answer
from shared.adapters.twiml import RESPONSE, gather, keys, message, say
from shared.domain.errors import Fault, InvalidInput, Unauthenticated
from shared.domain.heard import Answer, Call, Heard, KeyPress, Reply, Told
from shared.domain.plan import Channel as ChannelSpec
from shared.domain.receipt import ReceiptState
from shared.ports import Secrets

MOST_FIELDS = 200
ANSWER_HEARD = 500
"""Characters of an answer that are read aloud."""
STATES: Mapping[str, ReceiptState] = {
    "delivered": "delivered",
    "read": "read",
    "undelivered": "undelivered",
    "failed": "undelivered",
    "in-progress": "delivered",
    "answered": "delivered",
    "completed": "delivered",
    "busy": "undelivered",
    "no-answer": "undelivered",
    "canceled": "undelivered",
}
"""Of messages and of calls. The others say only that it is on its way."""
_DEFAULT_PORT = {"https": 443, "http": 80}


class TwilioCalls:
    """`workflows.hear_provider.Provider` for the kinds ``twilio-sms`` and ``twilio-voice``."""

    in_batches = False

    def __init__(self, public_url: str) -> None:
        """``public_url`` is the address under which Twilio calls: it signs that."""
        self._public_url = public_url.rstrip("/")
        self.hears: Mapping[str, tuple[str, ...]] = {
            "twilio-sms": ("receipt", "reply"),
            "twilio-voice": ("receipt", "voice"),
        }

    def heard(self, call: Call, spec: ChannelSpec, secrets: Secrets, now: datetime) -> Sequence[Heard]:  # noqa: ARG002
        """What a call says. Raises Unauthenticated, InvalidInput, SecretUnavailable."""
        fields = _fields(call.body)
        self._verify(call, fields, spec, secrets)
        stated = dict(fields)
        if call.what == "reply":
            return [_reply(stated)] if stated.get("MessageSid") and not stated.get("OptOutType") else []
        token = dict(parse_qsl(call.path.partition("?")[2])).get("token", "")
        if call.what == "voice":
            return [KeyPress(token, stated.get("Digits", ""), stated.get("CallSid", ""))]
        state = STATES.get(stated.get("MessageStatus") or stated.get("CallStatus") or "")
        sid = provider_id(stated.get("MessageSid") or stated.get("CallSid"))
        return [Told(state, token, sid, _instant(stated.get("Timestamp")))] if state else []

    def answer(
        self,
        what: str,
        sentence: str | None,
        spec: ChannelSpec,
        *,
        again: bool = False,
        resolvable: bool = True,
    ) -> Answer:
        """``sentence`` read aloud; ``again`` asks for another key, where ``resolvable`` also to resolve."""
        if what == "receipt":
            return Answer()
        if sentence is None:
            return _twiml("")
        if again:
            offered = keys(resolvable=resolvable)
            return _twiml(gather(say(f"{heard(sentence, ANSWER_HEARD)}. {offered}", spec.options)))
        return _twiml(say(f"{heard(sentence, ANSWER_HEARD)}.", spec.options))

    def text_back(
        self,
        reply: Reply,  # noqa: ARG002  (Twilio knows whom it asks for)
        sentence: str,
        spec: ChannelSpec,  # noqa: ARG002
        secrets: Secrets,  # noqa: ARG002
        now: datetime,  # noqa: ARG002
    ) -> Answer:
        """In the answer to the call."""
        return _twiml(message(short_answer(sentence)))

    def _verify(
        self, call: Call, fields: Sequence[tuple[str, str]], spec: ChannelSpec, secrets: Secrets
    ) -> None:
        name = spec.options.get("auth_token_secret") if "key" in spec.options else spec.secret
        if name is None or not self._public_url:
            raise Unauthenticated(f'channel "{spec.name}" is not set up to be called')
        given = call.headers.get("x-twilio-signature", "").encode("utf-8", "replace")
        said = "".join(field + value for field, value in sorted(set(fields)))
        made = [
            signature(token.strip(), url + said)
            for token in secrets.accepted(name)
            for url in _as_signed(self._public_url + call.path)
            if token.strip()
        ]
        if not any([hmac.compare_digest(one.encode("ascii"), given) for one in made]):  # noqa: C419  (all of them)
            raise Unauthenticated("the signature is not Twilio's for this account")


def signature(auth_token: str, text: str) -> str:
    """Base 64 of the HMAC-SHA1 that Twilio makes of an address and the sorted fields after it."""
    digest = hmac.new(auth_token.encode("utf-8"), text.encode("utf-8", "replace"), hashlib.sha1)
    return base64.b64encode(digest.digest()).decode("ascii")


def _reply(stated: Mapping[str, str]) -> Reply:
    """It is not told when it was received."""
    return Reply(stated.get("From", ""), stated.get("Body", ""), stated["MessageSid"])


def _twiml(inside: str) -> Answer:
    return Answer(RESPONSE.format(inside), "text/xml")


def _as_signed(url: str) -> Iterator[str]:
    """The address as it is, and with or without the port: Twilio does either."""
    yield url
    parts = urlsplit(url)
    host = parts.hostname or ""
    if ":" in host:
        host = f"[{host}]"
    port = f":{_DEFAULT_PORT.get(parts.scheme, 443)}" if parts.port is None else ""
    yield parts._replace(netloc=host + port).geturl()


def _fields(body: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS
        )
    except ValueError as error:
        raise InvalidInput("the body is not a form", [Fault("", "it cannot be read")]) from error


def _instant(text: str | None) -> datetime | None:
    try:
        instant = parsedate_to_datetime(text) if text else None
    except (ValueError, TypeError, OverflowError):
        return None
    return instant if instant is not None and instant.tzinfo else None
