"""Grad-CAM (Selvaraju et al. 2017, arXiv 1610.02391), with time as a third axis."""

from videovisual.attribution.method import Case, enlarged, to_map
from videovisual.attribution.parameters import LayerParameters
from videovisual.engine.probe import Attribution, Probe
from videovisual.engine.progress import Progress
from videovisual.saliency import Saliency


def grad_cam(case: Case, parameters: LayerParameters) -> Attribution:
    """The ReLU of the sum of a layer's channels, weighted by their mean gradients.

    The layer's coarse map is brought to the clip's frames and pixels by trilinear interpolation;
    its own shape is in the diagnostics. Unsigned.
    """
    layer = parameters.layer or case.card.cam_layer
    reading = yield Probe(case.clip[None], case.targets(1), layer=layer, progress=Progress(0, 1))
    assert reading.activation is not None
    assert reading.activation_gradient is not None
    weights = reading.activation_gradient.mean(dim=(2, 3, 4), keepdim=True)
    coarse = (weights * reading.activation).sum(dim=1, keepdim=True).relu()
    diagnostics = {"layer": layer, "layer_shape": list(coarse.shape[2:])}
    return Saliency(to_map(enlarged(case, coarse)), signed=False, diagnostics=diagnostics)
