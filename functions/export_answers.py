"""What the exports routes answer, as shapes; the document of the API is made from them."""

from __future__ import annotations

from typing import Any, Literal

from typing_extensions import TypedDict


class ExportLine(TypedDict):
    """One bundle: ``files`` maps names to addresses."""

    plan: str
    week: str
    revision: str
    provisional: bool
    files: dict[str, str]


class ExportList(TypedDict):
    """Oldest first, without the provisional ones."""

    exports: list[ExportLine]


class ExportCompiled(ExportLine):
    """``made`` is false where a bundle of equal content stood there already."""

    made: bool


class ExportWhole(ExportLine):
    """A bundle with its manifest."""

    manifest: dict[str, Any]


class PublicKey(TypedDict):
    """A key on the curve P-256 (RFC 7517); ``kid`` is its thumbprint (RFC 7638)."""

    kty: str
    crv: str
    x: str
    y: str
    alg: str
    use: str
    kid: str


class KeySet(TypedDict):
    """Every key that signs or has signed exports, the newest first."""

    keys: list[PublicKey]


class ExportAsked(TypedDict):
    """It will be compiled within minutes; ``progress`` is where that can be followed."""

    progress: str


class ExportProgressShown(TypedDict):
    """How far a compilation is: ``done`` of so many timelines; ``why`` it failed, where it did."""

    state: Literal["wanted", "compiling", "done", "failed"]
    done: int
    of: int
    started_at: str
    updated_at: str
    revision: str | None
    why: str | None


class ExportLinkMade(TypedDict):
    """A link for an auditor without an account; ``link`` is its name on record."""

    link: str
    url: str
    plan: str
    week: str
    revision: str
    expires: str


class ExportLinked(TypedDict):
    """What an auditor's link leads to; ``files`` are addresses below it."""

    plan: str
    week: str
    revision: str
    expires: str
    files: dict[str, str]


class KpiShown(TypedDict):
    """Figures as of now: each KPI's, by the name that ``docs/kpi.md`` explains; and by group where asked."""

    plan: str
    to: str
    as_of: str
    kpis: dict[str, Any]
    groups: dict[str, dict[str, Any]]
