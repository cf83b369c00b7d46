"""The device that a caller names."""

import torch

from videovisual.errors import InvalidParameter


def usable_device(name: torch.device | str) -> torch.device:
    """The device of a name such as `cpu`, `cuda` or `cuda:1`.

    Raises:
        InvalidParameter: torch knows no such device, or can't use it on this machine.
    """
    try:
        device = torch.device(name)
        # Fails without a driver, with a number that is too high, and where nothing can be stored.
        torch.ones(1, device=device).cpu()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).partition("\n")[0][:200]
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        allowed = ["cpu", *(f"cuda:{number}" for number in range(count))]
        raise InvalidParameter(
            f"The device {str(name)[:40]!r} can't be used here: {reason}. Allowed: "
            f"{', '.join(allowed)}.",
            parameter="device",
            allowed=allowed,
        ) from None
    return device
