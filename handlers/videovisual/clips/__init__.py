"""Clips: opening bytes, files, folders and arrays, limits, and sampling of frames.

    source = open_bytes(upload)                    # decodes one frame
    clip, = sample(source, Sampling(frames=16))    # uint8 [16, H, W, 3], RGB

`Source.info` describes the clip; `Source.read` decodes only the requested frames. Errors are those
of `videovisual.errors`.
"""

from videovisual.clips.limits import Limits
from videovisual.clips.opening import open_bytes, open_frames, open_parts, open_path
from videovisual.clips.sampling import Clip, Sampling, plan, sample
from videovisual.clips.source import Source, SourceInfo
from videovisual.utils.folder import frame_files

__all__ = [
    "Clip",
    "Limits",
    "Sampling",
    "Source",
    "SourceInfo",
    "frame_files",
    "open_bytes",
    "open_frames",
    "open_parts",
    "open_path",
    "plan",
    "sample",
]
