"""Which addresses are this machine's, and what the environment says of the others."""

from __future__ import annotations

import httpx
import pytest

from videovisual.errors import NetworkSettingsError
from videovisual.utils.network import client_options, is_loopback, network_settings


@pytest.mark.parametrize(
    "host",
    [
        *(
            "localhost",
            "LOCALHOST.",
            "a.localhost",
            "127.0.0.1",
            "127.9.9.9",
            "127.1",
            "0x7f000001",
        ),
        *("2130706433", "::1", "[::1]", "::ffff:127.0.0.1", "0.0.0.0", "::", "::1%lo"),
    ],
)
def test_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        "example.org",
        "10.0.0.1",
        "localhost.org",
        "127.0.0.1.org",
        "fe80::1%eth0",
        "",
        "::ffff:8.8.8.8",
    ],
)
def test_other_hosts(host: str) -> None:
    assert not is_loopback(host)


BROKEN = [
    {"HTTP_PROXY": "http://[::1"},
    {"ALL_PROXY": "socks://127.0.0.1:1"},
    {"all_proxy": "ftp://127.0.0.1:1"},
    {"HTTP_PROXY": "http://127.0.0.1:9", "NO_PROXY": "localhost,127.0.0.1,[::1]"},
    {"SSL_CERT_FILE": "/nowhere.pem"},
]


@pytest.mark.parametrize("variables", BROKEN)
def test_a_broken_setting_is_named_without_its_value(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(NetworkSettingsError) as broken, network_settings():
        httpx.Client(**client_options(httpx.URL("http://example.org")))
    assert set(variables) <= set(broken.value.detail["variables"])
    assert all(name in broken.value.message for name in variables)
    with network_settings():
        httpx.Client(**client_options(httpx.URL("http://127.0.0.1"))).close()


def test_loopback_with_tls_trusts_the_environments_certificates(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere.pem")
    with pytest.raises(NetworkSettingsError, match="SSL_CERT_FILE"), network_settings():
        client_options(httpx.URL("https://localhost"))
