"""Imports of transformers and torchvision, which not every installation has."""

import importlib
from types import ModuleType

from videovisual.errors import MissingExtra
from videovisual.utils.extras import install_command, needs


def imported(package: str, extra: str) -> ModuleType:
    """A package, imported with the torchvision that it may need.

    Raises:
        MissingExtra: it is not installed, or is there in a build for another torch.
    """
    try:
        with needs(extra):
            importlib.import_module("torchvision")
            return importlib.import_module(package)
    except (RuntimeError, OSError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise MissingExtra(
            f"The installed torchvision doesn't go with the installed torch: {reason}. Install "
            f"the builds of one index together: {install_command(extra)}.",
            extra=extra,
        ) from error
