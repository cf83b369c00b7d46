"""The command `videovisual explainer`."""

import json
import signal
from pathlib import Path

import click

from videovisual.utils.extras import needs
from videovisual_client.terminal import json_option, log, out

FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command()
@click.option("--model_name", required=True, help="The model's name, here and at the predictor.")
@click.option("--predictor_host", required=True, help="HOST or HOST:PORT of the predictor.")
@click.option(
    "--predictor_protocol",
    type=click.Choice(["v1", "v2"]),
    default="v1",
    show_default=True,
    help="Version of the open inference protocol.",
)
@click.option("--predictor_use_ssl", type=bool, default=False, help="Whether it is asked by https.")
@click.option(
    "--predictor_request_timeout_seconds",
    "timeout_s",
    type=click.FloatRange(0.001, 3600),
    help="How long one request may take.  [60]",
)
@click.option(
    "--predictor_request_retries",
    "retries",
    type=click.IntRange(0, 100),
    help="How often a request is sent again.  [3]",
)
@click.option("--http_port", type=click.IntRange(1, 65535), default=8080, show_default=True)
@click.option(
    "--workers", type=click.IntRange(1, 1000), help="Explanations that run at once.  [settings]"
)
@click.option(
    "--card",
    type=FILE,
    envvar="VIDEOVISUAL_CARD",
    help="JSON with `labels` and `input`.  [the predictor's metadata]",
)
@click.option("--batch", type=click.IntRange(1, 4096), help="Clips of one request.  [8]")
@click.option("--concurrency", type=click.IntRange(1, 64), help="Requests at once.  [4]")
@click.option(
    "--wait",
    type=click.FloatRange(0, 86400),
    default=600,
    show_default=True,
    help="Seconds that the predictor may take to get ready.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option("--key-file", type=FILE, help="The clients' keys.  [clients need none]")
@click.option("--run-folder", type=click.Path(path_type=Path), help="Folder of logs.")
@click.option("--log-config", type=FILE, help="uvicorn's log settings.")
@click.option(
    "--grace",
    type=click.IntRange(0, 3600),
    default=5,
    show_default=True,
    help="Seconds that running requests may go on when the server is stopped.",
)
@json_option
def explainer(
    model_name: str,
    predictor_host: str,
    predictor_protocol: str,
    predictor_use_ssl: bool,
    timeout_s: float | None,
    retries: int | None,
    http_port: int,
    workers: int | None,
    card: Path | None,
    batch: int | None,
    concurrency: int | None,
    wait: float,
    host: str,
    key_file: Path | None,
    run_folder: Path | None,
    log_config: Path | None,
    grace: int,
    as_json: bool,
) -> None:
    """Explain a model that another server predicts with, as KServe starts an explainer.

    The predictor is asked for scores of clips, `instances` of v1 or the only input of v2, and the
    methods that need scores alone explain them: `occlusion`, `rise`, `lime`, `frame_shapley`.

    \b
    Example: videovisual explainer --model_name gestures --predictor_host localhost:9000
                 --card card.json
    """
    # Shells start background jobs with SIGINT ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    with needs("asgi"):
        from videovisual_client.explainer_server import ExplainerServer  # noqa: PLC0415
    scheme = "https" if predictor_use_ssl else "http"
    given = {"timeout_s": timeout_s, "retries": retries, "batch": batch, "concurrency": concurrency}
    server = ExplainerServer(
        [model_name],
        predictor=f"{scheme}://{predictor_host}/{predictor_protocol}/models/{model_name}",
        card=card,
        connection={name: value for name, value in given.items() if value is not None},
        running=workers,
        wait_s=wait,
        on_wait=lambda why: log.print(f"waiting: {why}", markup=False, soft_wrap=True),
        host=host,
        port=http_port,
        run_folder=run_folder,
        key_file=key_file,
        grace_s=grace,
        log_config=log_config,
    )

    def ready() -> None:
        if as_json:
            keys = str(key_file) if key_file else None
            click.echo(json.dumps({"models": [model_name], "url": server.url, "key_file": keys}))
        else:
            out.print(f"Explaining {model_name} at {server.url}", soft_wrap=True)

    try:
        server.run(ready)
    except KeyboardInterrupt:
        log.print("stopped")
