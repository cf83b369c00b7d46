"""Builds a reproducible `.mar`, TorchServe's archive, from a card and its weights.

torch-model-archiver lays out the archive's folder. The zip is written here, because the archiver's
own depends on the time and on the file system's order.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors.torch import save_file

from videovisual import errors
from videovisual.errors import MissingExtra, WeightsError
from videovisual.utils.digest import file_sha256
from videovisual.utils.extras import install_command
from videovisual.utils.files import check_writable, whole_file
from videovisual.zoo.archived import (
    BUILD_FILE,
    CARD_FILE,
    ONNX_FILE,
    PROGRAM_FILE,
    WEIGHTS_FILE,
    read_archive,
)
from videovisual.zoo.card import ModelCard

CONFIG = "model-config.yaml"
MANIFEST = "MAR-INF/MANIFEST.json"
SERVING: Mapping[str, Any] = {
    "minWorkers": 1,
    "maxWorkers": 1,
    "batchSize": 64,
    "maxBatchDelay": 1,
    "continuousBatching": True,
    "responseTimeout": 120,
    "startupTimeout": 120,
}
"""One worker, which gets all active requests in every round: the engine does the batching."""
EPOCH = (1980, 1, 1, 0, 0, 0)
LEFT_OUT = (
    "audit",
    "diff",
    "motion/plain_attention.py",
    "motion/recipes.py",
    "motion/training.py",
    "server/asgi",
    "zoo/predictor",
    "zoo/sources",
    "zoo/weights_io",
)
"""Parts of the package that TorchServe's worker has no use for."""
LAYOUT_VERSION = "1"

Content = Mapping[str, torch.Tensor] | bytes
"""A network's entries, or a whole ONNX model."""


def package_folder() -> Path:
    """Folder of the package `videovisual`, which every archive contains."""
    return Path(errors.__file__).parent


def handler_file() -> Path:
    """TorchServe's entry point, `video_handler.py` next to the package."""
    return package_folder().parent / "video_handler.py"


def fingerprint(
    card: ModelCard, source_sha256: str, handler: Path | None = None, program: bytes | None = None
) -> str:
    """SHA-256 of everything that determines an archive's content.

    Args:
        card: the model's card, with its final labels.
        source_sha256: of the checkpoint that the weights come from.
        handler: the entry point, `handler_file()` unless given.
        program: the JSON of the exported program, if it is one.
    """
    digest = hashlib.sha256(program or b"")
    for part in (LAYOUT_VERSION, _json(card.to_json()), source_sha256, _json(SERVING)):
        digest.update(part.encode() + b"\0")
    digest.update(bytes.fromhex(file_sha256(handler or handler_file())))
    for path in _package_files():
        digest.update(path.relative_to(package_folder()).as_posix().encode() + b"\0")
        digest.update(bytes.fromhex(file_sha256(path)))
    return digest.hexdigest()


def is_current(archive: Path, wanted: str) -> bool:
    """Whether the archive exists and has the fingerprint `wanted`."""
    try:
        return read_archive(archive).fingerprint == wanted
    except WeightsError:
        return False


def build_archive(
    card: ModelCard,
    state: Content,
    store: Path,
    *,
    source_sha256: str,
    program: bytes | None = None,
    handler: Path | None = None,
    force: bool = False,
) -> Path:
    """Write `store/NAME.mar` atomically.

    Args:
        card: the model's card.
        state: the network's `state_dict()`, or a whole ONNX model.
        store: folder of the archives, created where it doesn't exist.
        source_sha256: of the checkpoint that `state` was read from.
        program: the JSON of the exported program, of which `state` has the tensors.
        handler: the entry point, `handler_file()` unless given.
        force: rebuild an archive that has the same content.

    Returns:
        Path of the archive.

    Raises:
        MissingExtra: torch-model-archiver is not installed.
        WeightsError: torch-model-archiver failed; the message ends with its last line of output.
        WriteError: the archive can't be written; nothing of it is left.
    """
    handler = handler or handler_file()
    target = store / f"{card.name}.mar"
    wanted = fingerprint(card, source_sha256, handler, program)
    if not force and is_current(target, wanted):
        return target
    check_writable(target)
    with tempfile.TemporaryDirectory(prefix="videovisual-") as name:
        folder = Path(name)
        build = {"fingerprint": wanted, "source_sha256": source_sha256}
        _write_parts(folder, card, build)
        if program is not None:
            (folder / "files" / PROGRAM_FILE).write_bytes(program)
        model = _write_model(folder, card, state, source_sha256)
        _zip(_lay_out(folder, card.name, handler, model), target)
    return target


def _write_parts(folder: Path, card: ModelCard, build: Mapping[str, str]) -> None:
    files = folder / "files"
    for path in _package_files():
        copy = files / "videovisual" / path.relative_to(package_folder())
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    (files / CARD_FILE).write_text(_json(card.to_json()), "utf-8")
    (files / BUILD_FILE).write_text(_json(build), "utf-8")
    (folder / CONFIG).write_text(yaml.safe_dump(dict(SERVING), sort_keys=False), "utf-8")


def _write_model(folder: Path, card: ModelCard, state: Content, source_sha256: str) -> Path:
    if isinstance(state, bytes):
        (folder / ONNX_FILE).write_bytes(state)
        return folder / ONNX_FILE
    # A single metadata entry, because safetensors writes several in a random order.
    about = {"model": card.name, "source_sha256": source_sha256}
    tensors = {key: tensor.contiguous() for key, tensor in state.items()}
    save_file(tensors, folder / WEIGHTS_FILE, metadata={"videovisual": _json(about)})
    return folder / WEIGHTS_FILE


def _lay_out(folder: Path, name: str, handler: Path, model: Path) -> Path:
    # The archiver removes $TMPDIR/NAME, so it gets a temporary folder of its own.
    private, out = folder / "tmp", folder / "out"
    private.mkdir()
    out.mkdir()
    command = [
        *(sys.executable, "-m", "model_archiver.model_packaging", "--model-name", name),
        *("--version", "1.0", "--handler", str(handler), "--extra-files", str(folder / "files")),
        *("--serialized-file", str(model), "--config-file", str(folder / CONFIG)),
        *("--archive-format", "no-archive", "--export-path", str(out)),
    ]
    environment = os.environ | {"TMPDIR": str(private), "TEMP": str(private)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode != 0:
        last = done.stderr.strip().rpartition("\n")[2]
        if "No module named" in last:
            raise MissingExtra(
                f"torch-model-archiver is not installed. Run: {install_command('server')}.",
                extra="server",
            )
        raise WeightsError(f"torch-model-archiver cannot archive {name}: {last}", model=name)
    return out / name


def _zip(folder: Path, target: Path) -> None:
    manifest = folder / MANIFEST
    made = json.loads(manifest.read_text("utf-8")) | {"createdOn": "01/01/1980 00:00:00"}
    manifest.write_text(_json(made), "utf-8")
    with whole_file(target) as draft, zipfile.ZipFile(draft, "w") as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), EPOCH)
            entry.external_attr = 0o644 << 16
            entry.file_size = path.stat().st_size
            stored = path.suffix in (".safetensors", ".onnx")
            entry.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
            with path.open("rb") as file, archive.open(entry, "w") as into:
                shutil.copyfileobj(file, into, 1 << 20)


def _package_files() -> Iterator[Path]:
    """The package's files that an archive contains, in a fixed order."""
    root = package_folder()
    for path in sorted(root.rglob("*")):
        relative = path.relative_to(root)
        hidden = any(part == "__pycache__" or part.startswith(".") for part in relative.parts)
        left_out = any(relative.is_relative_to(place) for place in LEFT_OUT)
        if path.is_file() and not hidden and not left_out and path.suffix != ".safetensors":
            yield path


def _json(data: Any) -> str:
    return json.dumps(data, ensure_ascii=False, indent=1, sort_keys=True)
