"""Video classifiers of transformers, from a repository of the Hub or a folder."""

import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import torch
from torch import nn

from videovisual.errors import WeightsError
from videovisual.utils.text import shown
from videovisual.zoo.card import WeightsCard
from videovisual.zoo.classifier import Classifier
from videovisual.zoo.layout import (
    Labels,
    Weights,
    check_finite,
    check_floats,
    misfit,
    narrow_dtype,
    tensors_sha256,
)
from videovisual.zoo.parts import own_part
from videovisual.zoo.sources.extra import imported
from videovisual.zoo.sources.families import FAMILIES, Family
from videovisual.zoo.sources.licence import licence
from videovisual.zoo.sources.own import Checkpoint, read_labels, read_weights
from videovisual.zoo.sources.processor import input_spec

CONFIG = "config.json"
PROCESSORS = ("video_preprocessor_config.json", "preprocessor_config.json")
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
PICKLED = "pytorch_model.bin"
SPARE = 10**6
"""Weights of which a checkpoint may lack, such as a head's, before a network is built."""

SCORES: Mapping[str, Literal["softmax", "sigmoid", "raw"]] = {
    "multi_label_classification": "sigmoid",
    "regression": "raw",
}
"""What the outputs mean, by `problem_type` of `config.json`."""


@dataclass(frozen=True)
class Found:
    """A file of a repository, and its SHA-256 and size where they are published."""

    path: Path
    sha256: str | None = None
    size: int | None = None


@dataclass(frozen=True)
class Source:
    """Where a model's files are.

    Attributes:
        name: of the model.
        repository: `OWNER/NAME`, or the folder's name.
        address: for the card's `source`.
        origin: who has published the files.
        find: the file of a name, or None.
    """

    name: str
    repository: str
    address: str
    origin: str
    find: Callable[[str], Found | None]


def load_transformers(
    source: Source, weights: Weights | None = None, labels: Labels | None = None
) -> Classifier:
    """The classifier of a repository.

    Args:
        source: the repository.
        weights: a checkpoint of the user's own; None takes the repository's.
        labels: its class names, for which the network gets a head of as many classes.

    Raises:
        WeightsError: it has no network of one of the families, lacks a file, or its files are
            damaged or don't fit one another.
        MissingExtra: transformers is not installed.
    """
    config = _json(source, CONFIG)
    family = _family(source, config)
    spec = input_spec(family, config, _processor(source))
    names = _labels(source, config) if labels is None else read_labels(labels)
    found = _published(source) if weights is None else _Published(read_weights(weights))
    held = found.checkpoint
    transformers = imported("transformers", "hf")
    with _quiet(transformers):
        module = _network(transformers, family, config, names, held.state)
    readme = source.find("README.md")
    made = Classifier.from_module(
        module,
        names,
        spec,
        layout="NTCHW",
        scores=SCORES.get(str(config.get("problem_type")), "softmax"),
        argument=family.argument,
        name=source.name,
        licence=licence(source.repository, readme.path if readme else None),
    )
    card = dataclasses.replace(
        made.card,
        title=f"{family.title}, {source.repository.rpartition('/')[2]}",
        weights=WeightsCard(
            source=source.address,
            size=found.size,
            sha256=found.sha256,
            licence=made.card.weights.licence,
            origin=source.origin,
        ),
        accuracy="not known",
    )
    if weights is not None:
        card = card.with_own_weights(f"{source.name}-own", held.source, held.sha256)
    return Classifier(card, made.network, held.sha256, narrow_dtype(held.state))


def _family(source: Source, config: Mapping[str, Any]) -> Family:
    family = FAMILIES.get(str(config.get("model_type")))
    classes = config.get("architectures") or [family.network if family else None]
    if family is None or classes != [family.network]:
        known = ", ".join(each.network for each in FAMILIES.values())
        given = config.get("model_type") if classes == [None] else classes
        raise WeightsError(
            f"{source.name} is {shown(given)}, not one of {known}. Only these networks of "
            "transformers classify videos. Give the repository of a fine-tuned one.",
            model=source.name,
            architectures=classes,
        )
    return family


def _processor(source: Source) -> Mapping[str, Any]:
    for name in PROCESSORS:
        if source.find(name):
            return _json(source, name)
    raise WeightsError(
        f"{source.name} has no {' or '.join(PROCESSORS)}, so the size, mean and standard deviation "
        "of its input are not known. Save the processor of the network that it was trained from "
        "beside it: `AutoVideoProcessor.from_pretrained(BASE).save_pretrained(FOLDER)`.",
        model=source.name,
    )


def _json(source: Source, name: str) -> Mapping[str, Any]:
    """The object in a JSON file; raises WeightsError where it is missing or damaged."""
    found = source.find(name)
    if found is None:
        raise WeightsError(
            f"{source.name} has no {name}, so it is no model of transformers. Give a repository or "
            "a folder that `save_pretrained` wrote.",
            model=source.name,
        )
    try:
        held = json.loads(found.path.read_text("utf-8"))
    except (ValueError, RecursionError):
        held = None
    if not isinstance(held, dict):
        raise WeightsError(
            f"{name} of {source.name} is damaged: it is no JSON object. Download it again.",
            path=str(found.path),
        )
    return held


def _labels(source: Source, config: Mapping[str, Any]) -> tuple[str, ...]:
    held = config.get("id2label")
    try:
        named = {int(number): str(name) for number, name in dict(held or {}).items()}
    except (TypeError, ValueError):
        named = {}
    if not named or sorted(named) != list(range(len(named))):
        raise WeightsError(
            f"`id2label` in {CONFIG} of {source.name} doesn't number class names from 0. Give "
            "their names: `labels=FILE`.",
            model=source.name,
        )
    return tuple(named[number] for number in sorted(named))


@dataclass(frozen=True)
class _Published:
    """Weights, and their SHA-256 and size where they are published."""

    checkpoint: Checkpoint
    sha256: str | None = None
    size: int | None = None


def _published(source: Source) -> _Published:
    if found := source.find(WEIGHTS):
        return _Published(read_weights(found.path), found.sha256, found.size)
    if source.find(INDEX):
        return _Published(_shards(source))
    if found := source.find(PICKLED):
        return _Published(read_weights(found.path), found.sha256, found.size)
    raise WeightsError(
        f"{source.name} has no {WEIGHTS}, {INDEX} or {PICKLED}. Convert its weights in your own "
        "Python: `network.save_pretrained(FOLDER)`.",
        model=source.name,
    )


def _shards(source: Source) -> Checkpoint:
    files = _json(source, INDEX).get("weight_map")
    names = sorted({str(name) for name in files.values()}) if isinstance(files, dict) else []
    state: dict[str, torch.Tensor] = {}
    for name in names:
        found = source.find(name) if name == Path(name).name else None
        if found is None:
            raise WeightsError(
                f"{source.name} has no file {shown(name)!r}, which its {INDEX} names. Download it "
                "again.",
                model=source.name,
            )
        state |= read_weights(found.path).state
    return Checkpoint(state, tensors_sha256(state), INDEX)


def _network(
    transformers: ModuleType,
    family: Family,
    config: Mapping[str, Any],
    labels: Sequence[str],
    state: Mapping[str, torch.Tensor],
) -> nn.Module:
    """The network with the entries, which transformers renames where its own layout has changed."""
    check_floats(state)
    check_finite(state)
    made, own = _described(transformers, family, config, labels)
    _check_size(own, state)
    built: list[tuple[Mapping[str, torch.Tensor], nn.Module, Mapping[str, Any]]] = []

    def fits(entries: Mapping[str, torch.Tensor]) -> bool:
        network, report = getattr(transformers, family.network).from_pretrained(
            None,
            config=made,
            state_dict=dict(entries),
            output_loading_info=True,
            ignore_mismatched_sizes=True,
            dtype=torch.float32,
        )
        built.append((entries, network, report))
        return not report["missing_keys"]

    part = own_part(state, fits, len(own))
    if len(built) != 1 or built[0][0].keys() != part.keys():
        fits(part)
    _, network, report = built[-1]
    shapes = {
        key: {"expected": list(expected), "found": list(found)}
        for key, found, expected in sorted(report["mismatched_keys"])
    }
    missing = sorted(set(report["missing_keys"]) - set(shapes))
    if missing or shapes:
        raise misfit(missing, sorted(report["unexpected_keys"]), shapes)
    return network


def _check_size(own: Mapping[str, torch.Tensor], state: Mapping[str, torch.Tensor]) -> None:
    """Raises WeightsError before a configuration of a far larger network fills the memory."""
    needed, held = (sum(each.numel() for each in entries.values()) for entries in (own, state))
    if needed > 2 * held + SPARE:
        raise WeightsError(
            f"{CONFIG} describes a network of {needed:,} weights, and there are {held:,}. Give the "
            "two files of one network.",
            expected=needed,
            found=held,
        )


def _described(
    transformers: ModuleType, family: Family, config: Mapping[str, Any], labels: Sequence[str]
) -> tuple[Any, Mapping[str, torch.Tensor]]:
    """The configuration, and the entries of its network on the device `meta`.

    It has the family's own keys alone, of which none names code or files.
    """
    kind = getattr(transformers, family.config)
    common = {field.name for field in dataclasses.fields(transformers.PreTrainedConfig)}
    own = {field.name for field in dataclasses.fields(kind)} - common | {"qkv_bias"}
    try:
        made = kind(
            **{key: value for key, value in config.items() if key in own},
            id2label=dict(enumerate(labels)),
        )
        with torch.device("meta"):
            return made, getattr(transformers, family.network)(made).state_dict()
    except Exception as error:
        reason = str(error).strip().partition("\n")[0]
        raise WeightsError(
            f"{CONFIG} is not one of {family.title}: {shown(reason, 300)}. Download it again."
        ) from error


@contextmanager
def _quiet(transformers: ModuleType) -> Iterator[None]:
    """Without progress bars and reports of transformers: errors say what doesn't fit."""
    log = transformers.utils.logging
    shown_before, level = log.is_progress_bar_enabled(), log.get_verbosity()
    log.disable_progress_bar()
    log.set_verbosity_error()
    try:
        yield
    finally:
        log.set_verbosity(level)
        if shown_before:
            log.enable_progress_bar()
