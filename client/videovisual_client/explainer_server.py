"""Runs uvicorn in this process, explaining a model that is served elsewhere."""

import time
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from videovisual.errors import PredictorError, PredictorUnreachable
from videovisual.utils.extras import needs
from videovisual_client.asgi_server import AsgiServer

if TYPE_CHECKING:
    from starlette.applications import Starlette

PAUSE_S = 1.0
"""Between two looks at a predictor that isn't ready."""

STEP_S = 60.0
"""A pass takes as many clips as the predictor takes at once, however long that is."""


@dataclass(eq=False)
class ExplainerServer(AsgiServer):
    """uvicorn, explaining one model by the scores that a predictor gives.

    Attributes:
        predictor: the address of the model; see `videovisual.Classifier.from_url`.
        card: JSON with `labels` and `input`; by default the `parameters` of the predictor's
            metadata.
        connection: arguments of `from_url`, which go before those of the card.
        running: how many explanations may run at once; by default as the settings say.
        wait_s: how long the predictor may take to get ready, in seconds.
        on_wait: called with the reason whenever the predictor isn't ready for another one.
    """

    _: KW_ONLY
    predictor: str
    store: Path = field(default=Path(), init=False)
    card: Path | None = None
    connection: Mapping[str, Any] = field(default_factory=dict)
    running: int | None = None
    wait_s: float = 600.0
    on_wait: Callable[[str], None] = lambda _: None

    def application(self, folder: Path) -> "Starlette":
        """What is served, once the predictor is ready.

        Raises:
            PredictorError: it isn't ready in time, or gives no scores for the card's labels.
            InvalidParameter: it takes or gives other than the card says.
            WeightsError: there is no card, or a wrong one.
        """
        with needs("asgi"):
            from videovisual import zoo  # noqa: PLC0415
            from videovisual.server.asgi import explainer  # noqa: PLC0415
            from videovisual.server.process import tune_process  # noqa: PLC0415
            from videovisual.server.settings import Settings  # noqa: PLC0415
            from videovisual.zoo.own_card import read_own_card  # noqa: PLC0415
            from videovisual.zoo.predictor.predictor import card_of  # noqa: PLC0415
        settings = Settings.from_environment()
        given: dict[str, Any] = (
            {"step_s": STEP_S} if "step_s" not in settings.model_fields_set else {}
        )
        if self.running is not None:
            given["max_running"] = self.running
        tune_process()
        made_by = zoo.Classifier.from_url

        def connected() -> zoo.Classifier:
            described = (
                card_of(self.predictor, made_by)
                if self.card is None
                else read_own_card(self.card, made_by)
            )
            arguments = {**described, **self.connection, "name": self.models[0]}
            return made_by(self.predictor, **arguments)

        classifier = self._when_ready(connected)
        function = classifier.network.function
        return explainer.create(
            classifier, function, settings.model_copy(update=given), self.key_file
        )

    def _when_ready(self, connected: Callable[[], Any]) -> Any:
        """What the predictor gives as soon as it answers."""
        until, told = time.monotonic() + self.wait_s, ""
        while True:
            try:
                return connected()
            except PredictorError as error:
                # A server that is up may not have its model yet.
                waits = isinstance(error, PredictorUnreachable) or "http_status" in error.detail
                if not waits or time.monotonic() > until:
                    raise
                if told != error.message:
                    told = error.message
                    self.on_wait(told)
                time.sleep(PAUSE_S)
