"""The plan that is measured: one page at once or much later, by a channel that costs nothing or to a hook."""

from __future__ import annotations

PLAN = """\
plan: acme
title: Acme
timezone: UTC
services: {api: {}}
default_service: api
severities:
  P1:
    respond_within: 7d
    steps:
      - {after: FIRST, notify: [oncall]}
      - {after: SECOND, notify: [lead]}
default_severity: P1
contacts:
  oncall: {reach: [{channel: out}]}
  lead: {reach: [{channel: out}]}
channels:
  out: CHANNEL
"""


def patient_plan() -> str:
    """Nobody is paged while intake is measured."""
    return _plan("6h", "12h", "{kind: log}")


def eager_plan(hook: str) -> str:
    """Pages at once and again after a second, to a receiver at ``hook``."""
    return _plan("0s", "1s", f'{{kind: webhook, url: "{hook}"}}')


def _plan(first: str, second: str, channel: str) -> str:
    return PLAN.replace("FIRST", first).replace("SECOND", second).replace("CHANNEL", channel)
