"""The kinds of channel that a plan can state, each with its form: what its secret holds, whether its address
may stand in the plan, its options, and what an address on it looks like."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

ChannelKind = Literal[
    "webhook",
    "slack",
    "slack-app",
    "slack-room",
    "teams",
    "email",
    "acs-email",
    "twilio-sms",
    "twilio-voice",
    "acs-sms",
    "pagerduty",
    "opsgenie",
    "statuspage",
    "apprise",
    "log",
]
Url = Literal["none", "secret", "optional", "either"]
"""Where the address stands: nowhere; in the secret; in the plan, if it is not the vendor's own; in the plan
or, named by ``url_secret``, in a secret."""


@dataclass(frozen=True)
class Looks:
    """What a text must look like, and what is said of one that does not or is not there."""

    pattern: re.Pattern[str]
    wrong: str
    missing: str | None = None
    """None: it may be left out."""

    def flaw(self, text: object) -> str | None:
        """What is wrong with the text; None: nothing. Nothing of it is repeated."""
        if text is None:
            return self.missing
        return None if isinstance(text, str) and self.pattern.fullmatch(text) else self.wrong


@dataclass(frozen=True)
class Form:
    """What a channel of one kind states."""

    secret: str | None = None
    """What the secret holds; None: it needs none."""
    url: Url = "none"
    options: Mapping[str, Looks] = field(default_factory=dict)
    to: Looks | None = None
    """The contact's address; None: it has none."""
    family: str | None = None
    """Kinds of one family take the same addresses and can stand in for one another; None: its own kind."""
    public: bool = False
    """Whether it always shows the world what it is given; else where ``options.public`` says so."""


_BARE_MAILBOX = r"[!-;=?A-~]+@[!-;=?A-~]+"
_MAILBOX = re.compile(rf"{_BARE_MAILBOX}|[^@<>\r\n]+ <{_BARE_MAILBOX}>")
_NUMBER = r"\+[1-9][0-9]{6,14}"
_SID = "[0-9a-fA-F]{32}"
_NO_MAILBOX, _MAILBOX_MISSING = "is no mail address", "is missing: mail needs an address"
_NO_NUMBER = "must be a telephone number with its country, such as +4930123456"
_NUMBER_MISSING = "is missing: it needs a telephone number"


def _listed(one: str) -> re.Pattern[str]:
    return re.compile(f"{one}(,{one})*")


_FLAG = Looks(re.compile("true"), "must be true, or left out")
_SECRET = Looks(re.compile(r".*", re.DOTALL), "must be the name of a secret: name it, never write it")
"""Its looks are those of every name of a secret, and checked with them."""
_ANY = Looks(re.compile(r".*", re.DOTALL), "must be a text")
_MAIL = Looks(_MAILBOX, _NO_MAILBOX, _MAILBOX_MISSING)
_BARE_MAIL = Looks(
    re.compile(_BARE_MAILBOX), f"{_NO_MAILBOX}; it must stand alone, without a name", _MAILBOX_MISSING
)
_PHONE = Looks(re.compile(_NUMBER), _NO_NUMBER, _NUMBER_MISSING)
_SLACK_ID = Looks(
    re.compile("[CDGUW][A-Z0-9]{2,20}"),
    "must be the id of a channel or person in Slack, such as C0123ABCD or U0123ABCD",
    "is missing: it needs the id of a channel or person in Slack",
)
_TWILIO = {
    "account": Looks(
        re.compile(f"AC{_SID}"),
        "must be the SID of a Twilio account: AC and 32 hexadecimal digits",
        "is missing: it needs the SID of the Twilio account",
    ),
    "key": Looks(
        re.compile(f"SK{_SID}"), "must be the SID of a Twilio API key: SK and 32 hexadecimal digits"
    ),
    "auth_token_secret": _SECRET,
}
_TOKEN = "Twilio's auth token, or its API key's secret"  # noqa: S105 - what a secret holds
_CONNECTION = "the connection string of the Communication Services resource"

FORMS: Mapping[ChannelKind, Form] = {
    "webhook": Form(url="either", options={"url_secret": _SECRET, "public": _FLAG}, to=_ANY, family="phone"),
    "slack": Form("its URL", "secret"),
    "slack-app": Form("the bot token", "optional", to=_SLACK_ID),
    "slack-room": Form("the bot token", "optional", {"private": _FLAG}),
    "teams": Form("its URL", "secret"),
    "email": Form("its URL", "secret", {"from": _MAIL, "public": _FLAG}, _MAIL, "mail"),
    "acs-email": Form(
        _CONNECTION, "secret", {"from": _BARE_MAIL, "callback_secret": _SECRET}, _BARE_MAIL, "mail"
    ),
    "twilio-sms": Form(
        _TOKEN,
        "optional",
        {
            **_TWILIO,
            "from": Looks(
                re.compile(f"{_NUMBER}|MG{_SID}"),
                f"{_NO_NUMBER}, or the SID of a messaging service: MG and 32 hexadecimal digits",
                "is missing: it needs a telephone number, or the SID of a messaging service",
            ),
        },
        _PHONE,
        "phone",
    ),
    "twilio-voice": Form(
        _TOKEN,
        "optional",
        {
            **_TWILIO,
            "from": _PHONE,
            "voice": Looks(
                re.compile("[A-Za-z][A-Za-z0-9._-]{0,63}"),
                "must be the name of a voice of Twilio, such as Polly.Amy",
            ),
            "language": Looks(
                re.compile("[a-z]{2,3}(-[A-Za-z0-9]{2,8})*"), "must be a language such as en-GB"
            ),
        },
        _PHONE,
        "phone",
    ),
    "acs-sms": Form(_CONNECTION, "secret", {"from": _PHONE, "callback_secret": _SECRET}, _PHONE, "phone"),
    "pagerduty": Form("the integration key", "optional"),
    "opsgenie": Form(
        "the API key",
        "optional",
        {
            "priorities": Looks(
                _listed("P[1-5]"), "must be priorities from the loudest severity on, such as P1,P2,P4"
            )
        },
        _ANY,
    ),
    "statuspage": Form(
        "the API key",
        "optional",
        {
            "page": Looks(
                re.compile("[A-Za-z0-9]{1,64}"),
                "must be the id of a page: letters and digits",
                "is missing: it needs the id of the page",
            ),
            "impact": Looks(
                _listed("(none|minor|major|critical)"),
                "must be none, minor, major or critical for each severity from the loudest on, such as "
                "critical,major,minor",
            ),
        },
        Looks(_listed("[A-Za-z0-9]{1,64}"), "must be ids of components, separated by commas alone"),
        public=True,
    ),
    "apprise": Form("the Apprise URL", "secret"),
    "log": Form(to=_ANY),
}


def stand_in(kind: ChannelKind) -> tuple[ChannelKind, ...]:
    """The kinds that take the same addresses as this one, itself among them."""
    family = FORMS[kind].family
    return tuple(other for other in FORMS if other == kind or (family and FORMS[other].family == family))
