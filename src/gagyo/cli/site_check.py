"""`gagyo site check`: how a hospital's file becomes the study's variables, for the hospital's own data engineer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gagyo.cli.speech import language, say

if TYPE_CHECKING:
    from gagyo.site.mapping.report import MappingReport
    from gagyo.site.site_file import SiteFile


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("check", help=say("site_check.help"))(site_check)


def site_check(
    site_file: Annotated[Path, typer.Argument(help=say("site_check.site_file"))],
    study: Annotated[Path, typer.Option(help=say("site_check.study"))],
    as_json: Annotated[bool, typer.Option("--json", help=say("json"))] = False,
) -> None:
    """Print the mapping report, which stays at the hospital; leave with 1 where it has faults."""
    report = _report(site_file, study, columns=not as_json)
    shown = (
        json.dumps(report.to_json(language()), ensure_ascii=False, indent=2) if as_json else report.to_text(language())
    )
    typer.echo(shown)
    if any(finding.severity == "error" for finding in report.findings):
        raise typer.Exit(1)


def _report(site_file: Path, study: Path, columns: bool) -> MappingReport:
    """The report; where the site file has faults they are raised, after the file's columns, by which to correct it."""
    from gagyo.errors import FileFault
    from gagyo.protocol.study import Study
    from gagyo.site.mapping.load import examine, faults_beside
    from gagyo.site.site_file import SiteFile

    of = Study.read(study)
    read, found = SiteFile.sketch(site_file)
    if read is None:
        raise FileFault(*found)
    try:
        if found:
            raise FileFault(*faults_beside(found, read, of))
        return examine(read, of).report
    except FileFault:
        if columns and read.data.told:
            _show_columns(read)
        raise


def _show_columns(site_file: SiteFile) -> None:
    from gagyo.errors import DataFault
    from gagyo.site.connectors import read_rows
    from gagyo.text import translate

    try:
        names = ", ".join(read_rows(site_file).columns)
    except DataFault:
        return
    typer.echo(translate("mapping.stays", language()))
    typer.echo(translate("mapping.columns", language(), names=names))
