"""What is no plan is refused with everything that is wrong in it, by file, line and field."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.adapters.plan_files import load
from shared.domain.errors import InvalidPlan
from tests.acme import ACME, PLANS, SIGNING, changed, faults_of


def cases() -> list[tuple[str, str, list[str]]]:
    blocks = (PLANS / "faults.txt").read_text(encoding="utf-8").strip().split("\n\n")[1:]
    lines = [[line[2:].replace("\\n", "\n") for line in block.splitlines()] for block in blocks]
    return [(old, new.replace("{nothing}", ""), faults) for old, new, *faults in lines]


@pytest.mark.parametrize(("old", "new", "faults"), cases())
def test_what_is_wrong_is_named_by_line_and_field(
    tmp_path: Path, old: str, new: str, faults: list[str]
) -> None:
    assert faults_of(tmp_path, changed(old, new)) == faults


@pytest.mark.parametrize(
    "written",
    [
        "secret: https://hooks.slack.com/services/T0/B0/x",
        "secret: 0123456789abcdef0123456789abcdef",
        "secret: a123456789abcdef0123456789abcdef",
        "secret: xoxb-1-2-3",
        "secret: b0a1c2d3-0000-4000-8000-0123456789ab",
        "secret: acme-room, url: https://acme.webhook.office.com/webhookb2/1",
        "secret: acme-room, url: 'https://prod-1.westeurope.logic.azure.com/workflows/1?sp=x&sig=abc'",
        "secret: acme-room, url: 'https://me:hunter2@acme.example/'",
    ],
)
def test_a_secret_written_out_is_refused_and_never_repeated(tmp_path: Path, written: str) -> None:
    found = faults_of(tmp_path, changed("secret: acme-room", written))
    assert len(found) == 1
    assert "name it, never write it" in found[0]
    assert written.rsplit(": ", maxsplit=1)[-1].strip("'") not in found[0]


def test_the_name_of_a_secret_is_checked_among_the_options_too(tmp_path: Path) -> None:
    found = faults_of(tmp_path, changed("url_secret: acme-hook", "url_secret: acme.hook"))
    assert found == [
        "37: channels.hidden.options.url_secret: must be the name of a secret: name it, never write it"
    ]


def test_every_fault_of_every_file_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text("plan: broken\nsteps: a: b", encoding="utf-8")
    (tmp_path / "empty.yml").write_text("", encoding="utf-8")
    (tmp_path / "second.yaml").write_text("plan: first\nservces: {}\n", encoding="utf-8")
    text = changed("respond_within: 15m", "respond_within: soon").replace("[anna, boss]", "[anna, bos]")
    found = faults_of(tmp_path, text.replace("kind: slack,", "kind: slack, room: a,"))
    files = [fault.removeprefix(f"{tmp_path.as_posix()}/") for fault in found]
    assert files[:3] == [
        "12: severities.high.respond_within: must be a duration such as 90s, 15m, 4h, 7d or 1h30m",
        "16: severities.high.steps[1].notify[1]: there is no contact 'bos'; did you mean 'boss'?",
        "34: channels.room.room: is no key of the language here; known: kind, url, secret, options, fallback",
    ]
    assert files[3].startswith("broken.yaml:2: is not YAML: ")
    assert files[4] == "empty.yml:1: is empty"
    assert files[5:8] == [
        "second.yaml:1: plan: must be 'second', the name of its file",
        "second.yaml:1: timezone: is missing",
        "second.yaml:1: services: is missing",
    ]
    assert files[-1] == "second.yaml:2: servces: is no key of the language here; did you mean 'services'?"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"plan: \xff", "1: is not UTF-8"),
        (b"a: \x07", "is not YAML"),
        (b"a: *nobody", "1: a: no anchor named 'nobody' stands before this"),
        (b"a: &a [*a]", "1: a[0]: the anchor 'a' contains itself"),
        (b"--- {}\n--- {}", "2: is more than one document"),
        (b"[a]: 1", "1: a key must be a plain text"),
        (b"#" * (256 * 1024 + 1), "at most 262144 are read"),
        (b"a: " + b"[" * 100_000, "is nested more than 24 deep"),
        (b"- text", "1: must be a mapping"),
        (b"{}", "plan: is missing"),
    ],
)
def test_a_file_that_is_no_plan_at_all_is_refused(tmp_path: Path, content: bytes, why: str) -> None:
    (tmp_path / "odd.yaml").write_bytes(content)
    with pytest.raises(InvalidPlan, match=r"odd\.yaml:1|odd\.yaml:2") as refused:
        load(tmp_path)
    assert any(why in str(fault) for fault in refused.value.faults)


def test_a_billion_laughs_are_stopped_early(tmp_path: Path) -> None:
    lines = ["l0: &l0 [ha, ha, ha, ha, ha, ha, ha, ha, ha, ha]"]
    lines += [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 12)]
    (tmp_path / "bomb.yaml").write_text("\n".join(lines), encoding="utf-8")
    began = time.perf_counter()
    with pytest.raises(InvalidPlan, match="more than 20000 values, counting every use of an alias"):
        load(tmp_path)
    assert time.perf_counter() - began < 1


def test_a_folder_without_plans_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidPlan, match="holds no plan"):
        load(tmp_path)
    with pytest.raises(InvalidPlan, match="is no folder"):
        load(tmp_path / "nowhere")


def test_one_plan_in_two_files_is_refused(tmp_path: Path) -> None:
    for ending in ("yaml", "yml"):
        (tmp_path / f"acme.{ending}").write_text(ACME, encoding="utf-8")
    with pytest.raises(InvalidPlan, match=r"has acme\.yaml and acme\.yml"):
        load(tmp_path)


@settings(deadline=None)
@given(
    st.integers(0, len(ACME) - 1), st.sampled_from([*":-{}[]&*!'\"\n#,é", "", "a: ", "\t", "null", "\x00"])
)
def test_a_damaged_file_is_read_or_refused_but_never_breaks(
    tmp_path_factory: pytest.TempPathFactory, at: int, put: str
) -> None:
    folder = tmp_path_factory.getbasetemp() / "damaged"
    folder.mkdir(exist_ok=True)
    (folder / "acme.yaml").write_text(ACME[:at] + put + ACME[at + 1 :], encoding="utf-8")
    assert outcome(folder).startswith(("acme", f"plans: {folder.as_posix()}/acme.yaml:"))


def outcome(folder: Path) -> str:
    try:
        return load(folder, SIGNING)[0].name
    except InvalidPlan as refused:
        return str(refused)
