"""Classify and explain clips on a VideoVisual server.

from videovisual_client import Client

client = Client("http://127.0.0.1:8080", key_file="key_file.json")
result = client.explain("clip.mp4", model="i3d-kinetics400", method="integrated_gradients")
result.predictions[0].label, result.saliency.map.shape
result.save("overlay.mp4")
"""

from videovisual_client import errors
from videovisual_client.async_client import AsyncClient
from videovisual_client.client import Client
from videovisual_client.errors import *  # noqa: F403
from videovisual_client.events import Accepted, Partial, Progress
from videovisual_client.exchange import Timeouts
from videovisual_client.job import AsyncJob, Job
from videovisual_client.result import Classification, Explained

__all__ = [
    "Accepted",
    "AsyncClient",
    "AsyncJob",
    "Classification",
    "Client",
    "Explained",
    "Job",
    "Partial",
    "Progress",
    "Timeouts",
]
__all__ += errors.__all__
