"""Every kind of channel that a plan may name."""

from __future__ import annotations

from collections.abc import Mapping

from shared.adapters.channels.email import EmailChannel
from shared.adapters.channels.http_post import HttpPost
from shared.adapters.channels.log import LogChannel
from shared.adapters.channels.slack import SlackChannel
from shared.adapters.channels.teams import TeamsChannel
from shared.adapters.channels.webhook import WebhookChannel
from shared.ports import Channel


def known_channels(certificates: str | None = None) -> Mapping[str, Channel]:
    """The channels by kind, sharing one pool of connections; opens nothing.

    ``certificates`` is a CA bundle to trust instead of the usual ones.
    """
    http = HttpPost(certificates)
    channels: list[Channel] = [
        WebhookChannel(http),
        SlackChannel(http),
        TeamsChannel(http),
        EmailChannel(certificates),
        LogChannel(),
    ]
    return {channel.kind: channel for channel in channels}
