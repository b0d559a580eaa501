"""A message as a mail: plain text and HTML, with headers that no alert can inject into."""

from __future__ import annotations

from datetime import datetime
from email.headerregistry import Address as MailAddress
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from html import escape

from shared.adapters.channels.wording import cleaned, facts, headline, links, one_line, shortened
from shared.domain.delivery import Message

SUBJECT_LIMIT, SUMMARY_LIMIT = 200, 16_000


def letter(
    message: Message, sender: MailAddress, recipient: MailAddress, idempotency_key: str, now: datetime
) -> EmailMessage:
    """The mail; its Message-ID is made from the key, so that a repeat is recognised as one."""
    mail = EmailMessage(policy=SMTP)
    incident = one_line(message.incident)
    mail["Subject"] = f"{shortened(headline(message), SUBJECT_LIMIT)} ({incident})"
    mail["From"] = sender
    mail["To"] = recipient
    mail["Date"] = format_datetime(now)
    mail["Message-ID"] = f"<{idempotency_key}@{sender.domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(text_of(message), cte="quoted-printable")
    mail.add_alternative(html_of(message), subtype="html", cte="quoted-printable")
    return mail


def text_of(message: Message) -> str:
    """The plain part."""
    lines = [headline(message), "", one_line(message.reason), ""]
    lines += [f"{label + ':':<10}{value}" for label, value in facts(message)]
    if summary := shortened(cleaned(message.summary), SUMMARY_LIMIT):
        lines += ["", summary]
    lines += ["", *(f"{label}: {url}" for label, url in links(message))]
    return "\n".join(lines).rstrip() + "\n"


def html_of(message: Message) -> str:
    """The HTML part; everything that is not ours is escaped, and nothing is loaded from outside."""
    rows = "".join(_row(label, value) for label, value in facts(message))
    anchors = "".join(f'<p><a href="{escape(url)}">{escape(label)}</a></p>' for label, url in links(message))
    summary = escape(shortened(cleaned(message.summary), SUMMARY_LIMIT))
    quoted = f'<p style="white-space:pre-wrap">{summary}</p>' if summary else ""
    head = escape(headline(message))
    reason = escape(one_line(message.reason))
    return (
        f"<!doctype html><html><head><meta charset=utf-8><title>{head}</title></head><body>"
        f"<h2>{head}</h2><p>{reason}</p><table>{rows}</table>{quoted}{anchors}</body></html>\n"
    )


def _row(label: str, value: str) -> str:
    return f"<tr><th align=left>{escape(label)}</th><td>{escape(value)}</td></tr>"
