"""What a command asks: yes or no, a PIN, a passphrase; a program answers through a pipe, a line each.

A person's words are in the language in use. From a pipe nothing is asked twice, and nothing is said about echoes.
"""

from __future__ import annotations

import sys

import typer

from gagyo.cli.speech import say

YES = frozenset({"y", "yes", "예", "네", "是"})
NO = frozenset({"", "n", "no", "아니오", "아니요", "否", "不", "不是"})


def agreed(question: str) -> bool:
    """Whether the answer is yes; nothing typed is no."""
    while (answer := line(f"{question} [y/N]: ").strip().casefold()) not in YES | NO:
        typer.echo(say("usage.yes_or_no", found=answer), err=True)
    return answer in YES


def check_agreed(question: str) -> None:
    """Stop the command unless the answer is yes."""
    if not agreed(question):
        raise typer.Abort


def secret(question: str, again: str = "") -> str:
    """A passphrase, typed without being shown; `again` asks a person for it a second time, until both are alike."""
    given = line(f"{question}: ", hidden=True)
    while again and sys.stdin.isatty() and line(f"{again}: ", hidden=True) != given:
        typer.echo(say("usage.unlike"), err=True)
        given = line(f"{question}: ", hidden=True)
    return given


def line(question: str, hidden: bool = False) -> str:
    """What is typed, or the next line of a pipe; typer.Abort where there is none."""
    if sys.stdin.isatty():
        return str(typer.prompt(question, default="", show_default=False, prompt_suffix="", hide_input=hidden))
    typer.echo(question, err=True)
    if not (answer := sys.stdin.readline()):
        raise typer.Abort
    return answer.rstrip("\r\n")
