"""How the local host serves HTTP functions: routes, keys, principals, sign-in, answers."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.toy_host import Answer, Host, running, settings


@pytest.fixture(scope="module")
def host(storage: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """The host that these tests share."""
    with running(tmp_path_factory.mktemp("host"), settings(storage=storage)) as up:
        yield up
        assert up.stop() == 0


SHOW = "/toy/things/bell/7"


def test_a_function_is_handed_the_whole_call(host: Host) -> None:
    headers = {"X-Two-Words": "a b", "Content-Type": "text/plain; charset=utf-8"}
    answer = host.call(
        "POST", "/toy/things/b%C3%A9ll/-7/more?q=1&q=2&empty=&name=%26x", "näh".encode(), headers
    )
    seen = answer.json()
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-toy"] == "yes"
    assert "server" not in answer.headers
    assert seen["method"] == "POST"
    assert seen["url"].endswith(f":{host.port}/toy/things/b%C3%A9ll/-7/more?q=1&q=2&empty=&name=%26x")
    assert seen["route"] == {"name": "béll", "number": "-7", "detail": "more"}
    assert seen["query"] == {"q": "1,2", "name": "&x"}
    assert seen["body"] == "näh"
    assert seen["headers"]["x-two-words"] == "a b"
    assert seen["headers"]["content-type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/toy/words/all", "all"),
        ("/toy/words/other", "one other"),
        ("/toy/words/all/", "all"),
        ("/toy/files", "file -"),
        ("/toy/files/a/b/c.txt", "file a/b/c.txt"),
    ],
)
def test_a_literal_beats_a_parameter_and_the_rest_takes_what_is_left(
    host: Host, path: str, text: str
) -> None:
    answer = host.call("GET", path)
    assert (answer.status, answer.body.decode()) == (200, text)
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


def test_an_optional_parameter_may_be_missing_and_a_constraint_must_hold(host: Host) -> None:
    assert host.call("GET", SHOW).json()["route"] == {"name": "bell", "number": "7"}
    assert host.call("GET", "/toy/things/bell/seven").status == 404


def test_an_unknown_path_is_a_problem_of_its_own(host: Host) -> None:
    for path in ("/toy/nowhere", "/toy", "/", "/words/all"):
        answer = host.call("GET", path)
        assert answer.status == 404
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == 404
        assert path in answer.json()["detail"]


def test_a_wrong_method_is_told_the_right_ones(host: Host) -> None:
    answer = host.call("DELETE", SHOW)
    assert answer.status == 405
    assert answer.headers["allow"] == "GET, POST"
    assert host.call("HEAD", "/toy/words/all").status == 405


def test_a_function_key_opens_what_it_guards(host: Host) -> None:
    refused = host.call("POST", "/toy/key")
    assert refused.status == 401
    assert refused.headers["content-type"] == "application/problem+json"
    assert host.call("POST", "/toy/key?code=other").status == 401
    assert host.call("POST", "/toy/key?code=local").status == 204
    assert host.call("PUT", "/toy/key", headers={"X-Functions-Key": "local"}).status == 204


def principal(answer: Answer) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(base64.b64decode(answer.json()["headers"]["x-ms-client-principal"]))
    return found


def roles(answer: Answer) -> list[str]:
    claims = principal(answer)["claims"]
    return [claim["val"] for claim in claims if claim["typ"] == "roles"]


def test_a_principal_that_comes_from_outside_is_stripped(host: Host) -> None:
    forged = {
        "X-MS-CLIENT-PRINCIPAL": "e30=",
        "x-ms-client-principal-name": "eve",
        "X-MS-TOKEN-AAD-ID-TOKEN": "x",
    }
    seen = host.call("GET", SHOW, headers=forged).json()["headers"]
    assert not [name for name in seen if name.startswith("x-ms-")]
    ada = host.call("GET", SHOW, headers={**forged, "Authorization": "Bearer local:ada:Reader"})
    assert ada.json()["headers"]["x-ms-client-principal-name"] == "ada"


def test_a_local_token_becomes_the_principal_of_the_platform(host: Host) -> None:
    answer = host.call("GET", SHOW, headers={"Authorization": "Bearer local:Ada%20L:Responder+Auditor"})
    seen, found = answer.json()["headers"], principal(answer)
    assert roles(answer) == ["Responder", "Auditor"]
    assert found["auth_typ"] == "aad"
    assert {"typ": found["name_typ"], "val": "Ada L"} in found["claims"]
    assert seen["x-ms-client-principal-idp"] == "aad"
    object_id = "http://schemas.microsoft.com/identity/claims/objectidentifier"
    assert {"typ": object_id, "val": seen["x-ms-client-principal-id"]} in found["claims"]


def test_a_name_always_has_the_same_id(host: Host) -> None:
    def id_of(token: str) -> str:
        seen = host.call("GET", SHOW, headers={"Authorization": f"Bearer local:{token}"}).json()
        return str(seen["headers"]["x-ms-client-principal-id"])

    assert id_of("ada:Reader") == id_of("ada:Admin")
    assert id_of("ada:Reader") != id_of("bob:Reader")


def test_a_token_of_somebody_else_is_left_alone_and_a_broken_one_refused(host: Host) -> None:
    seen = host.call("GET", SHOW, headers={"Authorization": "Bearer of-a-source"}).json()["headers"]
    assert seen["authorization"] == "Bearer of-a-source"
    assert "x-ms-client-principal" not in seen
    for broken in ("local:ada", "local::Reader", "local:"):
        answer = host.call("GET", SHOW, headers={"Authorization": f"Bearer {broken}"})
        assert answer.status == 401
        assert "local:<name>:<Role>" in answer.json()["detail"]


def sign_in(host: Host, **fields: str | list[str]) -> Answer:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    return host.call("POST", "/.auth/login/aad", urlencode(fields, doseq=True).encode(), form)


def test_a_browser_signs_in_on_a_page_and_out_again(host: Host) -> None:
    page = host.call("GET", "/.auth/login/aad?post_login_redirect_uri=/incidents%3Fa%3D1%22")
    assert page.status == 200
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert 'value="/incidents?a=1&quot;"' in page.body.decode()
    answer = sign_in(
        host, name="Zoë", roles=["Commander", "Reader"], post_login_redirect_uri="/incidents?a=1"
    )
    assert (answer.status, answer.headers["location"]) == (303, "/incidents?a=1")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    seen = host.call("GET", SHOW, headers={"Cookie": f'odd="{{x"; {cookie.partition(";")[0]}'})
    assert roles(seen) == ["Commander", "Reader"]
    assert seen.json()["headers"]["x-ms-client-principal-name"] == "Zoë"
    out = host.call("GET", "/.auth/logout")
    assert (out.status, out.headers["location"]) == (303, "/")
    assert "Max-Age=0" in out.headers["set-cookie"]


def test_a_cookie_that_was_tampered_with_is_nobody(host: Host) -> None:
    name, _, value = (
        sign_in(host, name="ada", roles="Reader").headers["set-cookie"].partition(";")[0].partition("=")
    )
    text, _, signature = value.partition(".")
    claims = json.loads(base64.urlsafe_b64decode(text)) | {"roles": ["Admin"]}
    forged = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode()
    for bad in (f"{forged}.{signature}", text, "", f"{text}.{signature}0", "é.é"):
        seen = host.call("GET", SHOW, headers={"Cookie": f"{name}={bad}"}).json()["headers"]
        assert "x-ms-client-principal" not in seen


@pytest.mark.parametrize(
    "target", ["https://evil.example", "//evil.example", "/\\evil.example", "evil", "/\r\nX: y", "/a\\b", ""]
)
def test_signing_in_never_leads_elsewhere(host: Host, target: str) -> None:
    assert (
        sign_in(host, name="ada", roles="Reader", post_login_redirect_uri=target).headers["location"] == "/"
    )


def test_a_page_elsewhere_can_sign_nobody_in(host: Host) -> None:
    headers = {"Origin": "https://evil.example"}
    assert host.call("POST", "/.auth/login/aad", b"name=eve", headers).status == 403
    assert host.call("POST", "/.auth/login/aad", b"roles=Admin").status == 400


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("localhost", 200),
        ("localhost:7071", 200),
        ("127.0.0.1", 200),
        ("[::1]:7071", 200),
        ("evil.example", 421),
        ("evil.example:7071", 421),
        ("127.0.0.1.evil.example", 421),
        ("10.0.0.1", 421),
        ("", 421),
    ],
)
def test_only_loopback_names_are_answered(host: Host, name: str, status: int) -> None:
    assert host.call("GET", "/toy/words/all", headers={"Host": name}).status == status


def test_a_failing_function_answers_an_empty_500_and_leaves_its_traceback(host: Host) -> None:
    for path in ("/toy/fails", "/toy/nothing"):
        answer = host.call("GET", path)
        assert (answer.status, answer.body) == (500, b"")
    log = (host.data / "host.log").read_text()
    assert "LookupError: the toy is broken" in log
    assert "it returned NoneType" in log


def test_an_asynchronous_function_gets_its_context(host: Host) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    answer = host.call("GET", "/toy/soon", headers={"traceparent": trace})
    assert answer.json() == {"function": "answer_soon", "trace": trace}


def test_a_large_body_reaches_the_app_which_judges_it_itself(host: Host) -> None:
    size = 20 * 1024 * 1024
    assert host.call("POST", "/toy/size", b"x" * size).body == str(size).encode()
