"""`gagyo schema`: the JSON Schema of the study file or the site file, for editors."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated

import typer

from gagyo.cli.speech import say


class Kind(StrEnum):
    """The files that have a schema."""

    study = "study"
    site = "site"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("schema", help=say("schema.help"))(schema)


def schema(kind: Annotated[Kind, typer.Argument(help=say("schema.kind"))]) -> None:
    """Print the schema."""
    from gagyo.protocol.schema import site_schema, study_schema

    shown = study_schema() if kind is Kind.study else site_schema()
    typer.echo(json.dumps(shown, indent=2, ensure_ascii=False))
