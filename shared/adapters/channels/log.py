"""The log channel: one line in the application's log, for plans that are tried out before they ring."""

from __future__ import annotations

import json
import logging
from datetime import datetime

from shared.adapters.channels.wording import marked, one_line, shortened, title
from shared.domain.delivery import Message
from shared.domain.plan import Channel as ChannelSpec
from shared.ports import Accepted, Secrets

TITLE_LIMIT = 200
_log = logging.getLogger("tocsin.notifications")


class LogChannel:
    """Always accepts. The line is a JSON object; of contact and free text it has the title alone."""

    kind = "log"

    def send(
        self,
        message: Message,
        spec: ChannelSpec,
        to: str | None,  # noqa: ARG002  (a person's address does not belong in a log)
        idempotency_key: str,
        secrets: Secrets,  # noqa: ARG002  (a log needs none)
        now: datetime,  # noqa: ARG002  (the log has its own time)
    ) -> Accepted:
        """Write the line."""
        line = {
            "notification": message.kind,
            "channel": spec.name,
            "plan": message.plan,
            "incident": message.incident,
            "severity": _name(message.severity),
            "service": _name(message.service),
            "status": message.status,
            "title": shortened(marked(message, title(message)), TITLE_LIMIT),
            "drill": _name(message.drill),
            "template": _name(message.template),
            "runbook": _name(message.runbook),
            "key": idempotency_key,
        }
        _log.info("%s", json.dumps(line))
        return Accepted()


def _name(text: str | None) -> str | None:
    return None if text is None else shortened(one_line(text), TITLE_LIMIT)
