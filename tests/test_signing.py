"""Who signs exports: a key that never leaves the vault, or one of the developer's own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from local.signing_key import give_signing_key
from shared.adapters.app_setting_secrets import AppSettingSecrets
from shared.adapters.signing import vault_key
from shared.adapters.signing.local_key import LocalSigning
from shared.adapters.signing.public_keys import jwk_of
from shared.domain.errors import SecretUnavailable
from shared.export_ports import Signing
from shared.kpi.shelf import Bundle, revision
from shared.workflows.export_kpis import compile_week, list_bundles
from shared.workflows.sign_manifest import NAME, SignManifest
from tests.builders import a_plan
from tests.certificates import LoopbackAuthority
from tests.receivers import Reply
from tests.signed_bundles import timelines
from tests.stories import SUNDAY, WEEK
from tests.vault_keys import KeyVersion, VaultOfKeys, a_vault_of_keys, raw
from tests.working_fakes import MemoryExports

KEY = "export-signing"
CONTENT = b'{"plan": "acme"}\n'
BUNDLE: Bundle = revision("acme", "2026-W47", 1)


def pem(private: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> str:
    return private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode("ascii")


def a_key() -> str:
    return pem(ec.generate_private_key(ec.SECP256R1()))


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> LoopbackAuthority:
    return LoopbackAuthority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def vault(authority: LoopbackAuthority) -> Iterator[VaultOfKeys]:
    with a_vault_of_keys(authority) as vault:
        vault.keep(KEY, KeyVersion(f"{1:032x}"))
        yield vault


@pytest.fixture(params=["vault", "local"])
def signing(request: pytest.FixtureRequest) -> Signing:
    if request.param == "local":
        return LocalSigning(AppSettingSecrets({"SECRET_SIGNING_KEY": a_key()}))
    played: VaultOfKeys = request.getfixturevalue("vault")
    return played.signing(KEY)


def test_what_was_signed_holds_and_nothing_else_does(signing: Signing) -> None:
    signature = signing.sign(CONTENT)

    assert signing.holds(CONTENT, signature)
    assert not signing.holds(CONTENT + b" ", signature)
    assert not signing.holds(CONTENT, replace(signature, value=signature.value[::-1]))
    assert not signing.holds(CONTENT, replace(signature, value=signature.value[:63]))
    assert not signing.holds(CONTENT, replace(signature, algorithm="none"))
    assert not signing.holds(CONTENT, replace(signature, key_id="another"))


def test_the_public_key_is_published_under_the_name_that_signatures_give_it(signing: Signing) -> None:
    signature = signing.sign(CONTENT)

    [key] = signing.public_keys()
    assert key == signature.jwk
    assert key["kid"] == signature.key_id
    assert set(key) == {"kty", "crv", "x", "y", "alg", "use", "kid"}
    assert len(raw(key["x"])) == len(raw(key["y"])) == 32


def test_the_name_of_a_key_is_its_thumbprint_as_in_rfc_7638() -> None:
    of_rfc_7517 = jwk_of(
        raw("MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4"), raw("4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM")
    )
    assert of_rfc_7517["kid"] == "cn-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s"


def test_coordinates_that_begin_with_zeros_are_written_whole() -> None:
    assert jwk_of(b"\1", b"\2")["x"] == jwk_of(b"\0\1", b"\2")["x"]
    assert raw(jwk_of(b"\1", b"\2")["x"]) == bytes(31) + b"\1"


def test_after_a_rotation_the_new_version_signs_and_the_old_one_stays_published(vault: VaultOfKeys) -> None:
    signing = vault.signing(KEY)
    before = signing.sign(CONTENT)
    assert len(signing.public_keys()) == 1
    vault.rotated(KEY)
    vault.clock.forward(vault_key.FRESH_SECONDS)
    after = signing.sign(CONTENT)

    assert before.key_id != after.key_id
    assert [one["kid"] for one in signing.public_keys()] == [after.key_id, before.key_id]
    assert signing.holds(CONTENT, before)
    assert signing.holds(CONTENT, after)


def test_a_signature_by_a_version_made_a_moment_ago_holds_elsewhere_too(vault: VaultOfKeys) -> None:
    signing, elsewhere = vault.signing(KEY), vault.signing(KEY)
    signing.public_keys()
    vault.rotated(KEY)
    signature = elsewhere.sign(CONTENT)

    assert not signing.holds(CONTENT, signature), "asked a moment ago"
    vault.clock.forward(vault_key.ASKED_AGAIN_SECONDS)
    assert signing.holds(CONTENT, signature)


def test_a_disabled_version_is_not_published_and_pages_are_read_to_the_end(vault: VaultOfKeys) -> None:
    for enabled in (True, False, True, True):
        vault.rotated(KEY, enabled=enabled)
    assert len(vault.signing(KEY).public_keys()) == 4


def test_the_vault_is_asked_for_each_version_once_and_for_the_list_when_it_is_old(vault: VaultOfKeys) -> None:
    signing = vault.signing(KEY)
    first = signing.public_keys()
    assert signing.public_keys() == signing.public_keys() == first
    listed = [f"GET {KEY}/versions", f"GET {KEY}/{1:032x}"]
    assert vault.asked() == listed

    vault.clock.forward(vault_key.FRESH_SECONDS - 1)
    signing.public_keys()
    assert vault.asked() == listed
    vault.clock.forward(1)
    assert signing.public_keys() == first
    assert vault.asked() == [*listed, f"GET {KEY}/versions"]


def test_while_the_vault_is_silent_known_keys_are_published_and_nothing_is_signed(vault: VaultOfKeys) -> None:
    signing = vault.signing(KEY)
    known = signing.public_keys()
    vault.clock.forward(vault_key.FRESH_SECONDS)
    vault.server.otherwise = Reply(503, {}, b"tell-tale")

    assert signing.public_keys() == known
    with pytest.raises(SecretUnavailable, match=r'^key "export-signing": the vault answered 503$'):
        signing.sign(CONTENT)
    asked = len(vault.server.requests)
    assert signing.public_keys() == known
    assert len(vault.server.requests) == asked, "not asked again at once"

    vault.server.otherwise = vault.answer
    vault.clock.forward(vault_key.SILENT_SECONDS)
    vault.rotated(KEY)
    assert len(signing.public_keys()) == 2


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (Reply(reset=True), "the vault did not answer"),
        (Reply(500, {}, b"tell-tale"), "the vault answered 500"),
        (Reply(403, {}, b"tell-tale"), "the vault answered 403"),
        (Reply(200, {"Content-Type": "application/json"}, b"{tell-tale"), "the vault"),
    ],
    ids=["reset", "500", "403", "no JSON"],
)
def test_what_the_vault_does_wrong_is_said_in_our_words(vault: VaultOfKeys, reply: Reply, why: str) -> None:
    vault.server.otherwise = reply
    for call in (lambda: vault.signing(KEY).sign(CONTENT), vault.signing(KEY).public_keys):
        with pytest.raises(SecretUnavailable, match=f'key "{KEY}": {why}') as raised:
            call()
        assert "tell-tale" not in str(raised.value)
        assert "127.0.0.1" not in str(raised.value)


def test_a_key_that_is_not_there_or_of_another_kind_is_named(vault: VaultOfKeys) -> None:
    vault.keep("rsa", KeyVersion("1", private=rsa.generate_private_key(65537, 2048)))
    vault.keep("p384", KeyVersion("1", private=ec.generate_private_key(ec.SECP384R1())))
    vault.keep("off", KeyVersion("1", enabled=False))
    for name, why in (
        ("none", "no such key"),
        ("rsa", "no key on P-256"),
        ("p384", "no key on P-256"),
        ("off", "403"),
    ):
        with pytest.raises(SecretUnavailable, match=f'key "{name}": .*{why}'):
            vault.signing(name).sign(CONTENT)
    with pytest.raises(SecretUnavailable, match="no enabled version"):
        vault.signing("off").public_keys()


def test_an_identity_that_may_not_sign_is_refused_in_words(vault: VaultOfKeys) -> None:
    vault.allowed.discard("sign")
    with pytest.raises(SecretUnavailable, match="the vault answered 403"):
        vault.signing(KEY).sign(CONTENT)
    vault.identity.refused = True
    with pytest.raises(SecretUnavailable, match="refused"):
        vault.signing(KEY).sign(CONTENT)


def test_a_signature_that_does_not_hold_is_not_taken_from_the_vault(vault: VaultOfKeys) -> None:
    vault.tampered = lambda value: value[::-1]
    with pytest.raises(SecretUnavailable, match="does not hold"):
        vault.signing(KEY).sign(CONTENT)


def test_of_two_local_keys_the_first_signs_and_both_are_published() -> None:
    old, new = a_key(), a_key()
    before = LocalSigning(AppSettingSecrets({"SECRET_SIGNING_KEY": old})).sign(CONTENT)
    settings = {"SECRET_SIGNING_KEY": new.replace("\n", "\\n"), "SECRET_SIGNING_KEY__PREVIOUS": old}
    signing = LocalSigning(AppSettingSecrets(settings))

    after = signing.sign(CONTENT)
    assert [one["kid"] for one in signing.public_keys()] == [after.key_id, before.key_id]
    assert signing.holds(CONTENT, before)


@pytest.mark.parametrize(
    "value",
    ["nonsense", pem(ec.generate_private_key(ec.SECP384R1())), pem(rsa.generate_private_key(65537, 2048))],
    ids=["no PEM", "another curve", "RSA"],
)
def test_a_local_key_of_another_kind_is_refused_without_showing_it(value: str) -> None:
    signing = LocalSigning(AppSettingSecrets({"SECRET_SIGNING_KEY": value}))
    with pytest.raises(SecretUnavailable, match="no private key on P-256") as raised:
        signing.sign(CONTENT)
    assert value[:20] not in str(raised.value).replace("signing-key", "")


def test_a_manifest_is_signed_once_and_the_signature_is_kept(signing: Signing) -> None:
    exports, sign = MemoryExports(), SignManifest(signing)

    assert sign.sign(BUNDLE, CONTENT, exports)
    written = exports.read(BUNDLE.blob(NAME))
    assert sign.sign(BUNDLE, CONTENT, exports)
    assert exports.blobs == {f"acme/2026-W47/r1/{NAME}": written}
    said = json.loads(written)
    assert sorted(said) == ["algorithm", "format", "jwk", "key_id", "manifest_sha256", "signature"]


def test_what_stands_in_the_place_of_a_signature_and_is_none_of_ours_is_refused(signing: Signing) -> None:
    exports, sign = MemoryExports(), SignManifest(signing)
    assert sign.sign(BUNDLE, CONTENT, exports)
    ours = exports.read(BUNDLE.blob(NAME))
    foreign = LocalSigning(AppSettingSecrets({"SECRET_SIGNING_KEY": a_key()}))
    SignManifest(foreign).sign(BUNDLE, CONTENT, elsewhere := MemoryExports())

    for other in (b"", b"[]", b"{}", ours + b" ", ours[:-9], elsewhere.read(BUNDLE.blob(NAME))):
        exports.blobs[BUNDLE.blob(NAME)] = other
        assert not sign.sign(BUNDLE, CONTENT, exports)
        assert exports.read(BUNDLE.blob(NAME)) == other
    exports.blobs[BUNDLE.blob(NAME)] = ours
    assert not sign.sign(BUNDLE, b"another manifest", exports)


def test_without_a_key_nothing_is_written() -> None:
    exports = MemoryExports()
    with pytest.raises(SecretUnavailable, match="SECRET_SIGNING_KEY"):
        SignManifest(LocalSigning(AppSettingSecrets({}))).sign(BUNDLE, CONTENT, exports)
    assert exports.blobs == {}


def test_the_local_host_makes_a_key_once_and_keeps_it_from_others(tmp_path: Path) -> None:
    first: dict[str, str] = {}
    give_signing_key(tmp_path, first)
    again: dict[str, str] = {}
    give_signing_key(tmp_path, again)

    assert first == again
    assert LocalSigning(AppSettingSecrets(first)).public_keys()
    assert (tmp_path / "signing-key.pem").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("given", [{"SECRET_SIGNING_KEY": "mine"}, {"KEY_VAULT_URI": "https://v.example"}])
def test_the_local_host_makes_no_key_where_one_is_given(tmp_path: Path, given: dict[str, str]) -> None:
    environment = dict(given)
    give_signing_key(tmp_path, environment)
    assert environment == given
    assert list(tmp_path.iterdir()) == []


def test_a_host_that_keeps_no_data_makes_a_key_for_itself_alone() -> None:
    environment: dict[str, str] = {}
    give_signing_key(None, environment)
    assert LocalSigning(AppSettingSecrets(environment)).public_keys()


def test_a_bundle_that_cannot_be_signed_is_not_complete_and_the_next_try_completes_it(
    vault: VaultOfKeys,
) -> None:
    exports, sign = MemoryExports(), SignManifest(vault.signing(KEY)).sign
    vault.server.otherwise = Reply(503, {}, b"tell-tale")
    with pytest.raises(SecretUnavailable):
        compile_week(a_plan(), WEEK, timelines(), exports, "1.0", SUNDAY, sign=sign)
    assert list_bundles("acme", exports) == []
    assert exports.names(f"acme/{WEEK}/r1/manifest.s") == []

    vault.server.otherwise = vault.answer
    made = compile_week(a_plan(), WEEK, timelines(), exports, "1.0", SUNDAY, sign=sign)
    assert [one.label for one in list_bundles("acme", exports)] == [made.bundle.label] == ["r1"]
    assert exports.names(f"acme/{WEEK}/r1/manifest.s") == [
        f"acme/{WEEK}/r1/manifest.{end}" for end in ("sha256", "sig")
    ]


def test_a_signature_that_a_crash_left_is_kept_and_a_strangers_makes_the_next_revision() -> None:
    ours, stranger = (
        SignManifest(LocalSigning(AppSettingSecrets({"SECRET_SIGNING_KEY": a_key()}))) for _ in "ab"
    )
    for first, label in ((ours, "r1"), (stranger, "r2")):
        exports = MemoryExports()
        compile_week(a_plan(), WEEK, timelines(), exports, "1.0", SUNDAY, sign=first.sign)
        left = exports.read(f"acme/{WEEK}/r1/{NAME}")
        del exports.blobs[f"acme/{WEEK}/r1/manifest.sha256"]

        made = compile_week(a_plan(), WEEK, timelines(), exports, "1.0", SUNDAY, sign=ours.sign)
        assert made.bundle.label == label
        assert exports.read(f"acme/{WEEK}/r1/{NAME}") == left
        assert ours.holds(
            exports.read(made.bundle.blob("manifest.json")), exports.read(made.bundle.blob(NAME))
        )
