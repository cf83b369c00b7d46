"""The application on Ray Serve: `serve run videovisual.server.asgi.ray_serve:app`.

Needs `ray[serve]`. `deploy/ray/config.yaml` deploys it, with its autoscaling.
"""

import os

from ray import serve
from starlette.types import ASGIApp

from videovisual.errors import InvalidParameter
from videovisual.server.asgi.app import NO_KEYS_VARIABLE, from_environment
from videovisual.server.settings import Settings


def build() -> ASGIApp:
    """The application of one replica, which takes no jobs; see `from_environment`.

    Raises:
        InvalidParameter: no key file is named, so each replica would make keys of its own.
        VideoVisualError: as `from_environment`.
    """
    has_keys = os.environ.get("VIDEOVISUAL_KEY_FILE")
    if not has_keys and os.environ.get(NO_KEYS_VARIABLE, "").lower() != "true":
        raise InvalidParameter(
            "Replicas share their keys, and no file of them is named. Set $VIDEOVISUAL_KEY_FILE to "
            f"one that all of them can read, or {NO_KEYS_VARIABLE}=true for no keys."
        )
    # Ray sends the request for a job's state to any replica.
    return from_environment(Settings.from_environment().model_copy(update={"jobs": False}))


# Without a builder Ray Serve would pickle the application, with its models, on the head.
app = serve.deployment(serve.ingress(build)(), name="videovisual").bind()
