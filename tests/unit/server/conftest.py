from __future__ import annotations

from collections.abc import Iterator

import pytest

from videovisual.server.service import Service
from videovisual.server.settings import Settings
from videovisual.zoo import Classifier


@pytest.fixture
def service(small: Classifier) -> Iterator[Service]:
    service = Service(
        small,
        # Not idle, or beside other work of the same session nothing would be explained.
        settings=Settings(max_running=1, max_waiting=1, max_reply_bytes=400_000, idle=False),
    )
    yield service
    service.close()
