"""`gagyo site start`: serve in the foreground until SIGTERM or Ctrl-C; the log goes to standard error as JSON lines."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gagyo.cli.speech import say


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("start", help=say("site_start.help"))(start)


def start(
    site_file: Annotated[Path, typer.Argument(help=say("site_check.site_file"))],
    health: Annotated[int, typer.Option(min=0, max=65535, help=say("site_start.health"))] = 0,
) -> None:
    """Serve."""
    from gagyo.exchange.courier import HUB
    from gagyo.site.serving import serve

    def ready(name: str, hub: str, page: int) -> None:
        # A program that started this waits for the line: it must not lie in a buffer.
        key = "site_start.ready_courier" if hub == HUB else "site_start.ready"
        print(say(key, name=name, hub=hub, page=f"http://127.0.0.1:{page}/health"), flush=True)

    serve(site_file, health, ready)
