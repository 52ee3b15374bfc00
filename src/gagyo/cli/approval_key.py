"""`gagyo approval key`: make the key of one who approves, in a file under a passphrase."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from gagyo.cli.asking import secret
from gagyo.cli.speech import say

PASSPHRASE = "GAGYO_PASSPHRASE"
"""Where a program gives the passphrase; a person types it."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("key", help=say("approval_key.help"))(key)


def key(
    role: Annotated[str, typer.Option(help=say("approval_key.role"))],
    name: Annotated[str, typer.Option(help=say("approval_key.name"))],
    out: Annotated[Path, typer.Option(help=say("approval_key.out"))],
) -> None:
    """Make the key, and show the public half for the site file's policy."""
    from gagyo.errors import FileFault
    from gagyo.governance.role_key import RoleKey
    from gagyo.governance.roles import ROLES

    if role not in ROLES:
        raise typer.BadParameter(
            say("approval_key.no_role", found=role, expected=", ".join(ROLES)), param_hint="--role"
        )
    if not name.strip():
        raise typer.BadParameter(say("approval_key.no_name"), param_hint="--name")
    if out.exists():
        raise FileFault.of("key_exists", found=out)
    made = RoleKey.make(role, name.strip())
    made.write(out, passphrase(again=True))
    typer.echo(say("approval_key.done", file=out, role=role, public=made.public))


def passphrase(again: bool = False) -> str:
    """The passphrase, from GAGYO_PASSPHRASE, typed without being shown, or a line of a pipe."""
    given = os.environ.get(PASSPHRASE)
    if given:
        return given
    return secret(say("approval_key.ask"), say("approval_key.ask_again") if again else "")
