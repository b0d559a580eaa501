"""What an app and its developer tell the platform in files: ``host.json`` and ``local.settings.json``."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

SETTING = re.compile(r"%([^%]+)%")
TIME_SPAN = re.compile(r"(?:(\d+)\.)?(\d{1,2}):(\d{2}):(\d{2}(?:\.\d+)?)")


class BadSettings(ValueError):
    """A settings file or a trigger's text that makes no sense; the message names it."""


@dataclass(frozen=True)
class QueueRules:
    """``extensions.queues`` of host.json, with the platform's defaults."""

    max_polling_interval: timedelta = timedelta(minutes=1)
    visibility_timeout: timedelta = timedelta(0)
    batch_size: int = 16
    new_batch_threshold: int = 8
    max_dequeue_count: int = 5
    base64: bool = True


@dataclass(frozen=True)
class HostRules:
    """What of host.json matters here."""

    route_prefix: str = "api"
    queues: QueueRules = QueueRules()


def read_host_json(app_dir: Path) -> HostRules:
    """The app's host.json, or the defaults where it has none. Raises BadSettings."""
    extensions = _read(app_dir / "host.json").get("extensions", {})
    prefix = extensions.get("http", {}).get("routePrefix", HostRules.route_prefix)
    return HostRules(prefix.strip("/"), _queue_rules(extensions.get("queues", {})))


def _queue_rules(found: dict[str, Any]) -> QueueRules:
    default = QueueRules()
    batch_size = int(found.get("batchSize", default.batch_size))
    return QueueRules(
        _time_span(found.get("maxPollingInterval"), default.max_polling_interval),
        _time_span(found.get("visibilityTimeout"), default.visibility_timeout),
        batch_size,
        int(found.get("newBatchThreshold", batch_size // 2)),
        int(found.get("maxDequeueCount", default.max_dequeue_count)),
        str(found.get("messageEncoding", "base64")).lower() != "none",
    )


def _time_span(text: str | None, default: timedelta) -> timedelta:
    if text is None:
        return default
    match = TIME_SPAN.fullmatch(text)
    if match is None:
        raise BadSettings(f"host.json has {text!r} where a time span such as 00:00:02 belongs")
    days, hours, minutes, seconds = match.groups()
    return timedelta(days=int(days or 0), hours=int(hours), minutes=int(minutes), seconds=float(seconds))


def apply_local_settings(app_dir: Path, environment: MutableMapping[str, str]) -> None:
    """Put the app's local settings into the environment, which keeps what it has.

    They come from local.settings.json where the developer has one, else from the example beside it.
    Raises BadSettings.
    """
    found = _read(app_dir / "local.settings.json") or _read(app_dir / "local.settings.example.json")
    for key, value in found.get("Values", {}).items():
        environment.setdefault(key, str(value))


def _read(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as fault:
        raise BadSettings(f"{path} is not JSON: {fault}") from fault
    return found


def expand(text: str, settings: Mapping[str, str]) -> str:
    """A trigger's text with each ``%SETTING%`` put in. Raises BadSettings where a setting is missing."""

    def value(match: re.Match[str]) -> str:
        if not settings.get(match[1]):
            raise BadSettings(f"{text!r} names the setting {match[1]}, which is not set")
        return settings[match[1]]

    return SETTING.sub(value, text)
