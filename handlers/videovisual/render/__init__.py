"""Saliency as pictures: PNG filmstrip, GIF, mp4 and HTML report. Does not import torch.

drawn = panels(answer, saliencies, frames, source)
to_png(drawn), to_gif(drawn), to_mp4(drawn), to_html(answer, drawn)
"""

from videovisual.protocol.caveats import caveats
from videovisual.protocol.caveats import caveats as doubts
from videovisual.render.compose import overlay
from videovisual.render.film import Film
from videovisual.render.filmstrip import strip, to_png
from videovisual.render.gif import to_gif
from videovisual.render.heat import Heat, heat, smooth
from videovisual.render.panel import Panel, panels
from videovisual.render.report import report_data, to_html
from videovisual.render.video import X264, to_mp4

__all__ = [
    "X264",
    "Film",
    "Heat",
    "Panel",
    "caveats",
    "doubts",
    "heat",
    "overlay",
    "panels",
    "report_data",
    "smooth",
    "strip",
    "to_gif",
    "to_html",
    "to_mp4",
    "to_png",
]
