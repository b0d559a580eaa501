"""How a bundle comes to its auditor: in parts, by a link, after a while, and each reading on record."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.host_process import EACH_SECOND, Tocsin, eventually, problem, running
from tests.test_http_exports import ADMIN, AUDITOR, EXPORTS, PLAN, week

READER = "rea:Reader"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tocsin]:
    plans = {"acme": PLAN, "hidden": PLAN.replace("plan: acme", "plan: hidden\nvisible_to: [nobody]")}
    folder = tmp_path_factory.mktemp("delivery")
    with running(folder, plans, ESCALATION_SCHEDULE=EACH_SECOND) as host:
        assert host.call("POST", f"{EXPORTS}/{week(1)}", who=ADMIN).status == 201
        yield host


def events_of(host: Tocsin, type: str) -> list[dict[str, Any]]:
    """What the journal of this week has of a type, as the export of it tells."""
    made = host.call("POST", f"{EXPORTS}/{week()}", who=ADMIN).json()
    lines = host.get(made["files"]["timeline.jsonl"], AUDITOR).body.splitlines()
    return [event for event in map(json.loads, lines) if event["type"] == type]


def finished(host: Tocsin, path: str) -> dict[str, Any] | None:
    """The word that a compilation is done, once it is."""
    found: dict[str, Any] = host.get(path, AUDITOR).json()
    return found if found["state"] == "done" else None


def linked(host: Tocsin, **body: object) -> dict[str, Any]:
    answer = host.call("POST", f"{EXPORTS}/{week(1)}/links", body, who=ADMIN)
    assert answer.status == 201, answer
    made: dict[str, Any] = answer.json()
    return made | {"path": "/e/" + made["url"].rsplit("/e/", 1)[1]}


def test_parts_make_the_whole_and_the_etag_says_that_it_is_the_same(host: Tocsin) -> None:
    path = f"{EXPORTS}/{week(1)}/bundle.zip"
    whole = host.get(path, AUDITOR)
    etag, size, half = whole.headers["etag"], len(whole.body), len(whole.body) // 2
    assert whole.headers["accept-ranges"] == "bytes"

    first = host.call("GET", path, who=AUDITOR, headers={"Range": f"bytes=0-{half - 1}"})
    rest = host.call("GET", path, who=AUDITOR, headers={"Range": f"bytes={half}-", "If-Range": etag})
    assert (first.status, rest.status) == (206, 206)
    assert first.headers["content-range"] == f"bytes 0-{half - 1}/{size}"
    assert rest.headers["content-range"] == f"bytes {half}-{size - 1}/{size}"
    assert first.body + rest.body == whole.body

    known = host.call("GET", path, who=AUDITOR, headers={"If-None-Match": etag})
    assert (known.status, known.body, known.headers["etag"]) == (304, b"", etag)
    changed = host.call("GET", path, who=AUDITOR, headers={"Range": "bytes=0-9", "If-Range": '"other"'})
    assert (changed.status, changed.body) == (200, whole.body)
    last = host.call("GET", path, who=AUDITOR, headers={"Range": "bytes=-1"})
    assert (last.status, last.body) == (206, whole.body[-1:])


def test_a_part_behind_the_end_is_refused_with_the_size(host: Tocsin) -> None:
    path = f"{EXPORTS}/{week(1)}/manifest.sha256"
    size = len(host.get(path, AUDITOR).body)
    answer = host.call("GET", path, who=AUDITOR, headers={"Range": f"bytes={size}-"})
    assert answer.status == 416
    assert answer.headers["content-range"] == f"bytes */{size}"
    assert problem(answer, 416)["status"] == 416


def test_every_file_has_an_etag_of_its_own(host: Tocsin) -> None:
    files = host.get(f"{EXPORTS}/{week(1)}", AUDITOR).json()["files"]
    etags = [
        host.get(address, AUDITOR).headers["etag"] for name, address in files.items() if name != "texts.zip"
    ]
    assert len(set(etags)) == len(etags) >= 20


def test_an_auditor_without_an_account_reads_the_bundle_by_its_link(host: Tocsin) -> None:
    made = linked(host, hours=2)
    expires = datetime.fromisoformat(made["expires"])
    assert timedelta(hours=1, minutes=59) < expires - datetime.now(UTC) <= timedelta(hours=2)

    page = host.call("GET", made["path"], headers={"Accept": "text/html"})
    assert page.status == 200
    assert "default-src 'none'" in page.headers["content-security-policy"]
    files = host.call("GET", made["path"], headers={"Accept": "application/json"}).json()["files"]
    assert "texts.zip" not in files
    for name, address in files.items():
        fetched = host.get(address)
        signed_in = host.get(f"{EXPORTS}/{week(1)}/{name}", AUDITOR)
        assert (fetched.status, fetched.body) == (200, signed_in.body), name
        assert f"{name}</a>".encode() in page.body, name
    for sha256 in re.findall(rb"<code>([0-9a-f]{64})</code>", page.body):
        assert sha256 in host.get(files["manifest.sha256"]).body

    part = host.call("GET", files["bundle.zip"], headers={"Range": "bytes=0-3"})
    assert (part.status, part.body) == (206, b"PK\x03\x04")


def test_the_texts_are_not_behind_the_link(host: Tocsin) -> None:
    assert host.get(linked(host)["path"] + "/texts.zip").status == 404


def test_the_texts_are_for_auditors_with_an_account_and_as_they_are_now(host: Tocsin) -> None:
    incident = host.opened("Broken", service="api")
    note = {"kind": "note", "text": "the disk was full"}
    assert host.call("POST", f"/api/v1/incidents/{incident}/note", note, who="res:Responder").status == 200
    made = host.call("POST", f"{EXPORTS}/{week()}", who=ADMIN).json()
    answer = host.get(made["files"]["texts.zip"], AUDITOR)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/zip")
    with zipfile.ZipFile(io.BytesIO(answer.body)) as texts:
        said = [json.loads(line) for line in texts.read("texts.jsonl").splitlines()]
        people = [json.loads(line) for line in texts.read("people.jsonl").splitlines()]
    assert [one["text"] for one in said] == ["the disk was full"]
    assert "res" in {one["name"] for one in people}


@pytest.mark.parametrize("trick", ["..%2fmanifest.json", "%2e%2e", "nothing.csv", "r1%2fmanifest.json"])
def test_no_name_leads_out_of_the_linked_bundle(host: Tocsin, trick: str) -> None:
    assert host.get(f"{linked(host)['path']}/{trick}").status == 404


def test_a_forged_or_altered_link_opens_nothing(host: Tocsin) -> None:
    path = linked(host)["path"]
    payload, _, signature = path.removeprefix("/e/").partition(".")
    parts = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    later = json.dumps([*parts[:-1], parts[-1] + 10**6], separators=(",", ":")).encode()
    forged = base64.urlsafe_b64encode(later).decode().rstrip("=")
    wrong = signature[:-1] + ("0" if signature[-1] != "0" else "1")
    for token in (f"{forged}.{signature}", f"{payload}.{wrong}", payload, f"{payload}.", "x", "A" * 5_000):
        for below in ("", "/bundle.zip"):
            assert host.get(f"/e/{token}{below}").status == 401, token


@pytest.mark.parametrize(
    "body", [{"hours": 0}, {"hours": 2161}, {"hours": "2"}, {"days": 1}, {"revision": "../r1"}]
)
def test_a_link_that_lasts_no_time_or_too_long_is_refused(host: Tocsin, body: object) -> None:
    assert host.call("POST", f"{EXPORTS}/{week(1)}/links", body, who=ADMIN).status == 400


@pytest.mark.parametrize("who", [None, READER, AUDITOR])
def test_only_an_admin_makes_links(host: Tocsin, who: str | None) -> None:
    answer = host.call("POST", f"{EXPORTS}/{week(1)}/links", {}, who=who)
    assert answer.status == (403 if who else 401)


def test_whoever_reads_is_on_record_with_what_was_read(host: Tocsin) -> None:
    made = linked(host)
    host.call("GET", f"{made['path']}/kpi.json", headers={"Range": "bytes=0-9"})
    host.get(f"{EXPORTS}/{week(1)}/incidents.csv?revision=r1", AUDITOR)

    read = [event["data"] for event in events_of(host, "accessed")]
    by_link = [one for one in read if one["link"] == made["link"]]
    assert [(one["what"], one["file"], one["range"]) for one in by_link] == [
        ("export-file", "kpi.json", "0-9")
    ]
    wanted = {"what": "export-file", "week": week(1), "revision": "r1", "file": "incidents.csv"}
    assert wanted | {"incident": None, "link": None, "range": None} in read
    [of_link] = [event for event in events_of(host, "link-made") if event["data"]["link"] == made["link"]]
    assert of_link["actor"].startswith("person:")
    [compiled] = events_of(host, "export-compiled")
    manifest = host.get(f"{EXPORTS}/{week(1)}/manifest.json", AUDITOR).body
    assert compiled["data"]["manifest_sha256"] == hashlib.sha256(manifest).hexdigest()


def test_a_long_compilation_is_asked_for_and_followed(host: Tocsin) -> None:
    path = f"{EXPORTS}/{week(2)}"
    assert host.get(f"{path}/progress", AUDITOR).status == 404
    asked = host.call("POST", path, who=ADMIN, headers={"Prefer": "respond-async"})
    assert asked.status == 202
    assert asked.headers["location"] == asked.json()["progress"] == f"{path}/progress"

    done = eventually(lambda: finished(host, f"{path}/progress"))
    assert done["revision"] == "r1"
    assert done["done"] == done["of"]
    assert host.get(path, AUDITOR).status == 200
    assert (
        host.call("POST", f"{EXPORTS}/2020-W99", who=ADMIN, headers={"Prefer": "respond-async"}).status == 400
    )


def test_live_figures_are_those_of_the_definitions(host: Tocsin) -> None:
    path = "/api/v1/plans/acme/kpi?group=severity"
    before = host.get(path, AUDITOR).json()["kpis"]
    incident = host.opened("Slow", service="api")
    host.call("POST", f"/api/v1/incidents/{incident}/acknowledge", {}, who="res:Responder")

    after = host.get(path, AUDITOR).json()
    opened = [one["incidents_opened"]["value"] for one in (before, after["kpis"], after["groups"]["low"])]
    assert opened == [opened[0], opened[0] + 1, opened[0] + 1]
    answered = [one["time_to_acknowledge"]["denominator"] for one in (before, after["kpis"])]
    assert answered[1] == answered[0] + 1
    assert after["kpis"]["time_to_acknowledge"]["unit"] == "seconds"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("?from=2026-01-01T00:00:00Z&to=2026-01-01T00:00:00Z", 400),
        ("?from=2026-01-01T00:00:00Z&to=2026-04-03T00:00:00Z", 200),
        ("?from=2026-01-01T00:00:00Z&to=2026-04-03T00:00:01Z", 400),
        ("?from=2999-01-01T00:00:00Z", 400),
        ("?group=person", 400),
        ("?week=2026-W01", 400),
    ],
)
def test_live_figures_take_a_span_of_92_days_at_most(host: Tocsin, query: str, status: int) -> None:
    assert host.get(f"/api/v1/plans/acme/kpi{query}", AUDITOR).status == status


def test_live_figures_are_for_auditors_who_see_the_plan(host: Tocsin) -> None:
    assert host.get("/api/v1/plans/acme/kpi", READER).status == 403
    assert host.get("/api/v1/plans/hidden/kpi", AUDITOR).status == 404
    assert host.get("/api/v1/plans/acme/kpi").status == 401
