"""The environment of other programs, without the caller's settings that are not meant for them."""

import os

TORCHSERVE = ("TS_CONFIG_FILE", "LOG_LOCATION", "METRICS_LOCATION", "_JAVA_OPTIONS")
"""These override the files and folders that `videovisual serve` names."""

PIP = (
    *("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX", "PIP_TRUSTED_HOST"),
    *("PIP_PROXY", "PIP_CERT", "PIP_CLIENT_CERT", "PIP_KEYRING_PROVIDER", "PIP_CONFIG_FILE"),
    *("PIP_TIMEOUT", "PIP_DEFAULT_TIMEOUT", "PIP_RETRIES", "PIP_CACHE_DIR", "PIP_NO_CACHE_DIR"),
)
"""What says how pip reaches its index; others, such as PIP_CONSTRAINT, change what it does."""


def for_torchserve(**added: str) -> dict[str, str]:
    """The environment of TorchServe and its workers."""
    return {name: value for name, value in os.environ.items() if name not in TORCHSERVE} | added


def for_pip() -> dict[str, str]:
    """The environment of `pip download`."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("PIP_") or name in PIP
    }
