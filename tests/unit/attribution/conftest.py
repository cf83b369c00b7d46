from __future__ import annotations

from collections.abc import Callable

import pytest
from torch import nn


@pytest.fixture(scope="session")
def hooks() -> Callable[[nn.Module], int]:
    """Counts all hooks in a network."""

    def count(network: nn.Module) -> int:
        return sum(
            len(module._forward_hooks)
            + len(module._forward_pre_hooks)
            + len(module._backward_hooks)
            for module in network.modules()
        )

    return count
