"""A message as a mail: plain text and HTML, with headers that no alert can inject into."""

from __future__ import annotations

from datetime import datetime
from email.headerregistry import Address as MailAddress
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from html import escape

from shared.adapters.channels.wording import (
    body,
    facts,
    headline,
    links,
    marked,
    one_line,
    own_html,
    own_words,
    reason,
    shortened,
)
from shared.domain.delivery import Message

SUBJECT_LIMIT, SUMMARY_LIMIT = 200, 16_000


def letter(
    message: Message,
    sender: MailAddress,
    recipient: MailAddress,
    idempotency_key: str,
    now: datetime,
    *,
    public: bool = False,
) -> EmailMessage:
    """The mail; its Message-ID is made from the key, so that a repeat is recognised as one.

    ``public`` leaves the plan's own words alone in it: no facts, no addresses.
    """
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = _own_subject(message) if public else subject(message)
    mail["From"] = sender
    mail["To"] = recipient
    mail["Date"] = format_datetime(now)
    mail["Message-ID"] = f"<{idempotency_key}@{sender.domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    plain, html = (own_words(message) + "\n", _public_html(message)) if public else _both(message)
    mail.set_content(plain, cte="quoted-printable")
    mail.add_alternative(html, subtype="html", cte="quoted-printable")
    return mail


def _both(message: Message) -> tuple[str, str]:
    return text_of(message), html_of(message)


def _own_subject(message: Message) -> str:
    own = one_line(message.words.subject) if message.words else ""
    return shortened(marked(message, own or "Service update"), SUBJECT_LIMIT)


def _public_html(message: Message) -> str:
    head = escape(_own_subject(message))
    return (
        f"<!doctype html><html><head><meta charset=utf-8><title>{head}</title></head>"
        f"<body>{_told(message)}</body></html>\n"
    )


def subject(message: Message) -> str:
    """The headline; the incident's id follows, unless the subject is the plan's own."""
    incident = one_line(message.incident)
    own = message.words is not None and one_line(message.words.subject)
    return shortened(headline(message), SUBJECT_LIMIT) + (f" ({incident})" if incident and not own else "")


def text_of(message: Message) -> str:
    """The plain part: the plan's own words first, or why it was sent; then the facts and what is known."""
    why, told = reason(message), shortened(body(message), SUMMARY_LIMIT)
    rows = "\n".join(f"{label + ':':<10}{value}" for label, value in facts(message))
    texts = [told, rows] if own_words(message) else [why, rows, told]
    anchors = "\n".join(f"{label}: {url}" for label, url in links(message))
    return "\n\n".join(text for text in (headline(message), *texts, anchors) if text) + "\n"


def html_of(message: Message) -> str:
    """The HTML part; all that is not ours or the plan's is escaped, and we load nothing from outside."""
    rows = "".join(_row(label, value) for label, value in facts(message))
    anchors = "".join(f'<p><a href="{escape(url)}">{escape(label)}</a></p>' for label, url in links(message))
    head, table = escape(headline(message)), f"<table>{rows}</table>"
    why, told = reason(message), _told(message)
    texts = told + table if own_words(message) else (f"<p>{escape(why)}</p>" if why else "") + table + told
    return (
        f"<!doctype html><html><head><meta charset=utf-8><title>{head}</title></head><body>"
        f"<h2>{head}</h2>{texts}{anchors}</body></html>\n"
    )


def _told(message: Message) -> str:
    """The plan's own HTML, or the text of the message as HTML."""
    html = own_html(message)
    if html is not None and own_words(message):
        return f"<div>{html}</div>"
    text = escape(shortened(body(message), SUMMARY_LIMIT))
    return f'<p style="white-space:pre-wrap">{text}</p>' if text else ""


def _row(label: str, value: str) -> str:
    return f"<tr><th align=left>{escape(label)}</th><td>{escape(value)}</td></tr>"
