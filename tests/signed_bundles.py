"""Bundles on disk as an auditor receives them: signed, with the texts and names beside them."""

from __future__ import annotations

import io
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from shared.adapters.app_setting_secrets import AppSettingSecrets
from shared.adapters.signing.local_key import LocalSigning
from shared.domain.timeline import Text
from shared.kpi import verify
from shared.kpi.shelf import Bundle
from shared.workflows.export_kpis import compile_week
from shared.workflows.sign_manifest import SignManifest
from tests.builders import a_plan
from tests.stories import MONDAY, SUNDAY, WEEK, Story
from tests.working_fakes import MemoryExports, MemoryTimelines

NOON = MONDAY + timedelta(days=2, hours=12)
INCIDENTS = tuple(f"INC-0000000{n}-1" for n in range(1, 8))
DRILL = "INC-0000000D-1"
WORDS = {
    (INCIDENTS[0], 3): Text("The disk was full — again.\nMoved the logs.", "5a17"),
    (INCIDENTS[0], 4): Text("\x1b[2J=HYPERLINK(1) \u202eevil\ud83d", "5a18"),
    (INCIDENTS[1], 3): Text("", "5a19"),
}
"""The texts that the stories name, one of them of somebody who means harm."""
NAMES = {"anna": "Anna Berg", "bo": "Bo\x1b[31m"}


@dataclass
class Kept:
    """`ports.KeptTexts` and the names of `ports.People`, in memory."""

    words: dict[tuple[str, int], Text] = field(default_factory=lambda: dict(WORDS))
    names: dict[str, str] = field(default_factory=lambda: dict(NAMES))

    def whole_texts(self, incident_id: str) -> Mapping[int, Text]:
        return {seq: text for (subject, seq), text in self.words.items() if subject == incident_id}

    def name(self, pseudonym: str) -> str | None:
        return self.names.get(pseudonym)

    def pseudonym(self, identity: str, name: str) -> str:
        raise AssertionError(f"nobody new acts: {identity}, {name}")

    def digest(self, text: str) -> str:
        raise AssertionError(f"nobody is looked for: {text}")


def timelines() -> MemoryTimelines:
    """Seven incidents of the week and a drill; people wrote texts on two of them."""
    found = MemoryTimelines()
    for number, subject in enumerate(INCIDENTS):
        at = NOON + timedelta(minutes=10 * number)
        story = Story(subject).opened(at).acknowledged(at + timedelta(minutes=1))
        for (its, seq), text in sorted(WORDS.items()):
            if its == subject:
                said = {"kind": "note", "audience": "internal", "text_sha256": text.sha256}
                story.tell("noted", at + timedelta(minutes=seq), said, "person:bo")
        found.keep("acme", story.events)
    return found.keep("acme", Story(DRILL).opened(NOON, drill="quarterly", source=None).events)


def a_key() -> str:
    """A private key in PEM."""
    return (
        ec.generate_private_key(ec.SECP256R1())
        .private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        .decode("ascii")
    )


def signing_with(pem: str) -> LocalSigning:
    """The adapter on a key of the test's own."""
    return LocalSigning(AppSettingSecrets({"SECRET_SIGNING_KEY": pem}))


def public_pem(pem: str) -> bytes:
    """The public half, as an auditor may have it on file."""
    private = serialization.load_pem_private_key(pem.encode("ascii"), None)
    return private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


@cache
def signed() -> tuple[MemoryExports, Bundle, str]:
    """The week, compiled and signed once; with the private key."""
    pem, exports = a_key(), MemoryExports()
    sign = SignManifest(signing_with(pem)).sign
    compiled = compile_week(a_plan(), WEEK, timelines(), exports, "1.0", SUNDAY, sign=sign)
    return exports, compiled.bundle, pem


def received(folder: Path, *names: str) -> Path:
    """The bundle's zip in a folder, with these files beside it; its path."""
    exports, bundle, _ = signed()
    for name in ("bundle.zip", *names):
        (folder / name).write_bytes(exports.read(bundle.blob(name)))
    return folder / "bundle.zip"


@dataclass(frozen=True)
class Outcome:
    """What the verifier answered."""

    code: int
    said: str

    @property
    def failures(self) -> list[str]:
        return [line[6:] for line in self.said.splitlines() if line.startswith("FAILS ")]

    @property
    def notes(self) -> list[str]:
        return [line[6:] for line in self.said.splitlines() if line.startswith("note  ")]


def run(*arguments: object) -> Outcome:
    """The verifier's command line."""
    out = io.StringIO()
    with redirect_stdout(out), redirect_stderr(out):
        code = verify.main([str(one) for one in arguments])
    return Outcome(code, out.getvalue())
