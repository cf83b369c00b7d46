"""Classifiers of models that are known by their scores alone: functions, files, and servers."""

from collections.abc import Mapping, Sequence
from math import prod
from os import PathLike
from pathlib import Path
from typing import Literal, TypeVar

from torch import nn

from videovisual.zoo import score_function
from videovisual.zoo.adapter import FrameScores, Interface, Layout, Output
from videovisual.zoo.card import InputSpec, ModelCard, WeightsCard
from videovisual.zoo.onnx_model import ONNX, OnnxModel

Made = TypeVar("Made", bound="ByScores")


class ByScores:
    """The constructors of `Classifier` that take no network."""

    def __init__(
        self,
        card: ModelCard,
        network: nn.Module,
        weights_sha256: str | None = None,
        weights_dtype: str | None = None,
    ) -> None:
        """See `Classifier`."""

    @classmethod
    def from_scores(
        cls: type[Made],
        function: score_function.Function,
        labels: Sequence[str],
        input: InputSpec,
        *,
        layout: Layout = "NCTHW",
        scores: Literal["softmax", "sigmoid", "raw"] = "softmax",
        probabilities: bool = False,
        output: Output | None = None,
        frame_scores: FrameScores | None = None,
        name: str | None = None,
        licence: str = "not known",
    ) -> Made:
        """A function that gives scores as a classifier: a model that can't be opened.

        Only methods that need scores alone explain it: `occlusion`, `rise`, `lime` and
        `frame_shapley`. One thread at a time calls the function.

        Args:
            function: takes clips, a float32 array [N, 3, T, H, W] or as `layout` says, with the
                values that `input` describes; gives scores [N, classes], an array or a tensor.
            labels, input, layout, scores, output, frame_scores, name, licence: as in
                `from_module`.
            probabilities: whether the function gives probabilities. Their logarithms are then the
                logits; if `scores` is `sigmoid`, the logarithms of their odds.

        Raises:
            InvalidParameter: the function answers otherwise than described; the message says what
                it was given, what came, and which argument to change.
            ScoresError: the function fails.
            WeightsError: two labels are the same.
        """
        card, network = score_function.described(
            function,
            labels,
            input,
            Interface(layout, output=output, frame_scores=frame_scores),
            scores,
            probabilities=probabilities,
            name=name,
            weights=WeightsCard("function", None, None, licence, "own model"),
        )
        return cls(card, network, "not known: a function")

    @classmethod
    def from_onnx(
        cls: type[Made],
        path: str | PathLike[str],
        labels: Sequence[str],
        input: InputSpec,
        *,
        layout: Layout | None = None,
        scores: Literal["softmax", "sigmoid", "raw"] = "softmax",
        probabilities: bool = False,
        output: Output | None = None,
        frame_scores: FrameScores | None = None,
        name: str | None = None,
        licence: str = "not known",
    ) -> Made:
        """An ONNX model as a classifier, run on the processor by onnxruntime.

        Only methods that need scores alone explain it, as `from_scores`.

        Args:
            path: the `.onnx` file; files of weights beside it, which it names, are read too.
            labels, input, scores, probabilities, output, frame_scores, licence: as in
                `from_scores`. `output` is the name of an output, if the model has several.
            layout: order of the axes of its input; read from the model's shapes unless given.
            name: of the model in answers; the file's unless given.

        Raises:
            WeightsError: the file is damaged or too large, names files outside of its folder, or
                needs operators that onnxruntime lacks.
            InvalidParameter: the model takes other clips than `input` describes, or answers
                otherwise than described.
            MissingExtra: onnxruntime is not installed.
        """
        model = OnnxModel.read(Path(path))
        output = None if [output] == model.outputs else output
        order = model.layout(input, layout)
        interface = Interface(order, output=output, frame_scores=frame_scores)
        card, network = score_function.described(
            model,
            labels,
            input,
            interface,
            scores,
            probabilities=probabilities,
            name=name or Path(path).stem,
            weights=WeightsCard(Path(path).name, model.size, model.sha256, licence, "own weights"),
            family=ONNX,
        )
        return cls(card, network, model.sha256)

    @classmethod
    def from_url(
        cls: type[Made],
        url: str,
        labels: Sequence[str],
        input: InputSpec,
        *,
        layout: Layout | None = None,
        scores: Literal["softmax", "sigmoid", "raw"] = "softmax",
        probabilities: bool = False,
        output: Output | None = None,
        frame_scores: FrameScores | None = None,
        name: str | None = None,
        licence: str = "not known",
        batch: int = 8,
        concurrency: int = 4,
        timeout_s: float = 60.0,
        retries: int = 3,
        headers: Mapping[str, str] | None = None,
        binary: bool | None = None,
    ) -> Made:
        """A model that is served elsewhere as a classifier, by the open inference protocol.

        KServe, Triton, MLServer, TorchServe and TensorFlow Serving speak it. Only methods that need
        scores alone explain it, as `from_scores`.

        Args:
            url: `http://HOST/v2/models/MODEL` or `http://HOST/v1/models/MODEL`, which says the
                version too. Clips go to v1 as `instances`, to v2 as the model's only input, of
                `FP32`, `FP16`, `FP64` or `UINT8`.
            labels, input, scores, probabilities, output, frame_scores, licence: as in
                `from_scores`. `output` is the name of an output, if the model has several.
            layout: order of the axes of its input; read from the model's metadata unless given,
                and `NCTHW` with v1, which has none.
            name: of the model in answers; the address's unless given.
            batch: the most clips of one request, 1 to 4096: of a model whose metadata fix the
                number, that number. Requests of several clips stay below 64 MiB, and from one that
                is refused with 413 on, half as many clips are sent.
            concurrency: the most requests at once, 1 to 64.
            timeout_s: how long a request may take, in seconds.
            retries: how often a request is sent again where the connection fails, or the answer is
                429, 502 or 503; with growing pauses, of `Retry-After` at least.
            headers: of every request, such as `Authorization`.
            binary: whether tensors of v2 are sent as bytes; unless given, if the server's metadata
                name the extension `binary_tensor_data`.

        Raises:
            PredictorUnreachable: there is no connection, or the predictor stays busy.
            PredictorTimeout: it doesn't answer in time.
            PredictorError: it refuses, or answers with another number of rows, with NaN, or with
                what is no answer.
            InvalidParameter: the model takes other clips than `input` describes, or answers
                otherwise than described; this is no address; or a number is out of its range.
            NetworkSettingsError: a variable about proxies or certificates can't be used.
        """
        # Servers of archives need neither it nor httpx.
        from videovisual.zoo.predictor.predictor import Connection, Predictor  # noqa: PLC0415

        connection = Connection(batch, concurrency, timeout_s, retries, headers, binary)
        predictor = Predictor(url, prod(input.shape), connection)
        try:
            order = predictor.protocol.layout(input, layout)
            card, network = score_function.described(
                predictor,
                labels,
                input,
                Interface(order, output=output, frame_scores=frame_scores),
                scores,
                probabilities=probabilities,
                name=name or predictor.model,
                weights=WeightsCard(predictor.url, None, None, licence, "served elsewhere"),
                family="predictor",
                batch=predictor.batch,
            )
        except BaseException:
            predictor.close()
            raise
        return cls(card, network, "not known: served elsewhere")
