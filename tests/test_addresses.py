"""Whose host an address names: judged as those read it who connect to it, or refused."""

from __future__ import annotations

import pytest
import requests
from urllib3.util import parse_url

from shared.adapters.channels.acs_clients import resource
from shared.adapters.channels.http_post import address
from shared.domain.errors import DeliveryFailed

READ_AS_TWO_HOSTS = [
    r"http://evil.example\@127.0.0.1/x",
    r"http://evil.example\127.0.0.1/",
    r"http:\\127.0.0.1",
    "http://evil.example\t@127.0.0.1/",
    "http://127.0.0.1:80@evil.example/",
    "http://evil.example%09@localhost",
    "http://evil.example%2f@localhost/",
    "http://127.0.0.1%2eevil.example/",
    "http://[::1%25evil.example]/",
    "http://\u24dbocalhost/",
    "http://127\u30020\u30020\u30021/",
    "http://loc\nalhost/",
    "http://localhost\x00.evil.example/",
    "http://localhost\xa0.evil.example/",
]
MORE = [
    "https://ada:tell-tale@example.com/",
    "https://ada@example.com/",
    "https://@example.com/",
    "https://example.com/a b",
    "https://example.com/\x7f",
    "https://example.com/\x85x",
    r"https://example.com/a\b",
    "https://example.com\\@evil.example/",
]


@pytest.mark.parametrize("url", [*READ_AS_TWO_HOSTS, *MORE])
def test_an_address_that_may_be_read_in_two_ways_is_refused(url: str) -> None:
    with pytest.raises(DeliveryFailed) as caught:
        address(url, "the url")
    assert caught.value.permanent
    assert "tell-tale" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["http://127.1/", "http://2130706433/", "http://0.0.0.0/", "http://localhost./", "http://10.0.0.1/"],
)
def test_what_is_perhaps_this_machine_is_not_taken_for_it(url: str) -> None:
    with pytest.raises(DeliveryFailed, match="only https leaves this machine"):
        address(url, "the url")


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/services/T0/B0?sig=a%20b#c",
        "https://EXAMPLE.com:8443/A",
        "https://b\xfccher.example/x",
        "https://a_b.example/@here?to=a@example.com",
        "http://localhost:7071/api",
        "http://LOCALHOST/",
        "http://127.0.0.1:8080/",
        "http://[::1]:80/",
        " https://example.com/x\n",
    ],
)
def test_what_is_taken_is_what_is_connected_to(url: str) -> None:
    taken = address(url, "the url").url
    sent = requests.Request("POST", taken).prepare().url
    assert parse_url(sent or "").host == parse_url(url.strip()).host
    assert taken == url.strip()


@pytest.mark.parametrize("endpoint", [*READ_AS_TWO_HOSTS, "https://ada@acme.communication.azure.com/"])
def test_an_endpoint_that_may_be_read_in_two_ways_is_refused(endpoint: str) -> None:
    with pytest.raises(DeliveryFailed) as caught:
        resource(f"endpoint={endpoint};accesskey=dGVsbC10YWxl", 'secret "acs"')
    assert caught.value.permanent
    assert "evil" not in str(caught.value)
