"""What is sent of an answer, piece by piece."""

from __future__ import annotations

import json

from videovisual.engine.progress import Progress
from videovisual.errors import DeadlineExceeded
from videovisual.server.reply import JSON, Reply, error_reply
from videovisual.server.request_state import PART_BYTES, ProgressReporter, RequestState


def parts(state: RequestState) -> list[bytes]:
    found = []
    while not state.is_sent:
        found.append(state.take_lines())
    return found


def test_no_part_is_larger_than_a_server_takes() -> None:
    body = json.dumps({"map": "x" * (2 * PART_BYTES)}).encode()
    begun = RequestState("1", lambda: None)
    begun.finish(Reply(200, JSON, body))
    assert [len(part) for part in parts(begun)] == [PART_BYTES, PART_BYTES, len(body) % PART_BYTES]

    streamed = RequestState("2", lambda: None)
    streamed.start_stream(3)
    streamed.finish(Reply(200, JSON, body))
    sent = parts(streamed)
    assert max(len(part) for part in sent) == PART_BYTES
    accepted, result, done = (json.loads(line) for line in b"".join(sent).splitlines())
    assert accepted == {"event": "accepted", "job": "2", "queue": 3}
    assert result["answer"] == json.loads(body)
    assert done == {"event": "done"}


def test_nothing_is_sent_twice() -> None:
    state = RequestState("1", lambda: None)
    state.start_stream(0)
    assert state.take_lines()
    assert state.take_lines() == b""
    assert not state.is_sent


def test_nothing_comes_after_the_end_of_a_stream() -> None:
    state = RequestState("1", lambda: None)
    state.start_stream(0)
    report = ProgressReporter(state, {})
    state.finish(error_reply(DeadlineExceeded("Too late.")))
    # The step that was running at the deadline.
    report(Progress(1, 2))
    events = [json.loads(line)["event"] for line in state.take_lines().splitlines()]
    assert events == ["accepted", "error", "done"]
    assert state.is_sent
