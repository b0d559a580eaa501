"""The tokens in links: each says one thing to one key, is short, and cannot be altered or stretched."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.answer_tokens import ASK_AGAIN_AFTER, LONGEST, KeyedAnswerTokens
from shared.adapters.signed_links import KeyedLinks
from shared.domain.answering import GRANT_LASTS, Grant
from shared.domain.errors import SecretUnavailable, Unauthenticated
from tests.builders import NOON

GRANT = Grant("INC-8Q2XK4ZR-1", "ana", "000012-ana-0", NOON + GRANT_LASTS)
SECOND, TICK = timedelta(seconds=1), timedelta(microseconds=1)
URL_SAFE = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


class Rotating:
    """`ports.Secrets` with one secret, whose cached values are re-read only when they are checked again."""

    def __init__(self, *values: str) -> None:
        self.vault = list(values)
        self.cached = list(values)
        self.rechecked = 0

    def get(self, name: str) -> str:
        return self.accepted(name)[0]

    def accepted(self, name: str) -> Sequence[str]:
        if not self.cached:
            raise SecretUnavailable(f'secret "{name}" is missing')
        return self.cached

    def recheck(self, name: str) -> None:  # noqa: ARG002
        self.rechecked += 1
        self.cached = list(self.vault)

    def forget(self, name: str) -> bool:
        raise AssertionError(f"no provider has refused {name}")


def tokens(*secrets: str) -> KeyedAnswerTokens:
    return KeyedAnswerTokens(Rotating(*secrets or ("root of all keys",)), "people-key")


def refused(reader: KeyedAnswerTokens, token: str) -> str:
    with pytest.raises(Unauthenticated) as refusal:
        reader.read(token, NOON)
    return str(refusal.value)


def test_a_token_says_what_it_was_signed_for() -> None:
    assert tokens().read(tokens().sign(GRANT), NOON) == GRANT


def test_a_token_fits_a_text_message_and_every_program_that_looks_for_links() -> None:
    token = tokens().sign(GRANT)

    assert len(token) <= 44
    assert set(token) <= URL_SAFE


@given(
    st.integers(1, 9_999_999), st.integers(1, 2_000_000), st.text(min_size=1, max_size=63), st.integers(0, 99)
)
def test_whatever_the_contact_is_called_the_token_says_it_and_ends_in_a_letter_or_digit(
    n: int, seq: int, contact: str, nth: int
) -> None:
    delivery = f"{seq:06d}-{contact}-{nth}"
    grant = Grant(f"INC-ZZZZZZZZ-{n}", contact, delivery, NOON + SECOND)

    token = tokens().sign(grant)

    assert tokens().read(token, NOON) == grant
    assert len(token) <= LONGEST
    assert token[-1].isalnum()


@pytest.mark.parametrize(
    "contact", ["ana-maria", "ops-0", "0-1", "-", "--", "000012-ana-0", "josé", "x" * 63]
)
def test_a_contact_may_look_like_a_part_of_a_delivery(contact: str) -> None:
    grant = replace(GRANT, contact=contact, delivery=f"000012-{contact}-3")

    assert tokens().read(tokens().sign(grant), NOON) == grant


@pytest.mark.parametrize(
    "unfit",
    [
        replace(GRANT, contact="eve"),
        replace(GRANT, delivery="12-ana-0"),
        replace(GRANT, delivery="000012-ana-00"),
        replace(GRANT, delivery="000012-ana"),
        replace(GRANT, delivery=""),
        replace(GRANT, incident="INC-1"),
        replace(GRANT, incident="inc-8q2xk4zr-1"),
    ],
)
def test_what_is_no_delivery_to_that_contact_is_not_signed(unfit: Grant) -> None:
    with pytest.raises(ValueError, match=r"is of a delivery|is named by"):
        tokens().sign(unfit)


def test_a_token_holds_until_the_second_at_which_it_expires() -> None:
    token, ends = tokens().sign(GRANT), GRANT.expires

    assert tokens().read(token, ends - TICK) == GRANT
    for late in (ends, ends + TICK, ends + timedelta(days=400)):
        with pytest.raises(Unauthenticated, match="expired"):
            tokens().read(token, late)


def test_every_altered_character_is_noticed() -> None:
    token = tokens().sign(GRANT)

    for place, letter in enumerate(token):
        for other in ("A", "B", "_", "-", "z"):
            if other != letter:
                assert "not one of ours" in refused(tokens(), token[:place] + other + token[place + 1 :])


def test_a_token_that_was_cut_off_or_added_to_is_not_ours() -> None:
    token = tokens().sign(GRANT)
    odd = ["", "A", "=", "é", "\x00", "a b", "%41", token.upper(), token + "=", token + "\n", " " + token]

    for altered in [*odd, *(token[:end] for end in range(len(token)))]:
        assert "not one of ours" in refused(tokens(), altered)
    for more in (".", ")", "A", "AA", "AAAA", "====", "A" * 600, "A" * 1_000_000):
        assert "not one of ours" in refused(tokens(), token + more)


def test_the_same_bytes_have_one_token_only() -> None:
    token = tokens().sign(replace(GRANT, contact="an", delivery="000012-an-0"))
    whole = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    spare = {1: 15, 2: 3}[len(whole) % 3]  # values of the last character's unused bits
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

    for step in range(1, spare + 1):
        twin = token[:-1] + letters[letters.index(token[-1]) + step]
        assert base64.urlsafe_b64decode(twin + "=" * (-len(twin) % 4)) == whole
        refused(tokens(), twin)


def test_a_number_that_is_written_longer_than_it_is_is_not_ours() -> None:
    payload = base64.urlsafe_b64decode(tokens().sign(GRANT) + "=")[:-17]
    padded = payload[:9] + bytes([payload[9] | 128, 0]) + payload[10:]

    for forged in (
        padded,
        payload[:9] + b"\x80" * 400,
        payload[:9] + b"\xff" * 9 + b"\x01",
        payload[:9],
        b"",
    ):
        text = base64.urlsafe_b64encode(forged + bytes(16) + b"\x01").rstrip(b"=").decode()
        refused(tokens(), text)


@given(
    st.text(max_size=700) | st.binary(max_size=450).map(lambda some: base64.urlsafe_b64encode(some).decode())
)
def test_nothing_that_is_made_up_is_ours(text: str) -> None:
    refused(tokens(), text)


def test_another_secret_and_another_purpose_give_other_tokens() -> None:
    root = "root of all keys"
    signature = KeyedLinks(Rotating(root), "people-key").sign(tokens(root).sign(GRANT))

    refused(tokens("another"), tokens(root).sign(GRANT))
    refused(tokens(root), signature)


def test_a_token_signed_before_a_rotation_holds_as_long_as_the_key_before_is_accepted() -> None:
    before = tokens("old").sign(GRANT)

    assert tokens("new", "old").read(before, NOON) == GRANT
    assert tokens("new", "old").sign(GRANT) != before
    refused(tokens("newer", "new"), before)


def test_a_token_signed_elsewhere_with_a_key_newer_than_ours_is_read_all_the_same() -> None:
    secrets = Rotating("old")
    reader, token = KeyedAnswerTokens(secrets, "people-key"), tokens("new").sign(GRANT)
    secrets.vault = ["new", "old"]

    assert reader.read(token, NOON) == GRANT
    assert reader.read(tokens("old").sign(GRANT), NOON) == GRANT


def test_forged_tokens_do_not_become_calls_of_the_vault() -> None:
    secrets = Rotating("root")
    reader, forged = KeyedAnswerTokens(secrets, "people-key"), tokens("other").sign(GRANT)

    def tried(at: timedelta) -> int:
        with pytest.raises(Unauthenticated):
            reader.read(forged, NOON + at)
        return secrets.rechecked

    assert [tried(timedelta(0)) for _ in range(50)] == [1] * 50
    assert tried(ASK_AGAIN_AFTER - TICK) == 1
    assert tried(ASK_AGAIN_AFTER) == 2


def test_a_missing_secret_is_named_and_nobody_is_told_that_the_link_is_wrong() -> None:
    reader = KeyedAnswerTokens(Rotating(), "people-key")

    with pytest.raises(SecretUnavailable, match="people-key"):
        reader.sign(GRANT)
    with pytest.raises(SecretUnavailable, match="people-key"):
        reader.read(tokens().sign(GRANT), NOON)


def test_no_error_shows_the_token() -> None:
    token = tokens("other").sign(GRANT)

    assert token not in refused(tokens(), token)
