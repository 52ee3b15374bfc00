"""`gagyo hub start`: serve in the foreground until SIGTERM or Ctrl-C; the log goes to standard error as JSON lines."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gagyo.cli.speech import say


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("start", help=say("hub.start.help"))(start)


def start(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help=say("hub.folder"))],
    host: Annotated[str, typer.Option(help=say("hub.start.host"))] = "",
    port: Annotated[int | None, typer.Option(min=0, max=65535, help=say("hub.start.port"))] = None,
) -> None:
    """Serve."""
    from gagyo.exchange.hub_folder import HubFolder
    from gagyo.exchange.service import serve

    hub = HubFolder.open(folder)
    # A program that started this waits for the line: it must not lie in a buffer.
    serve(hub, host=host, port=port, ready=lambda at: print(say("hub.start.ready", name=hub.name, at=at), flush=True))
