"""The methods by name: titles, papers and parameters. Importing this file loads no torch."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from videovisual.attribution.masking_parameters import (
    FrameShapleyParameters,
    LimeParameters,
    OcclusionParameters,
    RiseParameters,
)
from videovisual.attribution.parameters import (
    ContrastiveExcitationBackpropParameters,
    GradCamParameters,
    IntegratedGradientsParameters,
    LayerParameters,
    Parameters,
    SmoothGradParameters,
)
from videovisual.attribution.perturbation.parameters import (
    DescentParameters,
    PerturbationParameters,
)
from videovisual.errors import InvalidParameter, UnknownMethod
from videovisual.utils.suggest import did_you_mean, nearest
from videovisual.utils.text import shown
from videovisual.utils.validation import invalid_value

if TYPE_CHECKING:
    from videovisual.attribution.method import Method

DEFAULT = "gradient"
"""The method where none is named: one pass, and of those the most faithful one
(`python -m benchmarks.defaults`)."""

DEFAULT_BY_SCORES = "occlusion"
"""The method where none is named and the model is known by its scores alone."""


@dataclass(frozen=True)
class Entry:
    """The public description of a method.

    Attributes:
        name: public name; also that of its function.
        title: one line for tables.
        paper: its source.
        needs: what it takes from the network: its `scores` alone, `gradients`, a `layer` or
            `attention` too.
        cost: how many passes it takes, with its parameters' names in braces; see `default_cost`.
        parameters: the schema of its parameters.
        aliases: other accepted names.
        signed: whether negative values of its maps are evidence against the target.
        module: the module of this package with its function; `name` by default.
    """

    name: str
    title: str
    paper: str
    needs: str
    cost: str
    parameters: type[Parameters]
    aliases: tuple[str, ...] = ()
    signed: bool = False
    module: str | None = None

    @property
    def extra(self) -> str | None:
        """The extra that the method needs beside `server`, if any."""
        return "torchray" if self.module == "torchray_adapter" else None

    @property
    def defaults(self) -> dict[str, Any]:
        """Its parameters with their default values; None is a default that the model decides."""
        return self.parameters().model_dump(mode="json")

    @property
    def default_cost(self) -> str:
        """How many passes it takes with its default parameters, in words."""
        return self.cost.format(**self.defaults)

    def parse(self, given: Mapping[str, Any]) -> Parameters:
        """Validate parameters given as strings or values.

        Raises:
            InvalidParameter: an unknown name or a value out of its range.
        """
        known = self.parameters.model_fields
        for name in given:
            if name not in known:
                raise InvalidParameter(
                    f"{self.name} has no parameter {shown(name)!r}.{did_you_mean(name, known)} "
                    f"Allowed: {', '.join(known) or 'none'}.",
                    parameter=shown(name),
                    allowed=list(known),
                    nearest=nearest(name, known),
                )
        try:
            return self.parameters.model_validate(dict(given))
        except ValidationError as error:
            raise invalid_value(error, self.parameters.model_json_schema()) from None

    def load(self) -> Method:
        """Import the method's function, and with it torch."""
        module = importlib.import_module(f"videovisual.attribution.{self.module or self.name}")
        method: Method = getattr(module, self.name)
        return method


ENTRIES = (
    Entry(
        "gradient",
        "absolute gradient of the target's logit at the input",
        "Simonyan et al. 2014, arXiv 1312.6034",
        "gradients",
        "1 gradient",
        Parameters,
        ("grad", "saliency"),
    ),
    Entry(
        "gradient_x_input",
        "gradient times input: a first-order account of the logit",
        "Shrikumar et al. 2016, arXiv 1605.01713",
        "gradients",
        "1 gradient",
        Parameters,
        ("grad*input", "grad_x_input"),
        signed=True,
    ),
    Entry(
        "smooth_grad",
        "gradients of noisy copies: their mean, squares or variance",
        "Smilkov et al. 2017, arXiv 1706.03825",
        "gradients",
        "{samples} gradients",
        SmoothGradParameters,
        ("smoothgrad",),
    ),
    Entry(
        "integrated_gradients",
        "gradients averaged on the way from a baseline, times the way",
        "Sundararajan et al. 2017, arXiv 1703.01365",
        "gradients",
        "{steps} gradients",
        IntegratedGradientsParameters,
        ("integrated_grad", "ig"),
        signed=True,
    ),
    Entry(
        "grad_cam",
        "a layer's channels weighted by their mean gradient",
        "Selvaraju et al. 2017, arXiv 1610.02391",
        "gradients, a layer",
        "2 gradients",
        GradCamParameters,
        ("gradcam",),
    ),
    Entry(
        "attention_rollout",
        "a transformer's attention, multiplied over its layers",
        "Abnar & Zuidema 2020, arXiv 2005.00928",
        "attention",
        "1 pass",
        Parameters,
        ("rollout",),
    ),
    Entry(
        "attention_relevance",
        "a transformer's attention times its gradient, accumulated over the layers",
        "Chefer et al. 2021, arXiv 2103.15679",
        "gradients, attention",
        "1 gradient",
        Parameters,
        ("relevance",),
    ),
    Entry(
        "ep_2d",
        "the mask that keeps the target best, of a given area in every frame",
        "Fong et al. 2019, arXiv 1910.08485",
        "gradients",
        "a search of up to 80 gradients",
        DescentParameters,
        ("2d_ep",),
        module="perturbation.methods",
    ),
    Entry(
        "ep_3d",
        "the mask that keeps the target best, of a given share of space-time",
        "Li et al. 2021, arXiv 2005.00375",
        "gradients",
        "a search of up to 320 gradients",
        PerturbationParameters,
        ("3d_ep",),
        module="perturbation.methods",
    ),
    Entry(
        "step",
        "as ep_3d, gathered into few solid regions of space-time",
        "Li et al. 2021, arXiv 2005.00375",
        "gradients",
        "a search of up to 100 gradients",
        DescentParameters,
        ("perturb", "perturbation"),
        module="perturbation.methods",
    ),
    Entry(
        "occlusion",
        "how much the target's logit falls where a box hides the clip",
        "Zeiler & Fergus 2014, arXiv 1311.2901",
        "scores",
        "about 343 passes: one a box",
        OcclusionParameters,
        signed=True,
    ),
    Entry(
        "rise",
        "random masks, weighted by the target's probability behind them",
        "Petsiuk et al. 2018, arXiv 1806.07421",
        "scores",
        "{masks} passes",
        RiseParameters,
    ),
    Entry(
        "lime",
        "a linear model of the logit over superpixels of space-time",
        "Ribeiro et al. 2016, arXiv 1602.04938",
        "scores",
        "{samples} passes",
        LimeParameters,
        signed=True,
    ),
    Entry(
        "frame_shapley",
        "each moment's fair share of the logit",
        "Shapley 1953; Štrumbelj & Kononenko 2014; Castro et al. 2009",
        "scores",
        "256 passes: one a set of moments",
        FrameShapleyParameters,
        signed=True,
    ),
    Entry(
        "guided_backprop",
        "gradient through rectifiers that pass only what is positive (TorchRay)",
        "Springenberg et al. 2015, arXiv 1412.6806",
        "gradients",
        "1 gradient",
        Parameters,
        module="torchray_adapter",
    ),
    Entry(
        "deconvnet",
        "gradient rectified on its way back (TorchRay)",
        "Zeiler & Fergus 2014, arXiv 1311.2901",
        "gradients",
        "1 gradient",
        Parameters,
        module="torchray_adapter",
    ),
    Entry(
        "linear_approx",
        "a layer's activations times the gradient there (TorchRay)",
        "Fong et al. 2019, arXiv 1910.08485",
        "gradients, a layer",
        "1 gradient",
        LayerParameters,
        signed=True,
        module="torchray_adapter",
    ),
    Entry(
        "excitation_backprop",
        "a winner-take-all walk from the target down to a layer (TorchRay)",
        "Zhang et al. 2016, arXiv 1608.00507",
        "gradients, a layer",
        "1 gradient",
        LayerParameters,
        ("eb",),
        module="torchray_adapter",
    ),
    Entry(
        "contrastive_excitation_backprop",
        "the walk from the target less the walk from all else (TorchRay)",
        "Zhang et al. 2016, arXiv 1608.00507",
        "gradients, a layer",
        "2 gradients",
        ContrastiveExcitationBackpropParameters,
        ("ceb",),
        module="torchray_adapter",
    ),
)

_BY_NAME = {name: entry for entry in ENTRIES for name in (entry.name, *entry.aliases)}


def find(name: str) -> Entry:
    """The method of that name or alias.

    Raises:
        UnknownMethod: there is no such method.
    """
    key = name.strip().lower().replace("-", "_")
    if key not in _BY_NAME:
        known = [entry.name for entry in ENTRIES]
        raise UnknownMethod(
            f"There is no method {shown(name)!r}.{did_you_mean(key, known)} "
            f"Allowed: {', '.join(known)}.",
            method=shown(name),
            nearest=nearest(key, known),
            allowed=known,
        )
    return _BY_NAME[key]
