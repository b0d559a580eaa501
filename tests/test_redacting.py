"""Secrets that were handed out do not show up in the logs."""

from __future__ import annotations

import io
import logging
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from timeit import timeit

import pytest

from shared.adapters.app_setting_secrets import AppSettingSecrets
from shared.adapters.redacting import BLACK, Redactor, RememberingSecrets
from shared.ports import Secrets


def logged(redactor: Redactor, write: Callable[[logging.Logger], None]) -> str:
    """What a handler with the filter writes when ``write`` logs."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(redactor)
    handler.setFormatter(logging.Formatter("%(message)s %(extra)s", defaults={"extra": ""}))
    logger = logging.getLogger("tests.redacting")
    logger.propagate = False
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        write(logger)
    finally:
        logger.removeHandler(handler)
    return stream.getvalue()


def a_redactor(**values: str) -> Redactor:
    """One that has seen these secrets being handed out."""
    redactor = Redactor()
    secrets: Secrets = RememberingSecrets(
        AppSettingSecrets({f"SECRET_{name.upper()}": value for name, value in values.items()}), redactor
    )
    for name in values:
        secrets.get(name)
        secrets.forget(name)
    return redactor


def test_a_secret_that_was_handed_out_is_blacked_out() -> None:
    text = logged(
        a_redactor(key="s3cret-value"), lambda log: log.warning("using %s for %d", "s3cret-value", 3)
    )
    assert text == f"using {BLACK} for 3 \n"


def test_the_longest_secret_is_blacked_out_whole() -> None:
    redactor = a_redactor(one="s3cret", two="s3cret-and-more")
    assert redactor.redact("s3cret-and-more s3cret") == f"{BLACK} {BLACK}"


def test_secrets_too_short_to_tell_from_words_are_left_alone() -> None:
    redactor = a_redactor(five="alarm", six="alarms")
    assert redactor.redact("alarm alarms") == f"alarm {BLACK}"


def test_a_secret_in_a_traceback_is_blacked_out_for_exporters_too() -> None:
    def fail(log: logging.Logger) -> None:
        try:
            int("https://hooks.example.com/services/T/B/tell-tale")
        except ValueError:
            log.exception("failed", stack_info=True, extra={"extra": "sig=abc"})

    redactor = a_redactor(hook="https://hooks.example.com/services/T/B/tell-tale")
    text = logged(redactor, fail)
    assert "tell-tale" not in text
    assert f"with base 10: '{BLACK}'" in text
    assert f"sig={BLACK}" in text


def test_the_path_of_a_secret_url_and_the_password_in_it_are_blacked_out() -> None:
    redactor = a_redactor(
        hook="https://hooks.example.com/services/T0/B0/abcdef?sp=%2Ftriggers",
        mail="smtp://me:p%40ssword@mail.example",
    )
    line = 'hooks.example.com:443 "POST /services/T0/B0/abcdef?sp=%2Ftriggers HTTP/1.1" 200'
    assert redactor.redact(line) == f'hooks.example.com:443 "POST {BLACK} HTTP/1.1" 200'
    assert redactor.redact("p%40ssword or p@ssword") == f"{BLACK} or {BLACK}"
    assert (
        redactor.redact("https%3A%2F%2Fhooks.example.com%2Fservices%2FT0%2FB0%2Fabcdef%3Fsp%3D%252Ftriggers")
        == BLACK
    )


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("POST /api/v1/x?code=abc/==&n=1 200", f"POST /api/v1/x?code={BLACK}&n=1 200"),
        ("https://a.example/w?sp=1&sig=a-b_c%3D", f"https://a.example/w?sp=1&sig={BLACK}"),
        ('{"url": "https://a.example?TOKEN=abc"}', f'{{"url": "https://a.example?TOKEN={BLACK}"}}'),
        ("?access_token=abc#x", f"?access_token={BLACK}"),
        ("status_code=200 tokens=3 design=blue", "status_code=200 tokens=3 design=blue"),
        ("code= and nothing", "code= and nothing"),
        (f"GET /a/{'aB3_-' * 8} 200", f"GET /a/{BLACK} 200"),
        (f"https://t.example/a/{'x' * 16}?a=1", f"https://t.example/a/{BLACK}?a=1"),
        (f"/a/{'x' * 15} /b/{'x' * 16}", f"/a/{'x' * 15} /b/{'x' * 16}"),
        (f"GET /e/{'aB3_-' * 8}.{'c' * 43} 200", f"GET /e/{BLACK} 200"),
        (f"https://t.example/e/{'x' * 16}/kpi.json", f"https://t.example/e/{BLACK}/kpi.json"),
        (f"/e/{'x' * 15} /f/{'x' * 16}", f"/e/{'x' * 15} /f/{'x' * 16}"),
        ("GET /oncall/api.ics?signature=aB3_-x 200", f"GET /oncall/api.ics?signature={BLACK} 200"),
        ("Authorization: Basic QUM6MTIz", f"Authorization: Basic {BLACK}"),
        ("'Authorization': 'Bearer ey1.ab2.c-_'", f"'Authorization': 'Bearer {BLACK}'"),
        ("GenieKey 11111111-2222-3333-4444-555555555555", f"GenieKey {BLACK}"),
        ("basic authentication failed, bearer of news", "basic authentication failed, bearer of news"),
        ("X-Twilio-Signature: RSOYDt4T1cUTdK1PDd93/VVr8B8=", f"X-Twilio-Signature: {BLACK}"),
        ("{'x-slack-signature': 'v0=a2114d57', 'a': 1}", f"{{'x-slack-signature': '{BLACK}', 'a': 1}}"),
        ("X-Hub-Signature-256=sha256=d57c68ca", f"X-Hub-Signature-256={BLACK}"),
        (
            "endpoint=https://a.example/;accesskey=QUJDREVGRw==",
            f"endpoint=https://a.example/;accesskey={BLACK}",
        ),
        ("token xoxb-1234567890-abcdefghij is bad", f"token {BLACK} is bad"),
        ("SharedAccessKey=abcdefgh12345678=;x", f"SharedAccessKey={BLACK};x"),
    ],
)
def test_what_has_the_shape_of_a_key_is_blacked_out_though_nobody_handed_it_out(
    text: str, redacted: str
) -> None:
    assert Redactor().redact(text) == redacted


def test_a_wrong_format_string_is_logged_as_well_as_it_can_be() -> None:
    record = logging.LogRecord("tests", logging.ERROR, __file__, 1, "%d of %s", ("s3cret-value",), None)
    assert a_redactor(key="s3cret-value").filter(record)
    assert record.getMessage() == f"%d of %s ('{BLACK}',)"


@pytest.mark.parametrize(("told", "kept"), [("s3cret-value", False), ("nothing secret", True)])
def test_an_exception_is_left_to_exporters_only_if_it_tells_nothing(told: str, kept: bool) -> None:
    try:
        int(told)
    except ValueError as error:
        fault = (ValueError, error, error.__traceback__)
    record = logging.LogRecord("tests", logging.ERROR, __file__, 1, "failed", (), fault)
    assert a_redactor(key="s3cret-value").filter(record)
    assert (record.exc_info == fault) is kept
    assert record.exc_text is not None
    assert (told in record.exc_text) is kept


@pytest.mark.parametrize("account", ["", "A", "AC", "AC00000000000000000000000000000001", "me@example.com"])
def test_a_token_is_blacked_out_in_basic_authentication_too(account: str) -> None:
    token = "0123456789abcdef0123456789abcdef"
    redactor = a_redactor(twilio=token)
    header = b64encode(f"{account}:{token}".encode()).decode()
    for text in (f"Basic {header}", header, f"{{'h': '{header}'}}", header.replace("=", "%3D")):
        left = redactor.redact(text)
        assert BLACK in left
        for start in range(len(header) - 8):
            if start * 6 // 8 > len(account) + 1:
                assert header[start : start + 8] not in left


def test_a_token_in_basic_authentication_for_urls_is_blacked_out() -> None:
    token = "??>>??>>??>>\u00ff"
    text = urlsafe_b64encode(f"me:{token}".encode()).decode()
    assert text[8:16] not in a_redactor(odd=token).redact(text)


@pytest.mark.parametrize(
    ("secret", "telling"),
    [
        ("endpoint=https://acme.communication.azure.com/;accesskey=QUJDREVGR0hJSktM", "QUJDREVGR0hJSktM"),
        ("Endpoint=sb://a.example;SharedAccessKeyName=root;SharedAccessKey=aGVsbG8=", "aGVsbG8="),
        ("Server=a;User=b;Password= hunter22 ;", "hunter22"),
        ("smtp://me:hunter22@mail.example:587", "hunter22"),
        ("https://hooks.slack.com/services/T000/B000/XXXXXXXXXXXXXXXXXXXXXXXX", "XXXXXXXXXXXXXXXXXXXXXXXX"),
        ("https://a.example/hook?key=0123456789abcdef0", "0123456789abcdef0"),
        ("tgram://123456789:AAbbCCddEEff/555", "AAbbCCddEEff"),
        ("tgram://123456789:AAbbCCddEEff/555", "123456789:AAbbCCddEEff"),
        ("discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js", "JHMHI8qBe7bk2ZwO5U711o3dV_js"),
        ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#ops", "TIiajkdnlazkcOXrIdevi7FQ"),
        ("mailto://me:hunter22@mail.example, json://u:swordfish@a.example", "hunter22"),
        ("mailto://me:hunter22@mail.example, json://u:swordfish@a.example", "swordfish"),
        ("pover://abcdefghijklmnop@tokentokentoken1", "tokentokentoken1"),
        ('with "quotes" and\nlines', 'with \\"quotes\\" and\\nlines'),
    ],
)
def test_the_telling_part_of_a_secret_is_blacked_out_alone(secret: str, telling: str) -> None:
    redactor = a_redactor(thing=secret)
    assert redactor.redact(f"x {telling} y") == f"x {BLACK} y"
    assert telling not in redactor.redact(f"failed with {secret!r}")


def test_the_host_of_an_ordinary_address_is_no_secret() -> None:
    redactor = a_redactor(hook="https://monitoring.example.com/services/abcdef-0123456789")
    assert redactor.redact("cannot reach monitoring.example.com") == "cannot reach monitoring.example.com"


@pytest.mark.parametrize("odd", ["http://[", ";;;===", "a;b=c", "://", "x" * 5000, "[redacted]"])
def test_odd_secrets_are_remembered_without_harm(odd: str) -> None:
    redactor = a_redactor(odd=odd)
    assert redactor.redact("nothing secret") == "nothing secret"
    assert len(odd) < 6 or odd == BLACK or odd not in redactor.redact(f"a {odd} b")


def test_bot_tokens_and_both_accepted_keys_are_blacked_out_in_logs() -> None:
    settings = {
        "SECRET_BOT": "xoxb-1-2-abc",
        "SECRET_HOOK": "new-key",
        "SECRET_HOOK__PREVIOUS": "old-key",
    }
    redactor = Redactor()
    secrets: Secrets = RememberingSecrets(AppSettingSecrets(settings), redactor)
    secrets.get("bot")
    secrets.accepted("hook")
    text = logged(redactor, lambda log: log.info("%s", {"bot": "xoxb-1-2-abc", "k": ["new-key", "old-key"]}))
    assert text == f"{{'bot': '{BLACK}', 'k': ['{BLACK}', '{BLACK}']}} \n"


def test_a_hundred_secrets_do_not_make_logging_slow() -> None:
    values = {
        f"s{n}": f"https://hooks.example.com/{n}/{'abcdefgh' * 3}{n}?sig={n}-{'x' * 20}" for n in range(100)
    }
    redactor = a_redactor(**values)
    line = "POST /api/v1/plans/acme/alerts/generic answered 202 in 12 ms " * 3
    took = timeit(lambda: redactor.redact(line), number=100) / 100
    assert took < 0.01
