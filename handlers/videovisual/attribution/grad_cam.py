"""Grad-CAM (Selvaraju et al. 2017, arXiv 1610.02391), with time as a third axis."""

import torch

from videovisual.attribution.baseline import baseline
from videovisual.attribution.method import Case, enlarged, to_map
from videovisual.attribution.parameters import GradCamParameters
from videovisual.engine.probe import Attribution, Probe
from videovisual.engine.progress import Progress
from videovisual.saliency import Saliency


def grad_cam(case: Case, parameters: GradCamParameters) -> Attribution:
    """The ReLU of the sum of a layer's channels, weighted by their mean gradients.

    Padding makes some cells active whatever the clip shows (Alsallakh et al. 2021, arXiv
    2010.02178), in I3D's last layer the right corners. Therefore the activations for a
    `baseline` are subtracted first, as DeepLIFT does (Shrikumar et al. 2017, arXiv 1704.02685);
    `none` is Grad-CAM as published. The layer's coarse map is brought to the clip's frames and
    pixels by trilinear interpolation; its own shape is in the diagnostics. Unsigned.
    """
    layer = parameters.layer or case.card.cam_layer
    clips = case.clip[None]
    if parameters.baseline != "none":
        clips = torch.stack([case.clip, baseline(case, parameters.baseline)])
    reading = yield Probe(clips, case.targets(len(clips)), layer=layer, progress=Progress(0, 1))
    assert reading.activation is not None
    assert reading.activation_gradient is not None
    weights = reading.activation_gradient[:1].mean(dim=(2, 3, 4), keepdim=True)
    own, *others = reading.activation[:, None]
    coarse = (weights * (own - others[0] if others else own)).sum(dim=1, keepdim=True).relu()
    diagnostics = {"layer": layer, "layer_shape": list(coarse.shape[2:])}
    return Saliency(to_map(enlarged(case, coarse)), signed=False, diagnostics=diagnostics)
