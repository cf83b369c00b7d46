"""The command `videovisual compare`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.unit.client.conftest import Run
from tests.unit.client.fake_server import (
    FakeServer,
    Received,
    Reply,
    all_classes,
    answer,
    asks_for_classes,
)

from videovisual.attribution import catalogue
from videovisual.errors import MissingExtra, UnsuitableMethod
from videovisual_client.commands.compare import overlap


def test_compare_makes_one_picture(fake: FakeServer, run: Run, clips: Path) -> None:
    both = answer()
    second = both.explanations[0].model_copy(update={"method": "rise"})
    both.explanations.append(second)
    lines = [{"event": "accepted"}, {"event": "result", "answer": both.model_dump(mode="json")}]
    fake.handler = lambda _: Reply(lines=iter(lines))
    clip = clips / "ironing-v_0"
    done = run("compare", clip, "--model", "m", "--methods", "gradient, rise")
    assert done.exit_code == 0, done.output
    assert fake.received[0].field("method") == '["gradient", "rise"]'
    assert Image.open("compare.png").size[0] > 8
    assert "100%" in done.stdout
    done = run("compare", clip, "--model", "m", "--methods", "gradient,rise", "--json")
    assert json.loads(done.stdout)["overlap"] == [[1.0, 1.0], [1.0, 1.0]]


def maps_of(request: Received) -> Reply:
    """One explanation per requested method, in order."""
    named = request.field("method") or ""
    methods = json.loads(named) if named.startswith("[") else [named]
    whole = answer()
    whole.explanations = [
        whole.explanations[0].model_copy(update={"method": method}) for method in methods
    ]
    result = {"event": "result", "answer": whole.model_dump(mode="json")}
    return Reply(lines=iter([{"event": "accepted"}, result]))


def requested_methods(fake: FakeServer) -> list[str | None]:
    return [request.field("method") for request in fake.received]


def test_many_methods_are_split_into_requests_within_a_servers_limit(
    fake: FakeServer, run: Run, clips: Path
) -> None:
    fake.handler = maps_of
    compared = ["compare", clips / "ironing-v_0", "--model", "m", "--json"]
    names = "gradient,guided_backprop,rise,ig,step,ep_3d,grad_cam"
    done = run(*compared, "--methods", names, "-p", "masks=3")
    assert done.exit_code == 0, done.output
    assert requested_methods(fake) == [
        "guided_backprop",
        '["gradient", "rise", "integrated_gradients", "step"]',
        '["ep_3d", "grad_cam"]',
    ]
    assert [request.field("masks") for request in fake.received] == [None, "3", None]
    methods = [each["method"] for each in json.loads(done.stdout)["explanations"]]
    assert methods == names.replace("ig", "integrated_gradients").split(",")
    fake.received.clear()
    targets = ["--target", "a", "--target", "b"]
    assert run(*compared, "--methods", "gradient,rise,step", *targets).exit_code == 0
    assert requested_methods(fake) == ['["gradient", "rise"]', "step"]


def test_a_wrong_parameter_is_refused_before_the_first_request(
    fake: FakeServer, run: Run, clips: Path
) -> None:
    clip = clips / "ironing-v_0"
    names = "gradient,ig,smooth_grad,grad_cam,step"
    done = run("compare", clip, "--model", "m", "--methods", names, "--area", "7")
    assert done.exit_code == 1
    assert "area" in done.stderr
    assert fake.received == []


@pytest.mark.parametrize("of_a_folder", [False, True])
def test_compare_all_skips_methods_without_their_extra(
    fake: FakeServer, run: Run, clips: Path, of_a_folder: bool
) -> None:
    def without_torchray(request: Received) -> Reply:
        if asks_for_classes(request):
            return all_classes()
        method = request.field("method") or ""
        if not method.startswith("[") and "attention" in catalogue.find(method).needs:
            return Reply(UnsuitableMethod(f"{method} is a transformer's.").as_json(), 422)
        if not method.startswith("[") and catalogue.find(method).extra:
            return Reply(MissingExtra(f"{method} is TorchRay's.").as_json(), 501)
        return maps_of(request)

    fake.handler = without_torchray
    clip = clips if of_a_folder else clips / "ironing-v_0"
    arguments = ["compare", clip, "--model", "m"]
    done = run(*arguments, "--methods", "all", "--json")
    assert done.exit_code == 0, done.output
    for entry in catalogue.ENTRIES:
        left_out = entry.extra is not None or "attention" in entry.needs
        assert (f"left out: {entry.name} is" in done.stderr) == left_out
    if not of_a_folder:
        methods = [each["method"] for each in json.loads(done.stdout)["explanations"]]
        assert methods == [
            entry.name
            for entry in catalogue.ENTRIES
            if entry.extra is None and "attention" not in entry.needs
        ]
        assert run(*arguments, "--methods", "gradient,deconvnet").exit_code == 1
        fake.handler = lambda _: Reply(MissingExtra("No PyAV.").as_json(), 501)
        assert "No PyAV." in run(*arguments, "--methods", "all").stderr


def test_overlap_is_of_the_strongest_tenth() -> None:
    one = answer().explanations[0]
    values = np.zeros((1, 10, 10), np.float32)
    values[0, 0] = 1
    half = np.zeros_like(values)
    half[0, 0, :5] = half[0, 5, :5] = 2
    maps = [
        one.model_copy(update={"map": type(one.map).of(array)}) for array in (values, half, -half)
    ]
    shared = overlap(maps)
    assert shared[0][1] == shared[1][0] == 0.5
    assert shared[1][2] == 0
