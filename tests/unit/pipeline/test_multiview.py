"""Views and timelines, with the library and as a service."""

import json
import threading

import numpy as np
import pytest
import torch
from tests.frames import blocks

from videovisual import clips, zoo
from videovisual.api import classify
from videovisual.errors import InvalidParameter
from videovisual.pipeline.multiview import average
from videovisual.protocol import Answer
from videovisual.server.request import Request
from videovisual.server.service import Service

FPS = 16


@pytest.fixture(scope="module")
def film():
    """Source frames of 4 s, uint8 [64, 64, 64, 3]; each second is another scene."""
    scenes = [blocks(1, 64, 64, seed=seed).repeat(FPS, axis=0) for seed in range(4)]
    return np.concatenate(scenes)


@pytest.fixture(scope="module")
def source(film):
    return clips.open_frames(film, fps=FPS)


def logits(model, frames):
    return model.logits(model.prepare(np.ascontiguousarray(frames))[None])[0]


def probabilities(answer, count):
    by_index = {prediction.index: prediction.probability for prediction in answer}
    return torch.tensor([by_index[index] for index in range(count)])


@pytest.fixture
def every(small):
    return len(small.card.labels)


def test_logits_are_averaged_where_the_paper_does(card_averaging):
    scores = torch.tensor([[4.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    mean = average(card_averaging("logits"), scores)
    torch.testing.assert_close(mean, torch.tensor([2.0, 0.5, 0.0]))


def test_probabilities_are_averaged_where_the_paper_does(card_averaging):
    scores = torch.tensor([[4.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    mean = average(card_averaging("probabilities"), scores).softmax(dim=0)
    torch.testing.assert_close(mean, scores.softmax(dim=1).mean(dim=0))
    unlike = average(card_averaging("logits"), scores).softmax(dim=0)
    assert not torch.allclose(mean, unlike, atol=0.01)


@pytest.fixture
def card_averaging():
    by_average = {card.view_average: card for card in zoo.cards().values()}
    return lambda what: by_average[what]


def test_views_cover_the_clip_and_are_averaged(small, film, every):
    answer = classify(small, film, views=4, top_k=every)
    parts = torch.stack([logits(small, film[start : start + 16]) for start in (0, 16, 32, 48)])
    expected = average(small.card, parts).softmax(dim=0)
    torch.testing.assert_close(
        probabilities(answer.predictions, every), expected, atol=1e-6, rtol=1e-5
    )
    assert [window["frame_indices"] for window in answer.clip["windows"]] == [
        list(range(start, start + 16)) for start in (0, 16, 32, 48)
    ]
    assert answer.clip["average"] == small.card.view_average
    assert answer.timeline == []


def test_one_view_is_the_plain_classification(small, film):
    plain = classify(small, film, top_k=3)
    assert plain == classify(small, film, top_k=3, views=1)
    assert len(plain.predictions) == 3
    assert len(plain.clip["frame_indices"]) == 16


def test_a_timeline_classifies_every_second(small, source, film, every):
    told = []
    answer = classify(
        small,
        source,
        timeline=True,
        top_k=every,
        on_progress=lambda step: told.append((step.step, step.of)),
    )
    assert [(second.start_s, second.end_s) for second in answer.timeline] == [
        (0, 1),
        (1, 2),
        (2, 3),
        (3, 4),
    ]
    rows = torch.stack([logits(small, film[start : start + 16]) for start in (0, 16, 32, 48)])
    for second, row in zip(answer.timeline, rows, strict=True):
        torch.testing.assert_close(
            probabilities(second.predictions, every), row.softmax(dim=0), atol=1e-6, rtol=1e-5
        )
    expected = average(small.card, rows).softmax(dim=0)
    torch.testing.assert_close(
        probabilities(answer.predictions, every), expected, atol=1e-6, rtol=1e-5
    )
    assert told == [(0, 4), (1, 4), (2, 4), (3, 4)]
    seen = [(window["start_s"], window["end_s"]) for window in answer.clip["windows"]]
    assert seen == [(0, 1), (1, 2), (2, 3), (3, 4)]


def test_a_path_and_a_part_of_it(small, source, film, tmp_path):
    np.savez(tmp_path / "film.npz", frames=film, fps=FPS)
    part = classify(small, tmp_path / "film.npz", timeline=True, start_s=1, end_s=3)
    whole = classify(small, source, timeline=True)
    assert part.timeline == whole.timeline[1:3]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"views": 0}, r"views = '0' is not allowed.*1 to 30"),
        ({"views": 31}, r"views = '31' is not allowed.*1 to 30"),
        ({"views": 2, "timeline": True}, "one window a second already"),
        ({"views": 2, "method": "grad_cam"}, "views is for classification only"),
        ({"timeline": True, "method": "grad_cam"}, "timeline is for classification only"),
        ({"timeline": True}, "needs frames that carry a time"),
        ({"view": 2}, "no option 'view'"),
        ({"method": "grad_cam"}, "no option 'method'"),
        ({"polarity": "negative"}, "no option 'polarity'"),
    ],
)
def test_what_is_refused(small, film, options, message):
    with pytest.raises(InvalidParameter, match=message):
        classify(small, film, **options)


def test_a_prepared_clip_is_one_window(small, film):
    prepared = small.prepare(film[:16])
    assert classify(small, prepared).predictions
    with pytest.raises(InvalidParameter, match="A prepared clip is one window"):
        classify(small, prepared, views=2)


@pytest.fixture
def service(small):
    service = Service(small)
    yield service
    service.close()


@pytest.fixture
def upload(film, tmp_path):
    np.savez(tmp_path / "film.npz", frames=film, fps=FPS)
    return (tmp_path / "film.npz").read_bytes()


def finished(service, state):
    while state.reply is None:
        service.wait(1)
    return state.reply


def ask(service, upload, explain=False, **options):
    request = Request({"video": upload, **options}, explain=explain)
    reply = finished(service, service.submit(request))
    return reply.status, json.loads(reply.body)


def test_a_service_answers_as_the_library_does(service, small, source, upload):
    for options in ({"views": 3}, {"timeline": True}):
        status, body = ask(service, upload, **{key: str(value) for key, value in options.items()})
        assert status == 200
        answer = Answer.model_validate(body)
        expected = classify(small, source, **options)
        assert answer.predictions == expected.predictions
        assert answer.timeline == expected.timeline
        assert answer.clip["windows"] == expected.clip["windows"]


@pytest.mark.parametrize("options", [{"views": "2"}, {"timeline": "true"}])
@pytest.mark.parametrize("way", [{"explain": True}, {"method": "grad_cam"}])
def test_an_explanation_is_of_one_window(service, upload, options, way):
    status, body = ask(service, upload, **options, **way)
    assert status == 422
    assert body["error"]["code"] == "invalid_parameter"
    assert body["error"]["detail"]["parameter"] in options


def test_an_answer_to_kserve_stays_in_its_envelope(service, film, tmp_path, upload):
    import base64

    body = {"instances": [{"video": base64.b64encode(upload).decode()}], "timeline": True}
    reply = finished(service, service.submit(Request({"body": body})))
    (answer,) = json.loads(reply.body)["predictions"]
    assert len(answer["timeline"]) == 4


def test_a_classification_goes_between_the_windows_of_a_timeline(service, upload, monkeypatch):
    """The engine is held at the first window until a short classification has come in."""
    seen, both_in = [], threading.Event()
    submit, read = service.engine.submit, service.engine.runner.read
    jobs = []

    def counted(*arguments, **options):
        jobs.append(submit(*arguments, **options))
        if len(jobs) == 2:
            both_in.set()
        return jobs[-1]

    def held(kind, shown, targets):
        if not seen:
            first_in.set()
            both_in.wait(30)
        seen.append(shown.shape[2])
        return read(kind, shown, targets)

    first_in = threading.Event()
    monkeypatch.setattr(service.engine, "submit", counted)
    monkeypatch.setattr(service.engine.runner, "read", held)
    long = service.submit(Request({"video": upload, "timeline": "true"}))
    first_in.wait(30)
    short = service.submit(Request({"video": upload, "frames": "8"}))
    assert finished(service, short).status == 200
    assert finished(service, long).status == 200
    assert seen == [16, 8, 16, 16, 16]


def test_a_cancelled_timeline_stops_between_two_windows(service, upload, monkeypatch):
    seen = []
    read = service.engine.runner.read
    started = threading.Event()

    def noted(kind, shown, targets):
        started.wait(30)
        seen.append(shown)
        state.cancel()
        return read(kind, shown, targets)

    monkeypatch.setattr(service.engine.runner, "read", noted)
    state = service.submit(Request({"video": upload, "timeline": "true"}))
    started.set()
    assert finished(service, state).status == 499
    assert len(seen) == 1
