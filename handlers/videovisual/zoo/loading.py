"""Loads a classifier from its name, a checkpoint or an archive."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import nn

from videovisual.errors import DownloadError, InvalidParameter, WeightsError
from videovisual.names import is_elsewhere
from videovisual.utils.devices import usable_device
from videovisual.utils.digest import file_sha256
from videovisual.utils.extras import needs
from videovisual.utils.text import shown
from videovisual.zoo.archived import (
    BUILD_FILE,
    CARD_FILE,
    ONNX_FILE,
    PROGRAM_FILE,
    Archive,
    check_size,
    find_archive,
    read_archive,
    read_onnx,
    read_program,
    read_weights,
)
from videovisual.zoo.card import InputSpec, ModelCard, check_labels
from videovisual.zoo.classifier import Classifier
from videovisual.zoo.layout import (
    Labels,
    Weights,
    check_tensors,
    fit,
    is_safetensors,
    narrow_dtype,
    read_safetensors,
    tensors_sha256,
)
from videovisual.zoo.onnx_model import ONNX, OnnxModel
from videovisual.zoo.parts import part_of
from videovisual.zoo.program import Program
from videovisual.zoo.registry import PROGRAM, adapt, build, refused_weights
from videovisual.zoo.registry import card as find_card
from videovisual.zoo.score_function import rebuilt

WEIGHTS_FOLDER = Path(__file__).with_name("weights")
PACKAGED = "package:"


def load(
    name: str,
    weights: Weights | None = None,
    *,
    labels: Labels | None = None,
    input: InputSpec | None = None,
    device: torch.device | str = "cpu",
    store: Path | None = None,
) -> Classifier:
    """Load a pretrained classifier by name.

    Args:
        name: one of `videovisual.zoo.cards()`; the name or `.mar` file of an archive of your own;
            `hf:OWNER/NAME` or `hf:OWNER/NAME@REVISION`, a repository of the Hugging Face Hub, or a
            folder, with VideoMAE, TimeSformer, ViViT or V-JEPA 2 of transformers (extra `hf`);
            `torchvision:NAME`, a video classifier of torchvision (extra `torchvision`); or an
            `.onnx` file (extra `onnx`), whose logits have labels of which one holds. For other
            scores see `Classifier.from_onnx`.
        weights: a checkpoint file in any published layout of the family, or its entries. None
            takes the published weights, which the first use downloads and verifies. With weights
            of your own the classifier's name becomes `NAME-own`.
        labels: class names, instead of the card's, or their file or address: one per line, numbered
            lines, CSV or JSON; the numbers decide the order. With weights of your own, their number
            is the number of classes. The published EPIC-Kitchens weights come with downloaded
            names; with weights of your own the default names are `verb 0`, `verb 1`, ….
        input: of an `.onnx` file, which needs `labels` too: the clips that it takes.
        device: of the weights.
        store: the folder of your own archives; by default `$VIDEOVISUAL_STORE`, else
            `model_store` in the working directory.

    Raises:
        UnknownModel: there is no such model; the message lists the nearest names.
        WeightsError: the weights fail their checksum, are not finite or not dense floats, or the
            weights or labels don't fit.
        DownloadError: the published weights or labels cannot be downloaded.
        MissingExtra: downloading or converting them needs the extra `server`, or the name `hf` or
            `torchvision`.
        InvalidParameter: the device can't be used here, or `labels` is no list of names.
        NetworkSettingsError: `$HF_ENDPOINT` or `$HF_TOKEN` can't be used.
    """
    place = usable_device(device)
    if name.lower().endswith(".onnx"):
        return _onnx(name, labels, input).to(place)
    if is_elsewhere(name):
        with needs("server"):
            from videovisual.zoo.sources import load_elsewhere  # noqa: PLC0415
        return load_elsewhere(name, weights, labels).to(place)
    archive = find_archive(name, store)
    if archive is not None and weights is None and labels is None:
        held = read_archive(archive)
        if held.card.family == ONNX:
            return _archived_onnx(held.card, held.source_sha256, archive, read_onnx).to(place)
        state, program = read_weights(archive), read_program(archive)
        return _unpacked(held.card, state, held.source_sha256, program).to(place)
    card = find_card(name, store)
    if card.family in (PROGRAM, ONNX):
        raise refused_weights(card)
    if isinstance(weights, Mapping):
        check_tensors(weights)
        state = {key: tensor.detach().contiguous() for key, tensor in weights.items()}
        digest = tensors_sha256(state)
    else:
        path = _published(card) if weights is None else Path(weights)
        state, digest = _read(_why(card), path), file_sha256(path)
    if labels is not None or (weights is None and not _is_packaged(card)):
        with needs("server", _why(card)):
            from videovisual.zoo.weights_io.labels import labelled  # noqa: PLC0415
        card = labelled(card, labels, own=weights is not None)
    if weights is not None and not card.is_published(digest, relabelled=labels is not None):
        source = "entries" if isinstance(weights, Mapping) else Path(weights).name
        card = card.with_own_weights(f"{card.name}-own", source, digest)
    state = adapt(card, state)
    network = fit(build(card), state)
    return Classifier(card, network, digest, narrow_dtype(state)).to(place)


def load_weights(module: nn.Module, weights: Weights) -> nn.Module:
    """Load a checkpoint as it comes into a network of your own.

    Prefixes (`module.`, `model.`, `_orig_mod.`, Lightning's attribute, …), dictionaries around the
    weights and entries of other objects are left out. Of a network and its moving average (EMA) the
    average is taken, which a warning of the logger `videovisual` tells. float16 and bfloat16
    become the network's own dtype.

    Args:
        module: the network, which is changed.
        weights: a checkpoint file, which is read without running code that it holds, or its
            entries.

    Returns:
        The network.

    Raises:
        WeightsError: the file holds something else than tensors, or they don't fit, are not finite
            or not dense floats; the message says what to do.
        MissingExtra: reading the file needs the extra `server`.
    """
    if not isinstance(weights, Mapping):
        weights = _read("A checkpoint is read by them.", Path(weights))
    check_tensors(weights)
    return fit(module, part_of(module.state_dict(), weights))


def load_folder(folder: Path, device: torch.device | str = "cpu") -> Classifier:
    """Load the classifier of an unpacked archive: `card.json`, and one safetensors file or an ONNX
    model.

    On the CPU the weights are memory-mapped, but for those that don't lie at an address that torch
    would choose, so the file must not change while the classifier is in use.

    Raises:
        WeightsError: a file is missing or damaged, two classes have one name, or the weights are
            not finite or don't fit the card.
        MissingExtra: an ONNX model needs the extra `onnx`.
    """
    if (folder / ONNX_FILE).is_file() and (folder / BUILD_FILE).is_file():
        card, build = (
            json.loads((folder / name).read_text("utf-8")) for name in (CARD_FILE, BUILD_FILE)
        )
        held = Archive.from_json(card, build)
        return _archived_onnx(held.card, held.source_sha256, folder / ONNX_FILE, _read_file)
    files = list(folder.glob("*.safetensors"))
    if len(files) != 1 or not (folder / CARD_FILE).is_file():
        raise WeightsError(
            f"{folder.name} is not an unpacked archive, which has {CARD_FILE} and one safetensors "
            "file. Build it again with `videovisual archive`."
        )
    card = ModelCard.from_json(json.loads((folder / CARD_FILE).read_text("utf-8")))
    build_file = folder / BUILD_FILE
    digest = (
        json.loads(build_file.read_text("utf-8"))["source_sha256"]
        if build_file.is_file()
        else file_sha256(files[0])
    )
    program_file = folder / PROGRAM_FILE
    program = None
    if program_file.is_file():
        check_size(program_file.stat().st_size, program_file, PROGRAM_FILE)
        program = program_file.read_bytes()
    return _unpacked(card, read_safetensors(files[0]), digest, program).to(device)


def _unpacked(
    card: ModelCard, state: Mapping[str, torch.Tensor], digest: str, program: bytes | None
) -> Classifier:
    """The classifier of an archive's entries, which are used themselves, not copied."""
    check_labels(card.labels)
    if program is not None:
        return Classifier(card, _program(program, state), digest)
    with torch.device("meta"):
        network = build(card)
    return Classifier(card, fit(network, state), digest, narrow_dtype(state))


def _archived_onnx(
    card: ModelCard, sha256: str, path: Path, read: Callable[[Path], bytes | None]
) -> Classifier:
    """The classifier of an archive's ONNX model, which `read` reads from its file or folder."""

    def data() -> bytes:
        found = read(path)
        if found is None:
            raise WeightsError(f"{path} has no {ONNX_FILE}. Build it again.", path=str(path))
        return found

    check_labels(card.labels)
    model = OnnxModel.archived(data, sha256, card.name)
    return Classifier(card, rebuilt(card, model), sha256)


def _read_file(path: Path) -> bytes:
    check_size(path.stat().st_size, path, ONNX_FILE)
    return path.read_bytes()


def _onnx(name: str, labels: Labels | None, spec: InputSpec | None) -> Classifier:
    if labels is None or spec is None:
        raise InvalidParameter(
            f"{shown(name)} says neither its classes' names nor which clips it takes. Give "
            "labels=[…] and input=InputSpec(frames=…, size=…).",
            parameter="input" if spec is None else "labels",
        )
    if isinstance(labels, str | os.PathLike):
        with needs("server"):
            from videovisual.zoo.sources.own import read_labels  # noqa: PLC0415
        labels = read_labels(labels)
    return Classifier.from_onnx(name, labels, spec)


def _program(text: bytes, state: Mapping[str, torch.Tensor]) -> Program:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise WeightsError(
            f"The archive's {PROGRAM_FILE} is damaged: {shown(error)}. Build it again."
        ) from error
    return Program(document, state)


def _is_packaged(card: ModelCard) -> bool:
    return card.weights.source.startswith(PACKAGED)


def _published(card: ModelCard) -> Path:
    if _is_packaged(card):
        return WEIGHTS_FOLDER / card.weights.source.removeprefix(PACKAGED)
    with needs("server", _why(card)):
        from videovisual.zoo.weights_io.cache import fetch  # noqa: PLC0415
    try:
        return fetch(card.weights.source, card.weights.sha256, size=card.weights.size)
    except DownloadError as error:
        raise DownloadError(
            f"The weights of {card.name} cannot be downloaded. {error.message} If you have the "
            f"file, pass it: `load({card.name!r}, weights=FILE)`, or "
            f"`videovisual archive {card.name} --weights FILE`.",
            **error.detail,
        ) from error


def _why(card: ModelCard) -> str:
    """Why `weights_io` is imported, which needs the extra and is left out of archives."""
    return f"{card.name} has weights or labels to download or convert."


def _read(why: str, path: Path) -> dict[str, torch.Tensor]:
    # Weights that ship with the package load without the extra `server`.
    if is_safetensors(path):
        return read_safetensors(path)
    with needs("server", why):
        from videovisual.zoo.weights_io.checkpoint import read_checkpoint  # noqa: PLC0415
    return read_checkpoint(path)
