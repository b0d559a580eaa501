"""Tocsin's own form, for whatever can post JSON: an alert, a list of alerts, or ``{"alerts": [...]}``.

It is strict where vendors' forms are not: an unknown key is a fault. `docs/sources.md` shows the form.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from shared.adapters.sources.bounds import bounded_alert, web_address
from shared.adapters.sources.reading import JsonObject, Reading, kind, quoted, read_alerts
from shared.adapters.sources.trust import TOCSIN_SIGNATURE, check_call
from shared.domain.alert import Alert
from shared.domain.plan import SourceTrust
from shared.ports import Secrets

TEXTS = ("fingerprint", "group", "service", "severity", "summary", "url")
KEYS = ("name", "status", *TEXTS, "labels", "annotations", "values", "started_at", "ended_at")


class Generic:
    """The source ``generic``. It signs as Tocsin's own outgoing webhooks do."""

    name = "generic"
    signs = True

    def parse(self, body: bytes, received_at: datetime) -> list[Alert]:
        """Every alert of the body. Raises InvalidPayload."""
        return read_alerts("the generic source", body, received_at, self._read)

    def verify(
        self, headers: Mapping[str, str], body: bytes, trust: SourceTrust, secrets: Secrets, now: datetime
    ) -> None:
        """Raises Unauthenticated or SecretUnavailable."""
        check_call(headers, body, trust, secrets, now, TOCSIN_SIGNATURE)

    def _read(self, reading: Reading, document: object) -> list[Alert]:
        if isinstance(document, list):
            return [self._alert(reading, entry, where) for where, entry in reading.objects_at(document, "")]
        body = reading.object_at(document, "")
        if body is None:
            return []
        if "alerts" not in body:
            return [self._alert(reading, body, "")]
        _refuse_unknown(reading, body, "", ("alerts",))
        return [self._alert(reading, entry, at) for at, entry in reading.objects_at(body["alerts"], "alerts")]

    def _alert(self, reading: Reading, entry: JsonObject, where: str) -> Alert:
        dot = f"{where}." if where else ""
        _refuse_unknown(reading, entry, dot, KEYS)
        name = reading.required(entry, "name", where)
        texts = {key: _text(reading, entry, key, dot) for key in TEXTS}
        labels = reading.texts(entry.get("labels"), f"{dot}labels")
        firing = _firing(reading, entry, dot)
        started_at = reading.instant(entry.get("started_at"), f"{dot}started_at")
        return bounded_alert(
            self.name,
            texts["fingerprint"] or _identity(name, texts, labels),
            firing=firing,
            name=name,
            received_at=reading.received_at,
            started_at=started_at,
            ended_at=_end(reading, entry, dot, firing, started_at),
            group=texts["group"],
            service=texts["service"],
            severity=texts["severity"],
            summary=texts["summary"],
            labels=labels,
            annotations=reading.texts(entry.get("annotations"), f"{dot}annotations"),
            values=_values(reading, entry, dot),
            url=_url(reading, texts["url"], dot),
        )


def _refuse_unknown(reading: Reading, entry: JsonObject, dot: str, known: tuple[str, ...]) -> None:
    for key in entry:
        if key not in known:
            reading.fault(f"{dot}{key[:100]}", f"is not known; known are {', '.join(known)}")


def _text(reading: Reading, entry: JsonObject, key: str, dot: str) -> str | None:
    text = entry.get(key)
    if text is None or isinstance(text, str):
        return text or None
    reading.fault(f"{dot}{key}", f"must be a text, not {kind(text)}")
    return None


def _values(reading: Reading, entry: JsonObject, dot: str) -> JsonObject:
    stated = entry.get("values")
    if not isinstance(stated, dict):
        if stated is not None:
            reading.fault(f"{dot}values", f"must be an object, not {kind(stated)}")
        return {}
    for name, value in stated.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            reading.fault(f"{dot}values.{name[:100]}", f"must be a number, not {kind(value)}")
    return stated


def _firing(reading: Reading, entry: JsonObject, dot: str) -> bool:
    status = entry.get("status")
    if status not in (None, "firing", "resolved"):
        given = quoted(status) if isinstance(status, str) else kind(status)
        reading.fault(f"{dot}status", f"must be firing or resolved, not {given}")
    return status != "resolved"


def _end(
    reading: Reading, entry: JsonObject, dot: str, firing: bool, started_at: datetime | None
) -> datetime | None:
    ended_at = reading.instant(entry.get("ended_at"), f"{dot}ended_at")
    if ended_at is not None and firing:
        reading.fault(f"{dot}ended_at", "is only for an alert with the status resolved")
    elif ended_at is not None and started_at is not None and ended_at < started_at:
        reading.fault(f"{dot}ended_at", "is before started_at")
    return ended_at


def _url(reading: Reading, url: str | None, dot: str) -> str | None:
    address = web_address(url)
    if url is not None and address is None:
        reading.fault(f"{dot}url", "must be an http or https address")
    return address


def _identity(name: str, texts: Mapping[str, str | None], labels: Mapping[str, str]) -> dict[str, str]:
    """Who the alert is where it has no fingerprint: name, service, group and labels together."""
    own = {"name": name, "service": texts["service"] or "", "group": texts["group"] or ""}
    return own | {f"labels.{key}": value for key, value in labels.items()}
