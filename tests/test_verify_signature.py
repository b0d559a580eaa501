"""The verifier says who signed a bundle, and never that it knows more than it does."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

import pytest

from shared.kpi import verify
from shared.workflows.sign_manifest import SignManifest
from tests.signed_bundles import a_key, public_pem, received, run, signed, signing_with
from tests.working_fakes import MemoryExports

SIG = "manifest.sig"
FLIPS = 60


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return received(tmp_path, SIG)


def pinned(folder: Path, content: bytes) -> Path:
    path = folder / "auditors.key"
    path.write_bytes(content)
    return path


def thumbprint() -> str:
    [jwk] = signing_with(signed()[2]).public_keys()
    return jwk["kid"]


def as_jwk() -> bytes:
    return json.dumps(dict(signing_with(signed()[2]).public_keys()[0])).encode()


def as_jwks() -> bytes:
    other = dict(signing_with(a_key()).public_keys()[0])
    keys = [{"kty": "RSA", "n": "AQ"}, other, *map(dict, signing_with(signed()[2]).public_keys())]
    return json.dumps({"keys": keys}).encode()


def as_pem() -> bytes:
    return public_pem(a_key()) + public_pem(signed()[2])


@pytest.mark.parametrize("form", [as_jwk, as_jwks, as_pem])
def test_a_bundle_signed_by_a_pinned_key_holds(bundle: Path, form: object, tmp_path: Path) -> None:
    assert callable(form)
    outcome = run(bundle, "--key", pinned(tmp_path, form()))

    assert outcome.code == 0, outcome.said
    assert "ok    manifest.sig: signs this manifest.json" in outcome.said
    assert f"manifest.sig: by a key that you pinned: thumbprint {thumbprint()}" in outcome.notes


def test_a_key_that_was_not_pinned_is_named_and_not_trusted(bundle: Path) -> None:
    outcome = run(bundle)

    assert outcome.code == 0, outcome.said
    [note] = [one for one in outcome.notes if one.startswith(SIG)]
    assert f"by a key you have not pinned: thumbprint {thumbprint()}" in note


def test_a_signature_by_another_key_than_the_pinned_one_fails(bundle: Path, tmp_path: Path) -> None:
    outcome = run(bundle, "--key", pinned(tmp_path, public_pem(a_key())))

    assert outcome.code == 1
    assert outcome.failures == [
        f"manifest.sig: by a key that is none of those you pinned: thumbprint {thumbprint()}"
    ]


def test_somebody_who_signs_another_manifest_with_our_name_is_found(bundle: Path, tmp_path: Path) -> None:
    said = json.loads((tmp_path / SIG).read_bytes())
    said["signature"] = verify.base64url(signing_with(a_key()).sign(b"{}").value)
    (tmp_path / SIG).write_bytes(verify.pretty(said))

    assert run(bundle).failures == ["manifest.sig: the signature is not one of manifest.json by its key"]


def test_the_signature_of_another_bundle_is_none_of_this_one(bundle: Path, tmp_path: Path) -> None:
    _, where, pem = signed()
    SignManifest(signing_with(pem)).sign(where, b"{}", elsewhere := MemoryExports())
    (tmp_path / SIG).write_bytes(elsewhere.read(where.blob(SIG)))
    outcome = run(bundle, "--key", pinned(tmp_path, as_pem()))

    assert outcome.code == 1
    assert outcome.failures[0].startswith("manifest.sig line 14: manifest_sha256: ")
    assert outcome.failures[1] == "manifest.sig: the signature is not one of manifest.json by its key"


def test_any_byte_of_a_signature_that_is_changed_is_found() -> None:
    exports, where, _ = signed()
    raw, content = exports.read(where.blob(SIG)), exports.read(where.blob("manifest.json"))
    draw = random.Random(5)  # noqa: S311  (a test's own dice)
    for _ in range(FLIPS):
        at = draw.randrange(len(raw))
        flipped = raw[:at] + bytes([raw[at] ^ 1 << draw.randrange(8)]) + raw[at + 1 :]
        problems = list(verify.signature_problems(flipped, content, None, []))
        assert problems, (at, flipped[at : at + 1])
        assert all(problem.startswith("manifest.sig") for problem in problems)
    assert list(verify.signature_problems(raw, content, None, [])) == []


@pytest.mark.parametrize(
    "raw",
    [b"", b"[]", b"null", b"\xff", b'{"jwk": 5}', b'{"jwk": {"x": "AA", "y": "AA"}}', b"[" * 100_000],
    ids=["empty", "list", "null", "no UTF-8", "no key", "short key", "deep"],
)
def test_what_is_no_signature_fails_and_does_not_stop_the_rest(
    bundle: Path, tmp_path: Path, raw: bytes
) -> None:
    (tmp_path / SIG).write_bytes(raw)
    outcome = run(bundle)

    assert outcome.code == 1
    assert [one.partition(" (")[0] for one in outcome.failures] == ["manifest.sig: no signature"]
    assert "timeline.jsonl: every timeline is an unbroken chain" in outcome.said


def test_a_point_beside_the_curve_is_no_key(bundle: Path, tmp_path: Path) -> None:
    said = json.loads((tmp_path / SIG).read_bytes())
    said["jwk"] = verify.jwk_at(b"\1" * 64)
    said["key_id"] = said["jwk"]["kid"]
    (tmp_path / SIG).write_bytes(verify.pretty(said))

    [failure] = run(bundle).failures
    assert "jwk is no point of the curve" in failure


def test_without_a_signature_it_is_said_that_nothing_proves_who_made_it(tmp_path: Path) -> None:
    outcome = run(received(tmp_path))

    assert outcome.code == 0
    assert "manifest.sig: not given; nothing here proves who made the bundle" in outcome.notes


def test_a_pinned_key_without_a_signature_cannot_be_answered(tmp_path: Path) -> None:
    outcome = run(received(tmp_path), "--key", pinned(tmp_path, as_pem()))

    assert outcome.code == 2
    assert "manifest.sig is not there" in outcome.said


def test_a_signature_may_stand_elsewhere(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    moved = (tmp_path / SIG).rename(tmp_path / "elsewhere" / "acme-2026-W47-manifest.sig")

    assert run(bundle, "--signature", moved, "--key", pinned(tmp_path, as_pem())).code == 0
    assert run(bundle, "--signature", tmp_path / "none.sig").code == 2


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"[]", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", b'{"keys": 5}'],
)
def test_a_file_that_holds_no_key_is_refused(bundle: Path, tmp_path: Path, content: bytes) -> None:
    outcome = run(bundle, "--key", pinned(tmp_path, content))
    assert outcome.code == 2
    assert "auditors.key" in outcome.said


def test_without_the_package_that_is_said_and_all_else_is_checked(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "cryptography"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "cryptography", None)  # as if it were not installed
    key = pinned(tmp_path, b"")

    outcome = run(bundle)
    assert outcome.code == 0, outcome.said
    assert "note  manifest.sig: names this manifest.json, which proves nothing\n" in outcome.said
    assert "signs this" not in outcome.said
    assert any(
        "NOT held against its key: the package cryptography is missing" in one for one in outcome.notes
    )
    (tmp_path / SIG).write_bytes((tmp_path / SIG).read_bytes().replace(b"ES256", b"ES257", 1))
    assert run(bundle).code == 1
    key.write_bytes(json.dumps(json.loads((tmp_path / SIG).read_bytes())["jwk"]).encode())
    refused = run(bundle, "--key", key)
    assert refused.code == 2
    assert "the package cryptography is missing" in refused.said


def test_the_outcome_comes_as_json_for_programs(bundle: Path, tmp_path: Path) -> None:
    held = json.loads(run(bundle, "--json").said)
    assert (held["bundle"], held["exit_code"], held["holds"], held["problems"]) == (
        "acme 2026-W47 r1",
        0,
        True,
        [],
    )
    assert {"word": "ok", "text": "manifest.sig: signs this manifest.json"} in held["checks"]

    outcome = run(bundle, "--json", "--key", pinned(tmp_path, public_pem(a_key())))
    broken = json.loads(outcome.said)
    assert (outcome.code, broken["exit_code"], broken["holds"]) == (1, 1, False)
    assert broken["problems"][0]["place"] == "manifest.sig"
    nothing = run(tmp_path / "none.zip", "--json")
    assert nothing.code == 2
    assert json.loads(nothing.said[nothing.said.index("{") :])["holds"] is None
