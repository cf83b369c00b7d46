"""The command `videovisual ui`."""

import contextlib
import signal
import threading
import webbrowser

import click

from videovisual.names import MODELS, own_models
from videovisual.utils.extras import needs
from videovisual_client import exits
from videovisual_client.commands.options import Place, complete_models, with_place
from videovisual_client.terminal import out


@click.command(epilog=exits.TABLE)
@click.argument("models", nargs=-1, shell_complete=complete_models)
@with_place
@click.option("--port", default=8765, show_default=True, type=click.IntRange(0, 65535))
@click.option("--open", "opened", is_flag=True, help="Open the page in the browser.")
def ui(models: tuple[str, ...], place: Place, port: int, opened: bool) -> None:
    """Serve a page on this machine that explains clips which are dropped onto it.

    The page offers MODELS, by default all published ones and your own in the store. It can be
    reached from this machine only, and never receives the server's token.

    \b
    Examples: videovisual ui i3d-kinetics400 --local --open
              videovisual ui i3d-kinetics400 --key-file KEY_FILE
    """
    place.check("ui")
    with needs("ui"):
        from videovisual_client.viewer.serve import serve  # noqa: PLC0415

    def ready(address: str) -> None:
        out.print(f"The viewer is at {address} (Ctrl-C ends it)", soft_wrap=True)
        if opened:
            # In a thread: `open` may block until the browser has loaded the page.
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()

    # Both end it in order, which deletes the uploaded clips. Shells start background jobs with
    # SIGINT ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    where = "this computer" if place.local else place.url
    with place.open() as client, contextlib.suppress(KeyboardInterrupt):
        known = (*MODELS, *own_models(place.store))
        serve(client, models or known, where, port, ready)
