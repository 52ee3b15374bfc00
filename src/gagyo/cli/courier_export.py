"""`gagyo courier export`: write the file that a person carries to a hospital without a line, or back from it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gagyo.cli.speech import say


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("export", help=say("courier_export.help"))(export)


def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help=say("courier_export.file"))],
    hub: Annotated[Path | None, typer.Option(metavar="DIR", help=say("courier.hub"))] = None,
    to: Annotated[str, typer.Option(metavar="NAME", help=say("courier_export.to"))] = "",
    site: Annotated[Path | None, typer.Option(metavar="SITE", help=say("courier.site"))] = None,
) -> None:
    """Write, and say what is in it and whose keys are on its card."""
    from gagyo.exchange.courier import Courier
    from gagyo.exchange.enrolment import fingerprint
    from gagyo.exchange.membership import Membership
    from gagyo.site import courier as at_site

    if (hub is None) == (site is None) or (hub is None) != (not to):
        raise typer.BadParameter(say("courier_export.where"), param_hint="--hub DIR --to NAME, --site SITE")
    if site is not None:
        written = at_site.export(site, file)
    else:
        assert hub is not None
        with Courier(hub, Membership.open(hub)) as courier:
            written, known = courier.export(to, file), sorted(courier.directory())
        if to not in known:  # its first file, or a slip of the pen
            typer.echo(say("courier_export.first", name=to, known=", ".join(known) or "–"))
    values = {"file": file, "name": written.recipient, "letters": len(written.letters), "bytes": written.bytes}
    typer.echo(say("courier_export.done", **values))
    typer.echo(say("courier_export.card", name=written.sender.name, fingerprint=fingerprint(written.sender.keys)))
