"""What Slack shows: answers in plain text, where nothing of a hostile text is markup, and a form."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from shared.adapters.channels.current_secret import with_current_secret
from shared.adapters.channels.http_post import HttpPost
from shared.adapters.channels.slack import escaped
from shared.adapters.channels.slack_api import BASE, SlackCalls
from shared.adapters.channels.wording import cleaned, one_line, safe_link
from shared.adapters.chat.slack_requests import CODE, RESOLVE_FORM, WORDS
from shared.domain.chat_call import Answer, Closed, Form
from shared.domain.errors import DeliveryFailed
from shared.domain.plan import Channel as ChannelSpec
from shared.ports import Accepted, Secrets

SECTION, FALLBACK, LABEL, HEAD, OPTION, HINT = 2_900, 2_900, 70, 24, 75, 150
MOST_SECTIONS = 40
LONGEST_WORDS = 3_000
FORM_SECONDS = 2.5
"""A trigger opens a form for three seconds after it was pressed."""
Json = dict[str, Any]


class SlackViews:
    """`workflows.chat.SlackViews` and `workflows.answer_from_chat.Forms`."""

    def __init__(self, http: HttpPost, secrets: Secrets, api: str = BASE) -> None:
        """``api`` is Slack's Web API."""
        self._http = http
        self._secrets = secrets
        self._api = api

    def shown(self, answer: Answer) -> Json:
        """An answer, beside what stands there already; everybody reads it where something has changed."""
        blocks: list[Json] = [_section(piece) for piece in _pieces((answer.title, *answer.texts))]
        links = [(label, safe_link(url)) for label, url in answer.links]
        if buttons := [_link(label, url) for label, url in links if url is not None]:
            blocks.append({"type": "actions", "elements": buttons})
        return {
            "response_type": "in_channel" if answer.public else "ephemeral",
            "replace_original": False,
            "text": escaped(one_line(" – ".join((answer.title, *answer.texts[:1]))), FALLBACK),
            "blocks": blocks,
        }

    def closed(self, closed: Closed) -> Json:
        """Close the form, or say what is wrong: beside its fields where it is one of them."""
        if closed.faults:
            errors = {name: escaped(one_line(why), HINT) for name, why in closed.faults.items()}
            return {"response_action": "errors", "errors": errors}
        if closed.done:
            return {"response_action": "clear"}
        return {"response_action": "update", "view": _notice(closed.sentence)}

    def waiting(self) -> Json:
        """The form says that it is being worked on."""
        return {"response_action": "update", "view": _notice("Working on it…")}

    def settle(self, view: str, closed: Closed, bot_secret: str, now: datetime) -> None:
        """See `workflows.chat.SlackViews`."""
        shown = " ".join((closed.sentence, *closed.faults.values())) if closed.faults else closed.sentence
        self._call("views.update", {"view_id": view, "view": _notice(shown)}, bot_secret, now)

    def open(self, form: Form, trigger: str, bot_secret: str, now: datetime) -> None:
        """See `workflows.answer_from_chat.Forms`."""
        self._call("views.open", {"trigger_id": trigger, "view": resolve_form(form)}, bot_secret, now)

    def _call(self, method: str, arguments: Json, secret: str, now: datetime) -> None:
        """Once more where the token has been rotated meanwhile. Raises DeliveryFailed, SecretUnavailable."""
        spec = ChannelSpec("chat", "slack-app", url=self._api, secret=secret)

        def attempt(token: str) -> Accepted:
            SlackCalls(self._http, spec, token, now, FORM_SECONDS).write(method, arguments)
            return Accepted(200)

        try:
            with_current_secret(self._secrets, secret, attempt)
        except DeliveryFailed as failure:
            if failure.permanent or failure.status != 401:
                raise
            with_current_secret(self._secrets, secret, attempt)


def resolve_form(form: Form) -> Json:
    """The modal: words, and a closing code where the plan has any."""
    blocks: list[Json] = [_section(f"{form.incident}\n{form.title}"), _words(required=bool(form.codes))]
    if form.codes:
        blocks.append(_code(form.codes))
    return {
        "type": "modal",
        "callback_id": RESOLVE_FORM,
        "private_metadata": form.token,
        "title": _plain("Resolve the incident", HEAD),
        "submit": _plain("Resolve", HEAD),
        "close": _plain("Cancel", HEAD),
        "blocks": blocks,
    }


def _words(*, required: bool) -> Json:
    field = {
        "type": "plain_text_input",
        "action_id": WORDS,
        "multiline": True,
        "max_length": LONGEST_WORDS,
    }
    label = _plain("What was done?", LABEL)
    return {"type": "input", "block_id": WORDS, "optional": not required, "label": label, "element": field}


def _code(codes: tuple[tuple[str, str], ...]) -> Json:
    options = [{"text": _plain(title or name, OPTION), "value": name} for name, title in codes[:100]]
    field = {"type": "static_select", "action_id": CODE, "options": options}
    return {"type": "input", "block_id": CODE, "label": _plain("Closing code", LABEL), "element": field}


def _notice(text: str) -> Json:
    return {
        "type": "modal",
        "title": _plain("Resolve the incident", HEAD),
        "close": _plain("Close", HEAD),
        "blocks": [_section(text)],
    }


def _pieces(texts: tuple[str, ...]) -> Iterator[str]:
    """Each text in sections, cut between lines; what is more than Slack shows is left out."""
    made = 0
    for text in texts:
        piece = ""
        for line in cleaned(text).split("\n"):
            longer = f"{piece}\n{line}" if piece else line
            if piece and len(escaped(longer, 10 * SECTION)) > SECTION and made < MOST_SECTIONS:
                yield piece
                made, piece = made + 1, line
            else:
                piece = longer
        if piece.strip() and made < MOST_SECTIONS:
            yield piece
            made += 1


def _section(text: str) -> Json:
    return {"type": "section", "text": _plain(text, SECTION)}


def _link(label: str, url: str) -> Json:
    action = one_line(label).lower().replace(" ", "-")
    return {"type": "button", "action_id": f"open-{action}", "text": _plain(label, LABEL), "url": url}


def _plain(text: str, limit: int) -> Json:
    return {"type": "plain_text", "text": escaped(cleaned(text), limit) or "–", "emoji": False}
