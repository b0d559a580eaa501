"""The sources that this deployment understands, by the name that stands in the webhook's path."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

from shared.adapters.sources.alertmanager import Alertmanager
from shared.adapters.sources.azure_monitor import AzureMonitor
from shared.adapters.sources.generic import Generic
from shared.adapters.sources.grafana import Grafana
from shared.ports import Source


class KnownSource(Source, Protocol):
    """A source, and whether it can sign its bodies: a plan must not ask for what never comes."""

    signs: bool


_ALL: tuple[KnownSource, ...] = (Alertmanager(), AzureMonitor(), Generic(), Grafana())
_BY_NAME: Mapping[str, KnownSource] = MappingProxyType({source.name: source for source in _ALL})


def known_sources() -> Mapping[str, KnownSource]:
    """Every source by name; they hold no state and may be shared by threads."""
    return _BY_NAME
