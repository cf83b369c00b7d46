"""What a server of version 2 tells of itself and of a model."""

from videovisual.server.inference_protocol import outputs, tensors
from videovisual.server.inference_protocol.wire import ModelMetadata, ServerMetadata, TensorMetadata
from videovisual.version import __version__
from videovisual.zoo import ModelCard

VERSION = "1.0"
"""Of every archive."""

ANY = -1
"""A dimension of any length."""


def server() -> ServerMetadata:
    """The server."""
    return ServerMetadata(
        name="videovisual", version=__version__, extensions=["binary_tensor_data", "parameters"]
    )


def model(card: ModelCard) -> ModelMetadata:
    """A model's inputs, of which a request has one, and its outputs."""
    classes = [len(card.labels)]
    shapes = {outputs.SALIENCY: [ANY, card.input.height, card.input.width], outputs.ANSWER: [1]}
    return ModelMetadata(
        name=card.name,
        versions=[VERSION],
        platform="videovisual_pytorch",
        inputs=[
            TensorMetadata(name=tensors.VIDEO, datatype="BYTES", shape=[1]),
            TensorMetadata(name=tensors.CLIP, datatype="UINT8", shape=[ANY, ANY, ANY, 3]),
        ],
        outputs=[
            TensorMetadata(
                name=name,
                datatype="BYTES" if name in outputs.TEXTS else "FP32",
                shape=shapes.get(name, classes),
            )
            for name in outputs.names(card, maps=1)
        ],
    )
