"""Everything else: one notification to whatever an apprise URL names, as long as it is reached by HTTPS."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from shared.adapters.channels.current_secret import with_current_secret
from shared.adapters.channels.time_limit import USUAL, OutOfTime, Patience, within
from shared.adapters.channels.wording import (
    body,
    facts,
    headline,
    links,
    one_line,
    reason,
    shortened,
)
from shared.domain.delivery import PAGES, Kind, Message
from shared.domain.errors import DeliveryFailed
from shared.domain.plan import Channel as ChannelSpec
from shared.ports import Accepted, Secrets

if TYPE_CHECKING:
    from apprise import NotifyBase, NotifyType

    from shared.adapters.channels.apprise_http import AppriseWires

TITLE_LIMIT, REASON_LIMIT, TEXT_LIMIT = 200, 500, 2_000
_REFUSED = frozenset({"email", "fcm", "nostr", "twitter", "vapid"})
"""Plugins with a way out beside HTTP, that read files, or whose libraries log what they sign with."""
_FILES = frozenset({"attach", "attachment", "keyfile", "subfile", "template"})
"""Parameters that name files or pages to be read."""
_MENTION = re.compile(r"@(?=channel|here|everyone|group|all)", re.IGNORECASE)
_MARKUP = re.compile(r"<(?=\S)|](?=\()")
_MARKDOWN = re.compile(r"[\\`*_{}\[\]()<>#+.!|~=-]")
_GOOD: frozenset[Kind] = frozenset({"resolved", "cleared"})
_WARN: frozenset[Kind] = frozenset({"reminder", "still-open", "role"})
_BAD: frozenset[Kind] = PAGES | {"alarm"}


class AppriseChannel:
    """Notifies the service whose apprise URL ``spec.secret`` names."""

    kind = "apprise"

    def __init__(self, certificates: str | None = None, patience: Patience = USUAL) -> None:
        self._certificates, self._patience = certificates, patience
        self._lock = threading.Lock()
        self._wires: AppriseWires | None = None

    def send(
        self,
        message: Message,
        spec: ChannelSpec,
        to: str | None,  # noqa: ARG002  (the URL says whom)
        idempotency_key: str,  # noqa: ARG002  (apprise has no place for it)
        secrets: Secrets,
        now: datetime,
    ) -> Accepted:
        """Notify once. Raises DeliveryFailed or SecretUnavailable."""
        if spec.secret is None:
            raise DeliveryFailed(
                f'channel "{spec.name}" names no secret with its apprise URL', permanent=True
            )
        named = f'secret "{spec.secret}"'

        def notify(url: str) -> Accepted:
            try:
                return within(self._patience.whole, lambda: self._notified(url.strip(), named, message, now))
            except OutOfTime:
                pass
            raise DeliveryFailed(f"{named}: no answer in time", permanent=False)

        return with_current_secret(secrets, spec.secret, notify)

    def close(self) -> None:
        """Close idle connections."""
        with self._lock:
            if self._wires is not None:
                self._wires.close()

    def _notified(self, url: str, named: str, message: Message, now: datetime) -> Accepted:
        from apprise import Apprise, NotifyFormat

        wire = self._opened().lay(named, now)
        plugin = _plugin(url, named)
        service = Apprise(asset=plugin.asset)
        service.add(plugin)
        marked_up = plugin.resolve_format(NotifyFormat.TEXT) is NotifyFormat.MARKDOWN
        title = plain(shortened(headline(message), TITLE_LIMIT))
        ok = service.notify(
            body=text_of(message, markdown=marked_up),
            title=_escaped(title) if marked_up and plugin.title_maxlen <= 0 else title,
            notify_type=_type_of(message.kind),
            body_format=NotifyFormat.MARKDOWN if marked_up else NotifyFormat.TEXT,
        )
        if bool(ok) and wire.taken is not None:
            return Accepted(wire.taken)
        raise wire.failure or DeliveryFailed(f"{named}: the service did not take it", permanent=False)

    def _opened(self) -> AppriseWires:
        from shared.adapters.channels.apprise_http import AppriseWires, guard_apprise

        with self._lock:
            if self._wires is None:
                guard_apprise()
                self._wires = AppriseWires(self._certificates, self._patience)
            return self._wires


def text_of(message: Message, *, markdown: bool = False) -> str:
    """The text below the headline; what is told stands last, for services cut what is too long for them.

    Apprise would escape links as well for services that read Markdown, and break them.
    """
    shown = links(message)
    anchors = "\n".join(f"[{label}]({url})" if markdown else f"{label}: {url}" for label, url in shown)
    rows = "\n".join(f"{label}: {one_line(value)}" for label, value in facts(message))
    why, told = shortened(reason(message), REASON_LIMIT), shortened(body(message), TEXT_LIMIT)
    why, rows, told = (_escaped(plain(text)) if markdown else plain(text) for text in (why, rows, told))
    return "\n\n".join(text for text in (why, anchors, rows, told) if text)


def plain(text: str) -> str:
    """``text`` that reads the same and means nothing: neither mention nor link nor element to any service."""
    return _MARKUP.sub(lambda found: found[0] + "\u200b", _MENTION.sub("@\u200b", text))


def _escaped(text: str) -> str:
    return _MARKDOWN.sub(r"\\\g<0>", text)


def _type_of(kind: Kind) -> NotifyType:
    from apprise import NotifyType

    if kind in _BAD:
        return NotifyType.FAILURE
    if kind in _GOOD:
        return NotifyType.SUCCESS
    return NotifyType.WARNING if kind in _WARN else NotifyType.INFO


def _plugin(url: str, named: str) -> NotifyBase:
    """What the URL names, to be asked once and never elsewhere. Raises DeliveryFailed (permanent)."""
    from apprise import Apprise, AppriseAsset, OverflowMode, PersistentStoreMode, plugins

    read: Any = plugins.url_to_dict  # has no types
    stated: Mapping[str, Any] | None
    try:
        stated = read(url)
    except (ValueError, TypeError, LookupError, AttributeError):
        stated = None
    if not stated:
        raise DeliveryFailed(f"{named} is not an apprise URL", permanent=True)
    _check(stated, named)
    asset = AppriseAsset(
        app_id="Tocsin",
        app_desc="Tocsin",
        app_url="",
        image_url_mask="",
        image_url_logo="",
        async_mode=False,
        http_redirects=False,
        service_timeout=0,
        storage_mode=PersistentStoreMode.MEMORY,
    )
    plugin = Apprise.instantiate(dict(stated), asset=asset)
    if plugin is None:
        raise DeliveryFailed(f"{named} is not an apprise URL that can be used", permanent=True)
    plugin.redirects, plugin.verify_certificate, plugin.retry = False, True, 0
    plugin.overflow_mode = OverflowMode.TRUNCATE
    return plugin


def _check(stated: Mapping[str, Any], named: str) -> None:
    from shared.adapters.channels.apprise_http import goes_by_guard, known_plugins

    plugin = known_plugins()[stated["schema"]]
    package = plugin.__module__.removeprefix("apprise.plugins.").partition(".")[0]
    if package in _REFUSED or not goes_by_guard(plugin):
        raise DeliveryFailed(f"{named} names a service that is not reached by HTTPS alone", permanent=True)
    if _FILES & {*stated, *(stated.get("qsd") or {})}:
        raise DeliveryFailed(f"{named} names a file to be read", permanent=True)
