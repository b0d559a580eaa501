"""Every kind of channel that a plan may name."""

from __future__ import annotations

from collections.abc import Mapping

from shared.adapters.channels.acs_email import AcsEmailChannel
from shared.adapters.channels.acs_sms import AcsSmsChannel
from shared.adapters.channels.apprise_url import AppriseChannel
from shared.adapters.channels.email import EmailChannel
from shared.adapters.channels.http_post import HttpPost
from shared.adapters.channels.log import LogChannel
from shared.adapters.channels.opsgenie import OpsgenieChannel
from shared.adapters.channels.pagerduty import PagerDutyChannel
from shared.adapters.channels.slack import SlackChannel
from shared.adapters.channels.slack_app import SlackAppChannel
from shared.adapters.channels.slack_room import SlackRoomChannel
from shared.adapters.channels.statuspage import StatuspageChannel
from shared.adapters.channels.teams import TeamsChannel
from shared.adapters.channels.twilio_sms import TwilioSmsChannel
from shared.adapters.channels.twilio_voice import TwilioVoiceChannel
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
        SlackAppChannel(http),
        SlackRoomChannel(http),
        TeamsChannel(http),
        EmailChannel(certificates),
        AcsEmailChannel(http),
        TwilioSmsChannel(http),
        TwilioVoiceChannel(http),
        AcsSmsChannel(http),
        PagerDutyChannel(http),
        OpsgenieChannel(http),
        StatuspageChannel(http),
        AppriseChannel(certificates),
        LogChannel(),
    ]
    return {channel.kind: channel for channel in channels}
