"""A network of a user's own as a classifier: what it is fed, what is taken from its answer."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from tests.frames import blocks
from torch import nn

import videovisual
from videovisual import Classifier, InputSpec
from videovisual.engine.probe import Objective
from videovisual.engine.scores import Scores
from videovisual.errors import InvalidParameter, WeightsError
from videovisual.protocol.caveats import caveats
from videovisual.zoo.transform import normalise

LABELS = ("wave", "clap", "2")
SPEC = InputSpec(frames=6, size=(20, 24), mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4))
FRAMES = blocks(9, 30, 36)

Answer = Callable[[torch.Tensor], Any]


class Network(nn.Module):
    """Takes clips in any layout, and answers in any form."""

    def __init__(
        self,
        answer: Answer = lambda logits: logits,
        axes: tuple[int, ...] = (0, 1, 2, 3, 4),
        classes: int = 3,
    ) -> None:
        super().__init__()
        self.answer, self.axes = answer, axes
        self.stage = nn.Conv3d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm3d(4)
        self.head = nn.Linear(4, classes)

    def forward(self, clips: torch.Tensor) -> Any:
        assert clips.shape[1:] == tuple((0, 3, 6, 20, 24)[axis] for axis in self.axes[1:])
        clips = clips.permute([self.axes.index(axis) for axis in range(5)])
        return self.answer(self.head(self.norm(self.stage(clips)).relu().mean((2, 3, 4))))


def logits_of(classifier: Classifier) -> torch.Tensor:
    return classifier.logits(classifier.prepare(FRAMES[:6])[None])[0]


@pytest.fixture
def network() -> Network:
    return Network()


@pytest.fixture
def expected(network: Network) -> torch.Tensor:
    return logits_of(Classifier.from_module(network, LABELS, SPEC))


def test_three_lines_classify_and_explain(network: Network, expected: torch.Tensor) -> None:
    classifier = Classifier.from_module(network, LABELS, SPEC)
    answer = videovisual.classify(classifier, FRAMES, top_k=3)
    assert answer.model == "network"
    assert {each.label for each in answer.predictions} == set(LABELS)
    network.eval()
    clip = normalise(SPEC, torch.full((3, 6, 20, 24), 0.5))
    torch.testing.assert_close(classifier.logits(clip[None]), network(clip[None]))
    for method in ("gradient", "grad_cam", "occlusion", "ep_3d"):
        given = {"iterations": 2} if method == "ep_3d" else {}
        saliency = videovisual.explain(classifier, FRAMES, method, "clap", **given)
        assert saliency.map.shape == (6, 20, 24)
        assert saliency.provenance["target"] == {"index": 1, "label": "clap"}


@pytest.mark.parametrize(
    ("layout", "axes"),
    [("NCTHW", (0, 1, 2, 3, 4)), ("NTCHW", (0, 2, 1, 3, 4)), ("NTHWC", (0, 2, 3, 4, 1))],
)
def test_layouts(
    network: Network, expected: torch.Tensor, layout: Any, axes: tuple[int, ...]
) -> None:
    network.axes = axes
    found = logits_of(Classifier.from_module(network, LABELS, SPEC, layout=layout))
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("answer", "given"),
    [
        (lambda logits: (logits,), {}),
        (lambda logits: {"scores": logits}, {}),
        (lambda logits: {"logits": logits, "loss": logits.sum()}, {}),
        (lambda logits: SimpleNamespace(logits=logits, hidden=logits * 2), {}),
        (lambda logits: (logits * 2, logits), {"output": 1}),
        (lambda logits: {"a": logits * 2, "b": logits}, {"output": "b"}),
        (lambda logits: SimpleNamespace(a=logits), {"output": "a"}),
        (lambda logits: {"a": [logits * 2, logits]}, {"output": lambda answer: answer["a"][1]}),
        (lambda logits: torch.stack([logits - 1, logits + 1], 1), {"frame_scores": "mean"}),
        (lambda logits: torch.stack([logits - 1, logits], 1), {"frame_scores": "max"}),
        (lambda logits: torch.stack([logits - 1, logits], 1), {"frame_scores": 1}),
        (lambda logits: torch.stack([logits - 1, logits], 1), {"frame_scores": -1}),
    ],
)
def test_answers(
    network: Network, expected: torch.Tensor, answer: Answer, given: dict[str, Any]
) -> None:
    network.answer = answer
    found = logits_of(Classifier.from_module(network, LABELS, SPEC, **given))
    torch.testing.assert_close(found, expected)


def test_an_argument_by_name_and_pathways() -> None:
    class Slowfast(nn.Module):
        def forward(self, *, pathways: list[torch.Tensor]) -> torch.Tensor:
            slow, fast, picked = (way.mean((3, 4))[:, 0] for way in pathways)
            assert (slow.shape[1], fast.shape[1], picked.shape[1]) == (2, 6, 1)
            return torch.stack([slow[:, 1], fast[:, 5], picked[:, 0] - fast[:, 3]], dim=1)

    given: dict[str, Any] = {"argument": "pathways", "pathways": [2, 6, (3,)]}
    logits = logits_of(Classifier.from_module(Slowfast(), LABELS, SPEC, **given))
    assert logits[0] == logits[1]
    assert logits[2] == 0


@pytest.mark.parametrize(
    ("value_range", "mean", "std"),
    [((0, 1), 0.0, 1.0), ((0, 255), 0.0, 1.0), ((-1, 1), 0.0, 1.0), ((0, 255), 123.0, 58.0)],
)
def test_value_ranges(value_range: tuple[float, float], mean: float, std: float) -> None:
    spec = InputSpec(frames=2, size=20, mean=(mean,) * 3, std=(std,) * 3, value_range=value_range)
    frames = np.zeros((2, 20, 20, 3), np.uint8)
    frames[1] = 255
    clip = videovisual.zoo.transform.prepare(spec, frames)
    low, high = ((end - mean) / std for end in value_range)
    assert clip[:, 0].unique().tolist() == pytest.approx([low], abs=1e-5)
    assert clip[:, 1].unique().tolist() == pytest.approx([high], abs=1e-5)


def test_scores_of_several_labels_are_sigmoids(network: Network, expected: torch.Tensor) -> None:
    classifier = Classifier.from_module(network, LABELS, SPEC, scores="sigmoid")
    answer = videovisual.classify(classifier, FRAMES[:6], top_k=3)
    found = {each.index: each.probability for each in answer.predictions}
    assert [found[index] for index in range(3)] == pytest.approx(expected.sigmoid().tolist())
    saliency = videovisual.explain(classifier, FRAMES[:6], "ep_3d", "clap", iterations=2)
    whole = saliency.diagnostics["probability_clip"]
    assert whole == pytest.approx(float(expected[1].sigmoid()), abs=1e-4)
    assert saliency.provenance["scores"] == "sigmoid"
    assert "prediction_entropy" not in saliency.diagnostics


def test_raw_scores_have_no_probability(network: Network, expected: torch.Tensor) -> None:
    classifier = Classifier.from_module(network, LABELS, SPEC, scores="raw")
    answer = videovisual.classify(classifier, FRAMES[:6], top_k=3)
    assert all(each.probability is None for each in answer.predictions)
    best = answer.predictions[0]
    assert best.score == f"{float(expected.max()):.4g}"
    result = videovisual.pipeline.pipeline.run_plan(
        videovisual.pipeline.plan.Plan.of(
            classifier,
            *videovisual.protocol.split_options(
                {"method": ["rise", "ep_3d"], "masks": 4, "iterations": 2, "evaluate": True}
            ),
        ),
        lambda: FRAMES[:6],
        videovisual.pipeline.executor.Executor(classifier),
    )
    said = [line for each in result.answer.explanations for line in caveats(each)]
    assert not any("%" in line and "clip" not in line for line in said), said


def test_one_logit_stands_for_a_pair_of_labels_or_for_one() -> None:
    network = Network(classes=1)
    pair = logits_of(Classifier.from_module(network, ["no", "yes"], SPEC))
    alone = logits_of(Classifier.from_module(network, ["yes"], SPEC, scores="sigmoid"))
    flat = Network(lambda logits: logits[:, 0], classes=1)
    flat.load_state_dict(network.state_dict())
    same = logits_of(Classifier.from_module(flat, ["yes"], SPEC, scores="sigmoid"))
    assert pair.tolist() == [0, alone.item()]
    assert same.item() == alone.item()
    assert pair.softmax(0)[1].item() == pytest.approx(alone.sigmoid().item())


@pytest.mark.parametrize("scores", list(Scores))
def test_objectives(scores: Scores) -> None:
    logits, targets = torch.randn(4, 3), torch.tensor([0, 1, 2, 1])
    chance = scores.probabilities(logits).gather(1, targets[:, None])[:, 0]
    gain = Objective.LOG_PROBABILITY.of(logits, targets, scores)
    loss = Objective.LOG_COMPLEMENT.of(logits, targets, scores)
    if scores is Scores.RAW:
        torch.testing.assert_close((gain, loss), (chance, -chance))
    else:
        torch.testing.assert_close((gain.exp(), loss.exp()), (chance, 1 - chance))


def test_targets_are_typed(network: Network) -> None:
    card = Classifier.from_module(network, LABELS, SPEC).card
    assert card.target(1) == 1
    assert card.target("2") == 2
    assert card.target("1") == 1
    assert card.other_reading("2") is None


def test_the_users_own_module_stays_as_it_is(network: Network) -> None:
    network.train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    classifier = Classifier.from_module(network, LABELS, SPEC)
    assert network.training
    assert all(parameter.requires_grad for parameter in network.parameters())
    with torch.no_grad():
        network.head.weight.zero_()
    own = classifier.network.get_submodule("module.head").get_parameter("weight")
    assert torch.equal(own, before["head.weight"])


def test_wrappers_and_narrow_weights(network: Network, expected: torch.Tensor) -> None:
    wrapped = Classifier.from_module(nn.DataParallel(network), LABELS, SPEC)
    torch.testing.assert_close(logits_of(wrapped), expected, rtol=0, atol=0)
    assert wrapped.card.name == "network"
    half = Classifier.from_module(Network().to(torch.bfloat16), LABELS, SPEC)
    assert half.weights_dtype == "bfloat16"
    assert logits_of(half).dtype == torch.float32


SHAPE = r"float32 \[1, 3, 6, 20, 24\] \(layout='NCTHW'\)"


@pytest.mark.parametrize(
    ("answer", "given", "message"),
    [
        (None, {"labels": ("a", "b")}, SHAPE + r".*shape \[1, 3\] for 2 labels.*`labels`"),
        (None, {"layout": "NTCHW"}, r"\[1, 6, 3, 20, 24\] \(layout=.*and failed.*`layout`"),
        (None, {"layout": "nthwc"}, r"no layout 'nthwc'.*NTHWC"),
        (None, {"argument": "video"}, SHAPE + r", and failed: TypeError.*'video'.*`argument`"),
        (None, {"output": "scores"}, SHAPE + r", and gave float32 \[1, 3\].*`output`"),
        (lambda x: (x, x), {}, SHAPE + r", and gave tuple \[float32 \[1, 3\].*`output`"),
        (lambda x: {"a": x, "b": x}, {}, r"gave dict \{'a': float32 \[1, 3\].*`output`"),
        (lambda x: x[:, None], {}, r"shape \[1, 1, 3\], not \[clips, classes\].*`frame_scores`"),
        (None, {"frame_scores": "mean"}, r"not \[clips, frames, classes\].*`frame_scores`"),
        (None, {"frame_scores": "last"}, r"neither `mean`, `max` nor the number"),
        (lambda x: x[:, None], {"frame_scores": 3}, r"an answer for 1 frames.*`frame_scores`"),
        (lambda x: x.softmax(1), {}, r"gives probabilities.*output=lambda given: given.log"),
        (lambda x: x + x.shape[0], {}, r"otherwise for one clip than for the same clip beside"),
        (None, {"labels": "abc"}, r"no list of class names"),
        (None, {"labels": ()}, r"no list of class names"),
    ],
)
def test_a_wrong_description_is_answered_with_what_came_and_what_to_change(
    network: Network, answer: Answer | None, given: dict[str, Any], message: str
) -> None:
    network.answer = answer or network.answer
    labels = given.get("labels", LABELS)
    rest = {name: value for name, value in given.items() if name != "labels"}
    with pytest.raises(InvalidParameter, match=message):
        Classifier.from_module(network, labels, SPEC, **rest)


def test_what_is_no_network_or_has_labels_twice_is_refused(network: Network) -> None:
    with pytest.raises(WeightsError, match="2 classes are called 'a'"):
        Classifier.from_module(network, ("a", "a", "b"), SPEC)
    with pytest.raises(InvalidParameter, match="load_state_dict"):
        Classifier.from_module(network.state_dict(), LABELS, SPEC)  # type: ignore[arg-type]
    scripted = torch.jit.trace(nn.Identity(), torch.zeros(1))
    with pytest.raises(InvalidParameter, match="TorchScript"):
        Classifier.from_module(scripted, LABELS, SPEC)


def test_a_program_that_cannot_be_copied_is_refused_with_the_way_to_archive_it() -> None:
    class Mean(nn.Module):
        def forward(self, clips: torch.Tensor) -> torch.Tensor:
            return clips.mean(dim=(2, 3, 4))

    program = torch.export.export(Mean(), (torch.zeros(1, *SPEC.shape),))
    with pytest.raises(InvalidParameter, match=r"can't be copied.*videovisual archive MODEL\.pt2"):
        Classifier.from_module(torch.export.unflatten(program), LABELS, SPEC)


def test_a_network_without_a_grid_has_no_grad_cam() -> None:
    class Flat(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(3, 3)

        def forward(self, clips: torch.Tensor) -> torch.Tensor:
            return self.head(clips.mean((2, 3, 4)))  # type: ignore[no-any-return]

    classifier = Classifier.from_module(Flat(), LABELS, SPEC)
    assert classifier.card.cam_layer == ""
    with pytest.raises(InvalidParameter, match=r"names no layer.*Name one.*head"):
        videovisual.explain(classifier, FRAMES, "grad_cam")


def test_default_layer_is_the_last_with_places_in_space(network: Network) -> None:
    card = Classifier.from_module(network, LABELS, SPEC).card
    assert card.cam_layer == "norm"
    saliency = videovisual.explain(
        Classifier.from_module(network, LABELS, SPEC), FRAMES, "grad_cam", layer="stage"
    )
    assert saliency.diagnostics["layer"] == "stage"
    assert saliency.diagnostics["layer_shape"] == [6, 20, 24]
