"""How an address is reached: loopback directly, the rest as the environment says."""

import ipaddress
import os
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypedDict

import httpx

from videovisual.errors import NetworkSettingsError

VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")


class ClientOptions(TypedDict, total=False):
    """Arguments of `httpx.Client` and `httpx.AsyncClient`."""

    trust_env: bool
    verify: ssl.SSLContext


def is_loopback(host: str) -> bool:
    """Whether a host's name or address is this machine's own, in any spelling."""
    name = host.strip("[]").partition("%")[0].rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        try:
            # 127.1 and 2130706433 connect to the same machine.
            address = ipaddress.ip_address(socket.inet_aton(name))
        except (OSError, ValueError):
            return False
    plain = getattr(address, "ipv4_mapped", None) or address
    return bool(plain.is_loopback or plain.is_unspecified)


def client_options(url: httpx.URL) -> ClientOptions:
    """The arguments of an httpx client for an address. Create the client in `network_settings`.

    Loopback uses no proxy, so that no key reaches one.
    """
    if not is_loopback(url.host):
        return {}
    certificates = os.environ.get("SSL_CERT_FILE")
    if url.scheme != "https" or not certificates:
        return {"trust_env": False}
    return {"trust_env": False, "verify": ssl.create_default_context(cafile=certificates)}


@contextmanager
def network_settings() -> Iterator[None]:
    """Put around the creation of an httpx client, which reads the environment.

    Raises:
        NetworkSettingsError: a variable about proxies or certificates can't be used.
    """
    try:
        yield
    except (ValueError, ImportError, OSError, httpx.InvalidURL) as error:
        # Values stay out of the message: a proxy's address may hold a password.
        names = [name for each in VARIABLES for name in (each, each.lower()) if name in os.environ]
        raise NetworkSettingsError(
            f"The environment's network settings can't be used: {error}. Correct or unset "
            f"{' or '.join(names) or 'the proxy of the operating system'}.",
            variables=names,
        ) from None
