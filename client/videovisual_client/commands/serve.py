"""The command `videovisual serve`."""

import json
import signal
from pathlib import Path

import click
from click.core import ParameterSource

from videovisual.errors import WeightsError
from videovisual.utils.extras import needs
from videovisual_client.commands import archive
from videovisual_client.commands.options import complete_models
from videovisual_client.terminal import json_option, log, out, store_option
from videovisual_client.token import read_properties

FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
TORCHSERVE, UVICORN = "torchserve", "uvicorn"
ONLY = {
    TORCHSERVE: ("config",),
    UVICORN: ("host", "key_file", "ssl_certfile", "ssl_keyfile", "grace"),
}
"""Options that one of the servers has."""


@click.command()
@click.argument(
    "models", nargs=-1, required=True, envvar="VIDEOVISUAL_MODELS", shell_complete=complete_models
)
@store_option
@click.option(
    "--server",
    type=click.Choice([TORCHSERVE, UVICORN]),
    default=TORCHSERVE,
    show_default=True,
    envvar="VIDEOVISUAL_SERVER",
    help="Which server; uvicorn needs no Java (extra `asgi`).",
)
@click.option(
    "--port",
    type=click.IntRange(1, 65533),
    help="Inference port; TorchServe takes the next two as well.",
)
@click.option(
    "--run-folder",
    type=click.Path(path_type=Path),
    help="Folder of tokens and logs.  [a temporary one]",
)
@click.option("--config", type=FILE, help="TorchServe's settings, instead of the package's.")
@click.option("--log-config", type=FILE, help="The server's log settings.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address (uvicorn).")
@click.option("--key-file", type=FILE, help="The clients' keys (uvicorn).  [new ones]")
@click.option("--ssl-certfile", type=FILE, help="Certificate for TLS (uvicorn).")
@click.option("--ssl-keyfile", type=FILE, help="Its private key (uvicorn).")
@click.option(
    "--grace",
    type=click.IntRange(0, 3600),
    default=5,
    show_default=True,
    help="Seconds that running requests may go on when the server is stopped (uvicorn).",
)
@json_option
@click.pass_context
def serve(
    context: click.Context,
    models: tuple[str, ...],
    store: Path,
    server: str,
    port: int | None,
    run_folder: Path | None,
    config: Path | None,
    log_config: Path | None,
    host: str,
    key_file: Path | None,
    ssl_certfile: Path | None,
    ssl_keyfile: Path | None,
    grace: int,
    as_json: bool,
) -> None:
    """Serve MODELS, by default those of $VIDEOVISUAL_MODELS, until Ctrl-C.

    A model is a published one, or an archive of your own in the store. TorchServe needs archives,
    so missing ones are built first. Prints the address and the key file when the models are ready.
    With --json the first line is an object with both.

    \b
    Examples: videovisual serve i3d-kinetics400
              videovisual serve i3d-kinetics400 gestures --port 9000 --run-folder run
              videovisual serve i3d-kinetics400 --server uvicorn
    """
    _check_options(context, server)
    # Shells start background jobs with SIGINT ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    if server == TORCHSERVE:
        _serve_torchserve(models, store, port, run_folder, config, log_config, as_json=as_json)
        return
    with needs("asgi"):
        from videovisual_client.asgi_server import PORT, AsgiServer  # noqa: PLC0415
    _check_archives(models, store)
    asgi = AsgiServer(
        models,
        store=store,
        host=host,
        port=port,
        run_folder=run_folder,
        key_file=key_file,
        certificate=ssl_certfile,
        private_key=ssl_keyfile,
        grace_s=grace,
        log_config=log_config,
    )

    def ready() -> None:
        if port is None and not asgi.url.endswith(f":{PORT}"):
            log.print(f"Port {PORT} is in use, so the server has another one.", soft_wrap=True)
        _show(dict.fromkeys(ADDRESSES, asgi.url), asgi.key_file, models, as_json=as_json)

    try:
        asgi.run(ready)
    except KeyboardInterrupt:
        log.print("stopped")


ADDRESSES = ("url", "management_url", "metrics_url")


def _serve_torchserve(
    models: tuple[str, ...],
    store: Path,
    port: int | None,
    run_folder: Path | None,
    config: Path | None,
    log_config: Path | None,
    *,
    as_json: bool,
) -> None:
    with needs("server"):
        from videovisual_client.torchserve import CONFIG, LOG_CONFIG, Server  # noqa: PLC0415
    for model in models:
        if not (store / f"{model}.mar").is_file():
            archive.build(model, store)
    _check_archives(models, store)
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
        addresses = {name: getattr(server, name) for name in ADDRESSES}
        _show(addresses, server.key_file, models, as_json=as_json)
        server.wait()
    except KeyboardInterrupt:
        log.print("stopping")
    finally:
        server.stop()


def _check_options(context: click.Context, server: str) -> None:
    for other, names in ONLY.items():
        for name in names:
            given = context.get_parameter_source(name) is not ParameterSource.DEFAULT
            if given and other != server:
                option = f"--{name.replace('_', '-')}"
                raise click.UsageError(f"{option} is an option of --server {other}.")


def _check_archives(models: tuple[str, ...], store: Path) -> None:
    from videovisual_archive.store import check_can_run, is_misnamed  # noqa: PLC0415

    for path in (store / f"{model}.mar" for model in models):
        if not path.is_file():
            continue
        if is_misnamed(path):
            raise WeightsError(f"{path}: {archive.MISNAMED}", path=str(path))
        check_can_run(path)


def _show(
    addresses: dict[str, str], key_file: Path | None, models: tuple[str, ...], *, as_json: bool
) -> None:
    url = addresses["url"]
    if as_json:
        # TorchServe's file is named where it would be, and missing where no key is needed.
        facts = {"models": models, **addresses, "key_file": key_file and str(key_file)}
        click.echo(json.dumps(facts))
        return
    out.print(f"Serving {', '.join(models)} at {url}", soft_wrap=True)
    if key_file is None or not key_file.is_file():
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
