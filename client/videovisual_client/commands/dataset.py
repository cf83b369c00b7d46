"""What `audit` and `diff` share: models in this process, and a pass over a folder of clips."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from videovisual.utils.extras import needs
from videovisual.utils.text import readable
from videovisual_client.collection import NamedClip
from videovisual_client.commands.options import bundled, complete_methods, pair
from videovisual_client.dataset import Findings, Found, run
from videovisual_client.errors import VideoVisualError
from videovisual_client.terminal import bar, json_option, log, store_option

if TYPE_CHECKING:
    from videovisual.pipeline.pipeline import Result
    from videovisual.pipeline.plan import Plan
    from videovisual.zoo import Classifier


@dataclass(frozen=True)
class DatasetOptions:
    """How a folder of clips is inspected.

    Attributes:
        clips: the folder.
        labels_from: a list of the clips with their labels.
        method: explains the answers; None for the command's own.
        param: the method's parameters, `NAME=VALUE` each.
        seed: of all randomness.
        output: the folder of the results.
        fresh: whether to inspect clips again that have a record.
        device: where the models run; None for a GPU if there is one.
        store: folder of the archives.
        as_json: whether to print JSON.
    """

    clips: Path
    labels_from: Path | None
    method: str | None
    param: tuple[str, ...]
    seed: int
    output: Path
    fresh: bool
    device: str | None
    store: Path
    as_json: bool

    @property
    def parameters(self) -> dict[str, str]:
        """The method's parameters by name."""
        return dict(map(pair, self.param))


with_dataset = bundled(
    "options",
    DatasetOptions,
    [
        click.argument("clips", type=click.Path(exists=True, path_type=Path)),
        click.option(
            "--labels-from",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help="A list of the clips: lines `path label`, or a CSV such as Kinetics'.",
        ),
        click.option("--method", shell_complete=complete_methods, help="Explains the answers."),
        click.option("-p", "--param", multiple=True, metavar="NAME=VALUE", help="A parameter."),
        click.option("--seed", type=click.IntRange(0), default=0, help="Seed of all randomness."),
        click.option(
            "-o",
            "--output",
            type=click.Path(file_okay=False, path_type=Path),
            default=Path("results"),
            show_default=True,
            help="Folder of the results.",
        ),
        click.option("--fresh", is_flag=True, help="Make finished records again."),
        click.option("--device", help="cpu, cuda, …  [a GPU if there is one]"),
        store_option,
        json_option,
    ],
)


def load(model: str, device: str | None, store: Path) -> Classifier:
    """A model by its name or the file of its archive.

    Raises:
        MissingExtra: torch is not installed.
        UnknownModel, WeightsError, DownloadError, InvalidParameter: as `videovisual.load`.
    """
    with needs("server", "This command runs models in this process."):
        import torch  # noqa: PLC0415

        from videovisual.zoo import load as load_model  # noqa: PLC0415
    place = device or ("cuda" if torch.cuda.is_available() else "cpu")
    return load_model(model, device=place, store=store)


def plan(
    classifier: Classifier, method: str | None, parameters: Mapping[str, str], seed: int
) -> Plan:
    """A request to a model: classify, and explain the answer by one method or none.

    Raises:
        UnknownMethod, InvalidParameter, UnsuitableMethod: before anything is computed.
    """
    from videovisual.pipeline.plan import Plan  # noqa: PLC0415
    from videovisual.protocol import split_options  # noqa: PLC0415

    methods = () if method is None else (method,)
    options, _ = split_options({"method": methods, "seed": seed})
    return Plan.of(classifier, options, parameters)


def about(classifier: Classifier) -> dict[str, Any]:
    """What decides on a model's answers, for the records."""
    return {
        "model": classifier.card.name,
        "weights_sha256": classifier.weights_sha256,
        "labels_sha256": classifier.card.labels_sha256,
        "device": classifier.device.type,
    }


def classifiers(*models: Classifier) -> list[str | None]:
    """`Answer.classifier_sha256` of each model."""
    return [each.sha256 for each in models]


def folder_name(model: str) -> str:
    """A model's name as that of one folder."""
    return readable(model).replace("/", "_")


def drawn(result: Result) -> bytes:
    """The picture of an answer: a few frames with its map, if it has one."""
    from videovisual.render.thumbnail import thumbnail  # noqa: PLC0415

    assert result.prepared is not None
    assert result.prepared.frames is not None
    saliency = result.saliencies[0] if result.saliencies else None
    return thumbnail(result.prepared.frames, saliency)


def each(
    title: str,
    clips: Sequence[NamedClip],
    findings: Findings[Found],
    work: Callable[[NamedClip], tuple[Found, bytes]],
    failed: dict[str, str],
    *,
    fresh: bool,
) -> Iterator[tuple[NamedClip, Found]]:
    """What is found of the clips, with a progress bar; what fails is put into `failed`."""
    with bar(title) as advance:
        advance(0, len(clips))
        for number, (clip, found) in enumerate(run(clips, findings, work, fresh=fresh), start=1):
            if isinstance(found, VideoVisualError):
                failed[clip.name] = f"{found.code}: {found.message}"
            else:
                yield clip, found
            advance(number, len(clips))


def report(remarks: Sequence[str], failed: Mapping[str, str]) -> None:
    """Print what doesn't count."""
    for remark in remarks:
        log.print(remark, soft_wrap=True, markup=False)
    for name, reason in failed.items():
        log.print(f"failed: {name}: {reason}", soft_wrap=True, markup=False)
