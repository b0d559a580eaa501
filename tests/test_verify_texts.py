"""The texts and names beside a bundle: made on request, held against the hashes, missing where erased."""

from __future__ import annotations

import json
import random
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from shared.domain.errors import NotFound, SecretUnavailable, TocsinError
from shared.domain.personal import SOMEBODY
from shared.domain.timeline import Text
from shared.kpi import verify
from shared.kpi.shelf import revision
from shared.workflows.collect_texts import collect
from tests.signed_bundles import INCIDENTS, WORDS, Kept, Outcome, received, run, signed

Lines = list[dict[str, Any]]


def texts_in(folder: Path, kept: Kept) -> Path:
    exports, where, _ = signed()
    path = folder / "texts.zip"
    path.write_bytes(b"".join(collect(where, exports, kept, kept)))
    return path


def members(path: Path) -> dict[str, Lines]:
    with zipfile.ZipFile(path) as given:
        return {name: [json.loads(line) for line in given.open(name)] for name in given.namelist()}


def rewritten(path: Path, change: Callable[[Lines, Lines], object]) -> Path:
    """The same zip after ``change`` to its texts and people."""
    found = members(path)
    change(found["texts.jsonl"], found["people.jsonl"])
    with zipfile.ZipFile(path, "w") as made:
        for name, lines in found.items():
            made.writestr(name, "".join(json.dumps(line) + "\n" for line in lines))
    return path


def check(tmp_path: Path, kept: Kept | None = None, *more: object) -> Outcome:
    return run(received(tmp_path), "--texts", texts_in(tmp_path, kept or Kept()), *more)


def test_the_texts_that_events_name_are_collected_in_their_order(tmp_path: Path) -> None:
    kept = Kept()
    kept.words[INCIDENTS[0], 2] = Text("no event names this", "5a20")
    kept.names["stranger"] = "Nobody here"
    found = members(texts_in(tmp_path, kept))

    assert list(found) == ["texts.jsonl", "people.jsonl"]
    assert [(one["subject"], one["seq"]) for one in found["texts.jsonl"]] == sorted(WORDS)
    assert found["people.jsonl"] == [{"person": one, "name": kept.names[one]} for one in ("anna", "bo")]


def test_made_twice_it_is_the_same_and_nothing_is_packed(tmp_path: Path) -> None:
    one, other = (texts_in(tmp_path, Kept()).read_bytes() for _ in range(2))
    assert one == other
    with zipfile.ZipFile(tmp_path / "texts.zip") as given:
        assert {each.compress_type for each in given.infolist()} == {zipfile.ZIP_STORED}
        assert given.testzip() is None


def test_every_text_holds_against_its_event(tmp_path: Path) -> None:
    outcome = check(tmp_path)

    assert outcome.code == 0, outcome.said
    assert "ok    texts: each is the one whose hash stands in its event" in outcome.said
    assert "texts: 3 texts of 3 given; erased or not included: 0" in outcome.notes
    assert any(
        "2 names of 2 people given; erased or not included: 0. No hash covers" in one for one in outcome.notes
    )


def test_what_was_erased_is_missing_and_nothing_is_broken(tmp_path: Path) -> None:
    kept = Kept()
    del kept.words[INCIDENTS[0], 3]
    kept.names = {"anna": SOMEBODY}
    outcome = check(tmp_path, kept)

    assert outcome.code == 0, outcome.said
    assert "texts: 2 texts of 3 given; erased or not included: 1" in outcome.notes
    assert any("0 names of 2 people given; erased or not included: 2" in one for one in outcome.notes)


def forged(texts: Lines, _people: Lines) -> None:
    texts[0]["text"] += " "


def salted(texts: Lines, _people: Lines) -> None:
    texts[1].update(salt="00")


def swapped(texts: Lines, _people: Lines) -> None:
    texts[0].update(seq=4)


def invented(texts: Lines, _people: Lines) -> None:
    texts.append({"subject": INCIDENTS[3], "seq": 1, "salt": "", "text": "never said"})


def twice(texts: Lines, _people: Lines) -> None:
    texts.append(texts[0])


def another_form(texts: Lines, _people: Lines) -> None:
    texts[2].update(seq=True)


def stranger(_texts: Lines, people: Lines) -> None:
    people.append({"person": "zoe", "name": "Zoe"})


def two_names(_texts: Lines, people: Lines) -> None:
    people.append({"person": "bo", "name": "Another"})


@pytest.mark.parametrize(
    ("change", "place", "why"),
    [
        (forged, "texts.jsonl line 1", "not the one whose text_sha256"),
        (salted, "texts.jsonl line 2", "not the one whose text_sha256"),
        (swapped, "texts.jsonl line 1", "not the one whose text_sha256"),
        (invented, "texts.jsonl line 4", "names no text"),
        (twice, "texts.jsonl line 4", "has its text twice"),
        (another_form, "texts.jsonl line 3", "not an object of subject, seq, salt and text"),
        (stranger, "people.jsonl line 3", "no event names 'zoe'"),
        (two_names, "people.jsonl line 3", "named twice"),
    ],
)
def test_what_does_not_belong_is_found_by_its_line(
    tmp_path: Path, change: Callable[[Lines, Lines], object], place: str, why: str
) -> None:
    outcome = run(received(tmp_path), "--texts", rewritten(texts_in(tmp_path, Kept()), change))

    assert outcome.code == 1
    assert outcome.failures[0].startswith(place)
    assert why in outcome.failures[0]


def test_texts_and_names_are_shown_with_a_sample_and_made_harmless(tmp_path: Path) -> None:
    said = check(tmp_path, None, "--sample", 7).said

    assert "text: The disk was full — again.�Moved the logs." in said
    assert "text: �[2J=HYPERLINK(1) �evil�" in said
    assert "by person:bo (Bo�[31m)" in said
    assert "\x1b" not in said
    assert "\u202e" not in said
    kept = Kept()
    kept.words.clear()
    kept.names.clear()
    assert check(tmp_path, kept, "--sample", 7).said.count("text: erased or not included") == 3
    assert "by person:bo (no name given)" in check(tmp_path, kept, "--sample", 7).said


@pytest.mark.parametrize("content", [b"", b"PK", b"no zip at all"])
def test_what_is_no_zip_cannot_be_read(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "texts.zip").write_bytes(content)
    assert run(received(tmp_path), "--texts", tmp_path / "texts.zip").code == 2
    assert run(received(tmp_path), "--texts", tmp_path / "none.zip").code == 2


def test_a_zip_that_packs_its_members_or_has_others_is_refused(tmp_path: Path) -> None:
    for names, kind in ((("texts.jsonl", "people.jsonl"), zipfile.ZIP_DEFLATED), (("people.jsonl",), 0)):
        with zipfile.ZipFile(tmp_path / "texts.zip", "w", kind) as made:
            for name in names:
                made.writestr(name, "{}\n" * 1000)
        assert run(received(tmp_path), "--texts", tmp_path / "texts.zip").code == 2


def test_a_zip_that_was_damaged_cannot_be_read(tmp_path: Path) -> None:
    path = texts_in(tmp_path, Kept())
    raw = bytearray(path.read_bytes())
    raw[60] ^= 1
    path.write_bytes(raw)
    assert run(received(tmp_path), "--texts", path).code == 2


def test_whatever_byte_of_it_is_changed_the_verifier_answers(tmp_path: Path) -> None:
    whole, path = verify.Bundle(received(tmp_path)), texts_in(tmp_path, Kept())
    raw, draw = path.read_bytes(), random.Random(7)  # noqa: S311  (a test's own dice)
    for _ in range(300):
        at = draw.randrange(len(raw))
        path.write_bytes(raw[:at] + bytes([raw[at] ^ 1 << draw.randrange(8)]) + raw[at + 1 :])
        report = verify.Report(silent=True)
        with suppress(verify.Unreadable):
            verify.look_closer(whole, verify.Asked(texts=path), report)
            held = any("3 texts of 3 given" in text for _, text in report.said)
            assert report.failures or held, at


def test_a_text_that_is_damaged_is_left_out_and_one_that_waits_is_not(tmp_path: Path) -> None:
    class Damaged(Kept):
        fault: TocsinError = TocsinError("damaged")

        def whole_texts(self, incident_id: str) -> Any:  # noqa: ANN401
            if incident_id == INCIDENTS[0]:
                raise self.fault
            return super().whole_texts(incident_id)

    outcome = check(tmp_path, Damaged())
    assert "texts: 1 texts of 3 given; erased or not included: 2" in outcome.notes
    waiting = Damaged()
    waiting.fault = SecretUnavailable("the vault did not answer")
    with pytest.raises(SecretUnavailable):
        texts_in(tmp_path, waiting)


def test_without_the_bundle_there_are_no_texts() -> None:
    with pytest.raises(NotFound):
        next(collect(revision("acme", "2026-W01", 1), signed()[0], Kept(), Kept()))
