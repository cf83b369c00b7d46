"""Exports a network of any kind as a program."""

import dataclasses
import io
import warnings
from collections.abc import Mapping

import torch
from torch import nn
from torch.export import Dim, ExportedProgram

from videovisual.errors import InvalidParameter
from videovisual.utils.text import shown
from videovisual.zoo.card import InputSpec
from videovisual.zoo.own_module import noise
from videovisual.zoo.program.network import Program
from videovisual.zoo.program.pt2 import read_pt2

TOLERANCE = 1e-5
"""Largest difference of a program's logits from the network's, as a share of the largest logit."""

CAUSES: Mapping[str, str] = {
    "data-dependent|Data-dependent|data dependent|DynamicOutputShape": "Its `forward` decides by "
    "the values of a tensor, for example by `if x.sum() > 0`, or takes a shape from them. A "
    "program cannot: use `torch.where` or masks.",
    "numpy|FakeTensor|fake tensor|Tensor.item": "Its `forward` leaves PyTorch, for example by "
    "`.numpy()` or a C++ extension. Compute with PyTorch's own functions.",
}
OTHER_CAUSE = "`torch.export.export(network, (clips,), strict=False)` shows the place."


def export(network: nn.Module, spec: InputSpec, dtype: torch.dtype) -> tuple[Program, InputSpec]:
    """The program of a network, and its input, which may be narrower than the network's.

    Args:
        network: in evaluation mode; maps clips [N, 3, T, H, W] to logits.
        spec: of its input. The program takes the numbers of frames that it allows if the network
            answers for them alike, else `spec.frames` alone.
        dtype: of the clips that the network is given. The program always takes float32.

    Raises:
        InvalidParameter: the network can't be exported, for example because its control flow
            depends on values, or the program gives other logits.
        WeightsError: the network calls what a program may not call.
    """
    device = next((each.device for each in network.parameters()), torch.device("cpu"))

    def clips(frames: int) -> torch.Tensor:
        clip = noise(dataclasses.replace(spec, frames=frames)).to(device, dtype)
        return torch.stack([clip, clip.flip(-1)])

    fewer = spec.frames - spec.frame_multiple
    if fewer >= max(spec.min_frames, 1) and _runs(network, clips(fewer)):
        try:
            program = _exported(network, clips(spec.frames), frames_vary=True)
            if all(_agree(network, program, clips(count)) for count in (spec.frames, fewer)):
                return program, spec
        except InvalidParameter:
            # The exporter may not follow what the network does with the number of frames.
            pass
    program = _exported(network, clips(spec.frames), frames_vary=False)
    if not _agree(network, program, clips(spec.frames)):
        raise _differs()
    return program, _with_one_length(spec)


def _with_one_length(spec: InputSpec) -> InputSpec:
    return dataclasses.replace(
        spec,
        min_frames=min(spec.min_frames, spec.frames),
        max_frames=spec.frames,
        frame_multiple=spec.frames,
    )


def _exported(network: nn.Module, clips: torch.Tensor, *, frames_vary: bool) -> Program:
    dimensions = {0: Dim.AUTO, **({2: Dim.AUTO} if frames_vary else {})}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.export.export(
                network, (clips,), dynamic_shapes=(dimensions,), strict=False
            )
            vary = _vary(program)
            buffer = io.BytesIO()
            torch.export.save(program, buffer)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        raise _failed(error) from error
    if not vary.issuperset(dimensions):
        raise _differs()
    return Program(*read_pt2(buffer)).eval()


def _vary(program: ExportedProgram) -> set[int]:
    """The dimensions of the clips that a program allows any size of."""
    (name,) = program.graph_signature.user_inputs
    (clips,) = (node for node in program.graph.nodes if node.name == name)
    sizes = enumerate(clips.meta["val"].shape)
    return {place for place, size in sizes if isinstance(size, torch.SymInt)}


def _failed(error: Exception) -> InvalidParameter:
    text = f"{type(error).__name__}: {error}"
    causes = (
        cause for signs, cause in CAUSES.items() if any(sign in text for sign in signs.split("|"))
    )
    reason = shown(str(error).strip().partition("\n")[0], 300)
    return InvalidParameter(
        f"The network can't be exported as a program: {type(error).__name__}: {reason}. "
        f"{next(causes, OTHER_CAUSE)}",
        parameter="module",
    )


def _runs(network: nn.Module, clips: torch.Tensor) -> bool:
    with torch.inference_mode():
        try:
            network(clips)
        except torch.OutOfMemoryError:
            raise
        except Exception:
            return False
    return True


def _agree(network: nn.Module, program: Program, clips: torch.Tensor) -> bool:
    """Whether both give the same logits, for one clip and for two."""
    with torch.inference_mode():
        for part in (clips[:1], clips):
            expected = network(part.clone())
            try:
                found = program(part.float())
            except RuntimeError:
                return False
            scale = expected.abs().max()
            if found.shape != expected.shape or (found - expected).abs().max() > TOLERANCE * scale:
                return False
    return True


def _differs() -> InvalidParameter:
    return InvalidParameter(
        "The network's exported program answers otherwise than the network, or for one number of "
        "clips alone. Perhaps its `forward` makes a Python number of the count of clips (replace "
        "`len(x)` by `x.shape[0]`), keeps values from one call to the next, or draws random "
        "numbers.",
        parameter="module",
    )
