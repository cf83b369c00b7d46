"""Saliency as pictures: filmstrip, figure, GIF, mp4 and HTML report. Does not import torch.

drawn = panels(answer, saliencies, frames, source)
to_png(drawn), to_pdf(drawn), to_svg(drawn), to_gif(drawn), to_mp4(drawn), to_html(answer, drawn)
"""

from videovisual.protocol.caveats import caveats as caveats
from videovisual.render.columns import Columns as Columns
from videovisual.render.compose import overlay as overlay
from videovisual.render.drawing import ClipDrawing as ClipDrawing
from videovisual.render.drawing import draw as draw
from videovisual.render.figure import to_pdf as to_pdf
from videovisual.render.figure import to_svg as to_svg
from videovisual.render.film import Film as Film
from videovisual.render.filmstrip import strip as strip
from videovisual.render.filmstrip import to_png as to_png
from videovisual.render.gif import to_gif as to_gif
from videovisual.render.heat import Heat as Heat
from videovisual.render.heat import heat as heat
from videovisual.render.heat import smooth as smooth
from videovisual.render.notebook import in_notebook as in_notebook
from videovisual.render.panel import Panel as Panel
from videovisual.render.panel import panels as panels
from videovisual.render.report import report_data as report_data
from videovisual.render.report import still as still
from videovisual.render.report import to_html as to_html
from videovisual.render.timeline import to_timeline as to_timeline
from videovisual.render.video import X264 as X264
from videovisual.render.video import to_mp4 as to_mp4

doubts = caveats
"""The name of `caveats` in 0.1."""
