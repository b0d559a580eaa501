"""What the stores are called; the Bicep in `infra/` makes the same, and a test compares them."""

from __future__ import annotations

TABLES = ("Agenda", "Incidents", "Index", "Journal", "People", "Rules")
QUEUE = "advance"
CONTAINER = "exports"
