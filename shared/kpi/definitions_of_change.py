"""The KPIs that hold a time against its own baseline: by how many percent it has changed."""

from __future__ import annotations

from shared.kpi.definition import Definition


def _change(of: str, what: str) -> Definition:
    return Definition(
        f"{of}_vs_baseline",
        "change",
        "percent",
        f"by how many percent the mean time to {what} differs from its baseline; below 0 it is shorter",
        (f"{of}_seconds",),
        f"{of} of the week less its baseline",
        f"the baseline of {of}: its mean over the up to 12 calendar weeks before that have a bundle",
        f"as {of}; null where the week or the baseline has no value, or the baseline is 0",
        target="at most",
        of=of,
    )


OF_CHANGE: tuple[Definition, ...] = (
    _change("time_to_acknowledge", "acknowledge"),
    _change("time_to_resolve", "resolve"),
)
