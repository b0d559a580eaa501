"""Secrets that were handed out do not show up in the logs."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable

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
    ],
)
def test_query_values_that_are_keys_are_blacked_out(text: str, redacted: str) -> None:
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
