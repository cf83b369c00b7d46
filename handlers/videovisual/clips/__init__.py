"""Clips: opening bytes, files, folders and arrays, limits, and sampling of frames.

    source = open_bytes(upload)                    # decodes one frame
    clip, = sample(source, Sampling(frames=16))    # uint8 [16, H, W, 3], RGB

`Source.info` describes the clip; `Source.read` decodes only the requested frames. Errors are those
of `videovisual.errors`.
"""

from videovisual.clips.limits import Limits as Limits
from videovisual.clips.opening import open_any as open_any
from videovisual.clips.opening import open_bytes as open_bytes
from videovisual.clips.opening import open_frames as open_frames
from videovisual.clips.opening import open_parts as open_parts
from videovisual.clips.opening import open_path as open_path
from videovisual.clips.sampling import Clip as Clip
from videovisual.clips.sampling import Sampling as Sampling
from videovisual.clips.sampling import plan as plan
from videovisual.clips.sampling import sample as sample
from videovisual.clips.source import Source as Source
from videovisual.clips.source import SourceInfo as SourceInfo
from videovisual.utils.folder import frame_files as frame_files
