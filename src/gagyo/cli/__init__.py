"""The commands: one verb, one file. A new verb is a file with `register(app)` and its name in VERBS."""

from __future__ import annotations

import errno
import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Annotated

import typer

from gagyo.cli.speech import ahead, language, say, speak, wanted
from gagyo.cli.usage import USAGE_ERROR, Command, group, told

if TYPE_CHECKING:
    from gagyo.errors import GagyoError

VERBS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (
        "",
        "gagyo",
        (
            "demo",
            "new",
            "check",
            "power",
            "feasibility",
            "rules",
            "rehearse",
            "plan",
            "approve",
            "approvals",
            "run",
            "verify",
            "report",
            "schema",
        ),
    ),
    ("courier", "courier_group", ("courier_export", "courier_import")),
    ("approval", "approval_group", ("approval_key",)),
    ("evidence", "evidence_group", ("evidence_add", "evidence_list")),
    ("export", "export_group", ("export_dossier",)),
    (
        "site",
        "site",
        (
            "site_join",
            "site_check",
            "site_start",
            "site_inbox",
            "site_approve",
            "site_refuse",
            "site_withdraw",
            "site_ledger",
            "site_doctor",
        ),
    ),
    (
        "site review",
        "review_group",
        (
            "site_review_list",
            "site_review_show",
            "site_review_submit",
            "site_review_vote",
            "site_review_decide",
            "site_review_withdraw",
        ),
    ),
    (
        "hub",
        "hub_group",
        (
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
        ),
    ),
)
"""Each group of commands as it is called, the key of its help, and the files of its verbs, in the order of the help."""


def application() -> typer.Typer:
    """The commands, with their help in the language in use."""
    groups: dict[str, typer.Typer] = {}
    for called, about, verbs in VERBS:
        groups[called] = group(about)
        for verb in verbs:
            import_module(f"gagyo.cli.{verb}").register(groups[called])
        for command in groups[called].registered_commands:
            command.cls = Command
        if called:
            above, _, name = called.rpartition(" ")
            groups[above].add_typer(groups[called], name=name)
    groups[""].callback()(_options)
    return groups[""]


def _options(
    ctx: typer.Context,
    language: Annotated[str, typer.Option(help=say("language"), metavar="ko|zh|en")] = "",
) -> None:
    if language and language not in {"ko", "zh", "en"}:
        raise typer.BadParameter(say("language_unknown", found=language), ctx=ctx, param_hint="--language")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and leave with its exit code (cli/exits.py)."""
    # What is imported stays: to look through it for garbage again and again took a tenth of each start.
    gc.set_threshold(50_000, 20, 20)
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
    from gagyo.errors import FileFault, GagyoError, is_closed, is_full

    if isinstance(error, USAGE_ERROR):
        if said := told(error):
            print(said, file=sys.stderr)
        return USAGE
    if isinstance(error, typer.Abort):
        print(say("usage.aborted"), file=sys.stderr)
        return FAULT
    if is_full(error):
        error = FileFault.of("disk_full")
    if is_closed(error):
        error = FileFault.of("database_closed", found=os.getuid())
    if isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EPERM, errno.EROFS) and error.filename:
        error = FileFault.of("not_permitted", found=os.path.abspath(error.filename), expected=os.getuid())
    if isinstance(error, FileExistsError | NotADirectoryError) and error.filename:
        error = FileFault.of("file_in_the_way", found=os.path.abspath(error.filename))
    if isinstance(error, OSError) and error.errno and error.filename:
        error = FileFault.of("not_made", found=os.path.abspath(error.filename), expected=error.strerror)
    if not isinstance(error, GagyoError):
        raise error
    print(_text(error), file=sys.stderr)
    return code_of(error)


def _text(error: GagyoError) -> str:
    return error.text(language())
