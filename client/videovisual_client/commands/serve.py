"""The command `videovisual serve`."""

import json
import signal
from pathlib import Path

import click

from videovisual.errors import WeightsError
from videovisual.utils.extras import needs
from videovisual_client.commands import archive
from videovisual_client.commands.options import complete_models
from videovisual_client.terminal import json_option, log, out, store_option
from videovisual_client.token import read_properties

SETTINGS = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command()
@click.argument(
    "models", nargs=-1, required=True, envvar="VIDEOVISUAL_MODELS", shell_complete=complete_models
)
@store_option
@click.option("--port", type=click.IntRange(1, 65533), help="Inference port; the next two follow.")
@click.option(
    "--run-folder",
    type=click.Path(path_type=Path),
    help="Folder of tokens and logs.  [a temporary one]",
)
@click.option("--config", type=SETTINGS, help="TorchServe's settings, instead of the package's.")
@click.option(
    "--log-config", type=SETTINGS, help="TorchServe's log settings, instead of the package's."
)
@json_option
def serve(
    models: tuple[str, ...],
    store: Path,
    port: int | None,
    run_folder: Path | None,
    config: Path | None,
    log_config: Path | None,
    as_json: bool,
) -> None:
    """Serve MODELS, by default those of $VIDEOVISUAL_MODELS, until Ctrl-C.

    A model is a published one, or an archive of your own in the store. Builds missing archives
    first, and prints the address and the key file when the models are ready. With --json the first
    line is an object with both.

    \b
    Examples: videovisual serve i3d-kinetics400
              videovisual serve i3d-kinetics400 gestures --port 9000 --run-folder run
    """
    with needs("server"):
        from videovisual_archive.store import check_can_run, is_misnamed  # noqa: PLC0415
        from videovisual_client.torchserve import CONFIG, LOG_CONFIG, Server  # noqa: PLC0415
    for model in models:
        path = store / f"{model}.mar"
        if not path.is_file():
            archive.build(model, store)
        elif is_misnamed(path):
            raise WeightsError(f"{path}: {archive.MISNAMED}", path=str(path))
        check_can_run(path)
    # Shells start background jobs with SIGINT ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    with log.status("starting TorchServe") as status:
        server = Server(
            models,
            store=store,
            config=config or CONFIG,
            log_config=log_config or LOG_CONFIG,
            port=port,
            run_folder=run_folder,
            on_wait=status.update,
        )
        server.start()
    wanted = read_properties(server.config)["inference_address"]
    if port is None and server.url != wanted:
        log.print(f"{wanted} is in use, so the server has another port.", soft_wrap=True)
    try:
        if as_json:
            names = ("url", "management_url", "metrics_url")
            addresses = {name: getattr(server, name) for name in names}
            key_file = str(server.key_file)
            click.echo(json.dumps({"models": models, **addresses, "key_file": key_file}))
        else:
            _show(server.url, server.key_file, models)
        server.wait()
    except KeyboardInterrupt:
        log.print("stopping")
    finally:
        server.stop()


def _show(url: str, key_file: Path, models: tuple[str, ...]) -> None:
    out.print(f"Serving {', '.join(models)} at {url}", soft_wrap=True)
    if not key_file.is_file():
        out.print("Requests need no key.")
        return
    out.print(f"Key file: {key_file}", soft_wrap=True)
    out.print(
        f"Try: videovisual classify CLIP --model {models[0]} --url {url} --key-file {key_file}",
        soft_wrap=True,
    )
    out.print(
        "or:  curl -H \"Authorization: Bearer $(python3 -c 'import json; "
        f'print(json.load(open("{key_file}"))["inference"]["key"])\')" '
        f"-F video=@CLIP {url}/predictions/{models[0]}",
        soft_wrap=True,
        markup=False,
    )
