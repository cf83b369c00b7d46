"""Archives of networks of a user's own: a card, and a program with its tensors or an ONNX model."""

import dataclasses
import json
import re
from pathlib import Path

import torch

from videovisual import zoo
from videovisual.errors import InvalidParameter
from videovisual.utils.digest import file_sha256
from videovisual.utils.text import shown
from videovisual.zoo.card import ModelCard
from videovisual.zoo.onnx_model import OnnxModel
from videovisual.zoo.own_card import read_own_card
from videovisual.zoo.program import Program
from videovisual.zoo.program.exporting import export
from videovisual.zoo.program.pt2 import read_pt2
from videovisual.zoo.registry import PROGRAM
from videovisual.zoo.score_function import ScoresNetwork
from videovisual_archive.mar import build_archive

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def archive_classifier(
    classifier: zoo.Classifier,
    name: str,
    *,
    store: Path,
    source_sha256: str | None = None,
    force: bool = False,
) -> Path:
    """Build `store/NAME.mar` from a classifier of any network, exported as a program, or of an ONNX
    model, which is kept as it is.

    Args:
        classifier: its network is exported, unless it is a program or an ONNX model already.
        name: of the model: letters, digits, `.`, `_`, `-`.
        store: folder of the archives.
        source_sha256: of the file that the network comes from; that of the weights unless given.
        force: rebuild an archive that has the same content.

    Returns:
        Path of the archive.

    Raises:
        InvalidParameter: the name is not valid, the network can't be exported, or the classifier
            is a function's, or reads an ONNX model's answer by a function.
        WeightsError: the network calls what a program may not call, or the ONNX file has changed.
        MissingExtra: torch-model-archiver is not installed.
        WriteError: the archive can't be written.
    """
    check_name(name)
    if isinstance(classifier.network, ScoresNetwork):
        model = classifier.network.function
        if not isinstance(model, OnnxModel):
            raise InvalidParameter(
                f"{classifier.card.name} is known by its scores alone, so there is no network to "
                "archive. Use it from Python: `videovisual.explain(classifier, clip, …)`.",
                parameter="classifier",
            )
        return _archive_onnx(classifier.card, model, name, store=store, force=force)
    network, spec = classifier.network, classifier.card.input
    if not isinstance(network, Program):
        network, spec = export(network, spec, torch.float32)
    card = dataclasses.replace(
        classifier.card, name=name, family=PROGRAM, input=spec, options={}, base=None
    )
    # A file of safetensors may not have two names for one memory.
    state = {key: tensor.detach().cpu().clone() for key, tensor in network.state.items()}
    return build_archive(
        card,
        state,
        store,
        source_sha256=source_sha256 or classifier.weights_sha256,
        program=json.dumps(network.document).encode(),
        force=force,
    )


def _archive_onnx(
    card: ModelCard, model: OnnxModel, name: str, *, store: Path, force: bool
) -> Path:
    if callable(card.options["output"]):
        raise InvalidParameter(
            "An archive holds no code, and `output` is a function. Give the name of the ONNX "
            "model's output that has the scores: output='logits'.",
            parameter="output",
        )
    named = dataclasses.replace(card, name=name, title=f"{card.weights.source}, ONNX model")
    return build_archive(named, model.whole(), store, source_sha256=model.sha256, force=force)


def archive_onnx(file: Path, card: Path, name: str, *, store: Path, force: bool = False) -> Path:
    """Build `store/NAME.mar` from an ONNX model.

    Args:
        file: the `.onnx`; files of weights beside it, which it names, are put into the archive.
        card: JSON with `labels`, `input` (the fields of `InputSpec`), and where needed `scores`,
            `licence`, and `options`: `layout`, `probabilities` and the other arguments of
            `Classifier.from_onnx`.
        name: of the model.
        store: folder of the archives.
        force: rebuild an archive that has the same content.

    Raises:
        WeightsError: a file is damaged, or the model needs operators that onnxruntime lacks.
        InvalidParameter: the card doesn't fit the model, or the name is not valid.
        MissingExtra: it needs the extra `onnx`.
    """
    check_name(name)
    described = read_own_card(card, zoo.Classifier.from_onnx)
    classifier = zoo.Classifier.from_onnx(file, name=name, **described)
    return archive_classifier(classifier, name, store=store, force=force)


def archive_pt2(file: Path, card: Path, name: str, *, store: Path, force: bool = False) -> Path:
    """Build `store/NAME.mar` from a program that `torch.export.save` wrote.

    Args:
        file: the `.pt2`.
        card: JSON with `labels`, `input` (the fields of `InputSpec`), and where needed `scores`,
            `cam_layer`, `licence`, and `options`: `layout`, `output` and the other arguments of
            `Classifier.from_module`.
        name: of the model.
        store: folder of the archives.
        force: rebuild an archive that has the same content.

    Raises:
        WeightsError: a file is damaged, or the program holds pickles or what no program may do.
        InvalidParameter: the card doesn't fit the program, or the name is not valid.
    """
    check_name(name)
    described = read_own_card(card, zoo.Classifier.from_module)
    program = Program(*read_pt2(file)).eval()
    classifier = zoo.Classifier.from_module(program, name=name, **described)
    title = f"{file.name}, exported program"
    source = dataclasses.replace(classifier.card.weights, source=file.name)
    classifier.card = dataclasses.replace(classifier.card, title=title, weights=source)
    return archive_classifier(
        classifier, name, store=store, source_sha256=file_sha256(file), force=force
    )


def check_name(name: str) -> None:
    """Raises InvalidParameter where a model of one's own can't have that name."""
    if not NAME.fullmatch(name) or name in zoo.cards():
        raise InvalidParameter(
            f"A model cannot be served as {shown(name)!r}. Give a name of letters, digits, '.', "
            "'_' and '-' that starts with a letter or digit and that no published model has.",
            parameter="served_as",
            given=shown(name),
        )
