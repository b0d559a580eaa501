"""Prometheus Alertmanager: webhook bodies of versions 4 and 3, and what leaves most of their fields out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from shared.adapters.sources.alert_group import alerts_of, envelope_of
from shared.adapters.sources.reading import Reading, read_alerts
from shared.adapters.sources.trust import check_call
from shared.domain.alert import Alert
from shared.domain.plan import SourceTrust
from shared.ports import Secrets


class Alertmanager:
    """The source ``alertmanager``. It signs nothing; a bearer token comes from its ``http_config``."""

    name = "alertmanager"
    signs = False

    def parse(self, body: bytes, received_at: datetime) -> list[Alert]:
        """Every alert of the group; ``groupKey`` is the group. Raises InvalidPayload."""
        return read_alerts("Alertmanager", body, received_at, self._read)

    def verify(
        self, headers: Mapping[str, str], body: bytes, trust: SourceTrust, secrets: Secrets, now: datetime
    ) -> None:
        """Raises Unauthenticated or SecretUnavailable."""
        check_call(headers, body, trust, secrets, now, None)

    def _read(self, reading: Reading, document: object) -> list[Alert]:
        body = reading.object_at(document, "")
        return [] if body is None else alerts_of(reading, body, envelope_of(self.name, body))
