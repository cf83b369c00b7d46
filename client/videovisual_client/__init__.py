"""Classify and explain clips on a VideoVisual server.

from videovisual_client import Client

client = Client("http://127.0.0.1:8080", token="…")
result = client.explain("clip.mp4", model="i3d-kinetics400", method="integrated_gradients")
result.predictions[0].label, result.saliency.map.shape
result.save("overlay.mp4")
"""

from videovisual_client.client import Client
from videovisual_client.errors import AuthenticationFailed, ConnectionFailed
from videovisual_client.result import Classification, Explained

__all__ = ["AuthenticationFailed", "Classification", "Client", "ConnectionFailed", "Explained"]
