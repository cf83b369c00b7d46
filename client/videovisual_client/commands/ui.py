"""The command `videovisual ui`."""

import contextlib
import signal
import threading
import webbrowser
from pathlib import Path

import click

from videovisual.names import MODELS, own_models
from videovisual.utils.extras import needs
from videovisual_client import exits
from videovisual_client.commands.options import Place, complete_models, with_place
from videovisual_client.doctor import Level, server
from videovisual_client.terminal import out


@click.command(epilog=exits.TABLE)
@click.argument("models", nargs=-1, shell_complete=complete_models)
@with_place
@click.option("--port", default=8765, show_default=True, type=click.IntRange(0, 65535))
@click.option("--open", "opened", is_flag=True, help="Open the page in the browser.")
@click.option(
    "--keep",
    "keep_gib",
    default=2.0,
    show_default=True,
    type=click.FloatRange(min=0),
    help="GiB of clips and results to keep for the next time; 0 keeps nothing.",
)
@click.option(
    "--results",
    default=Path("results"),
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the reports of `audit` and `diff`, which the page opens.",
)
def ui(
    models: tuple[str, ...], place: Place, port: int, opened: bool, keep_gib: float, results: Path
) -> None:
    """Serve a page on this machine that explains clips which are dropped onto it.

    The page offers MODELS, by default all published ones and your own in the store. It can be
    reached from this machine only, and never receives the server's token. Clips and results are
    kept in `viewer` in the cache folder, where the next viewer finds them.

    \b
    Examples: videovisual ui i3d-kinetics400 --local --open
              videovisual ui i3d-kinetics400 --key-file KEY_FILE
    """
    place.check("ui")
    with needs("ui"):
        from videovisual_client.viewer.app import Offer  # noqa: PLC0415
        from videovisual_client.viewer.serve import serve  # noqa: PLC0415

    def ready(address: str) -> None:
        out.print(f"The viewer is at {address} (Ctrl-C ends it)", soft_wrap=True)
        if opened:
            # In a thread: `open` may block until the browser has loaded the page.
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()

    def problem() -> str:
        found = server(place.url, place.token, place.key_file)
        wrong = [f"{each.found}. To do: {each.fix}." for each in found if each.level != Level.OK]
        return f"The server can't be used: {' '.join(wrong)}" if wrong else ""

    # Both end it in order, which cancels what runs. Shells start background jobs with SIGINT
    # ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    known = models or (*MODELS, *own_models(place.store))
    offer = Offer(known, "this computer") if place.local else Offer(known, place.url, problem)
    with place.open() as client, contextlib.suppress(KeyboardInterrupt):
        serve(client, offer, port, ready, keep_gib=keep_gib, results=results)
