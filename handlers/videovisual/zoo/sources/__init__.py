"""Classifiers from where people keep them: the Hub, folders of transformers, torchvision.

Only loading and archiving use this package; an archive doesn't contain it.
"""

from pathlib import Path

from videovisual.zoo.classifier import Classifier
from videovisual.zoo.layout import Labels, Weights
from videovisual.zoo.sources.torchvision_models import PREFIX, load_torchvision
from videovisual.zoo.sources.transformers_models import CONFIG, Found, Source, load_transformers
from videovisual.zoo.weights_io.hub import Repository, fetch_file


def load_elsewhere(
    name: str, weights: Weights | None = None, labels: Labels | None = None
) -> Classifier:
    """The classifier of a name for which `names.is_elsewhere` holds.

    Args:
        name: `hf:OWNER/NAME[@REVISION]`, `torchvision:NAME`, or a folder with `config.json`.
        weights: a checkpoint of the user's own; None takes the published weights.
        labels: its class names.

    Raises:
        UnknownModel, DownloadError, WeightsError, MissingExtra, InvalidParameter: as
            `videovisual.load`.
    """
    if name.startswith(PREFIX):
        return load_torchvision(name, weights, labels)
    source = _hub(name) if name.startswith("hf:") else _folder(Path(name))
    return load_transformers(source, weights, labels)


def _folder(path: Path) -> Source:
    def find(file: str) -> Found | None:
        return Found(path / file) if (path / file).is_file() else None

    whole = path.resolve().name
    return Source(whole, whole, f"{whole}/", "own weights", find)


def _hub(name: str) -> Source:
    asked = Repository.parse(name)
    config = fetch_file(asked, CONFIG)
    revision = (config and config.commit) or asked.revision
    # All files are of one commit, even if the branch moves meanwhile.
    pinned = Repository(asked.name, revision)

    def find(file: str) -> Found | None:
        found = fetch_file(pinned, file)
        return Found(found.path, found.sha256, found.size) if found else None

    return Source(name, asked.name, f"hf:{asked.name}@{revision}", "the Hub", find)
