"""The commands: one verb, one file. A new verb is a file with `register(app)` and a line in a list of verbs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Annotated

import typer

from gagyo.cli.speech import ahead, language, say, speak, wanted
from gagyo.cli.usage import USAGE_ERROR, Command, group, told

if TYPE_CHECKING:
    from gagyo.errors import GagyoError

VERBS = (
    *(
        "demo",
        "new",
        "check",
        "power",
        "feasibility",
        "rules",
        "plan",
        "approve",
        "approvals",
        "run",
        "verify",
        "report",
        "schema",
    ),
)
APPROVAL_VERBS = ("approval_key",)
EXPORT_VERBS = ("export_dossier",)
EVIDENCE_VERBS = ("evidence_add", "evidence_list")
SITE_VERBS = (
    "site_join",
    "site_check",
    "site_start",
    "site_inbox",
    "site_approve",
    "site_refuse",
    "site_withdraw",
    "site_ledger",
    "site_doctor",
)

COURIER_VERBS = ("courier_export", "courier_import")
REVIEW_VERBS = (
    "site_review_list",
    "site_review_show",
    "site_review_submit",
    "site_review_vote",
    "site_review_decide",
    "site_review_withdraw",
)
HUB_VERBS = (
    "hub_init",
    "hub_invite",
    "hub_confirm",
    "hub_members",
    "hub_revoke",
    "hub_partner",
    "hub_start",
    "hub_status",
    "hub_backup",
    "hub_renew",
)


def application() -> typer.Typer:
    """The commands, with their help in the language in use."""
    app = group("gagyo")
    app.callback()(_options)
    site = group("site")
    for verb in VERBS:
        import_module(f"gagyo.cli.{verb}").register(app)
    for verb in SITE_VERBS:
        import_module(f"gagyo.cli.{verb}").register(site)
    review = group("review_group")
    for verb in REVIEW_VERBS:
        import_module(f"gagyo.cli.{verb}").register(review)
    site.add_typer(review, name="review")
    hub = group("hub_group")
    for verb in HUB_VERBS:
        import_module(f"gagyo.cli.{verb}").register(hub)
    courier = group("courier_group")
    for verb in COURIER_VERBS:
        import_module(f"gagyo.cli.{verb}").register(courier)
    app.add_typer(courier, name="courier")
    approval = group("approval_group")
    for verb in APPROVAL_VERBS:
        import_module(f"gagyo.cli.{verb}").register(approval)
    app.add_typer(approval, name="approval")
    evidence = group("evidence_group")
    for verb in EVIDENCE_VERBS:
        import_module(f"gagyo.cli.{verb}").register(evidence)
    app.add_typer(evidence, name="evidence")
    export = group("export_group")
    for verb in EXPORT_VERBS:
        import_module(f"gagyo.cli.{verb}").register(export)
    app.add_typer(export, name="export")
    app.add_typer(site, name="site")
    app.add_typer(hub, name="hub")
    for one in (app, site, review, hub, courier, approval, evidence, export):
        for command in one.registered_commands:
            command.cls = Command
    return app


def _options(
    ctx: typer.Context,
    language: Annotated[str, typer.Option(help=say("language"), metavar="ko|zh|en")] = "",
) -> None:
    if language and language not in {"ko", "zh", "en"}:
        raise typer.BadParameter(say("language_unknown", found=language), ctx=ctx, param_hint="--language")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and leave with its exit code (cli/exits.py)."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    speak(wanted(given))
    try:
        code = application()(ahead(given), prog_name="gagyo", standalone_mode=False)
    except Exception as error:
        sys.exit(_report(error))
    sys.exit(code if isinstance(code, int) else 0)


def _report(error: Exception) -> int:
    """Print an error that a user may see, and give its exit code; any other goes on."""
    from gagyo.cli.exits import FAULT, USAGE, code_of
    from gagyo.errors import FileFault, GagyoError

    if isinstance(error, USAGE_ERROR):
        if said := told(error):
            print(said, file=sys.stderr)
        return USAGE
    if isinstance(error, typer.Abort):
        print(say("usage.aborted"), file=sys.stderr)
        return FAULT
    if _is_full(error):
        error = FileFault.of("disk_full")
    if not isinstance(error, GagyoError):
        raise error
    print(_text(error), file=sys.stderr)
    return code_of(error)


def _is_full(error: Exception) -> bool:
    """Whether a disk is full, or a quota used up."""
    import errno
    import sqlite3

    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    return full or (isinstance(error, sqlite3.OperationalError) and "full" in str(error))


def _text(error: GagyoError) -> str:
    return error.text(language())
