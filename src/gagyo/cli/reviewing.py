"""What the commands of output review share: finding a review, signing an act about it as it stands, and doing it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from gagyo.cli.speech import say

if TYPE_CHECKING:
    from gagyo.governance.review import Act, Doing, Review


def reviews_at(site_file: Path) -> list[Review]:
    """Everything that was referred at a hospital, as its memory holds it now."""
    from gagyo.site.folder import state_folder
    from gagyo.site.site_file import SiteFile
    from gagyo.site.store import Store

    with closing(Store(state_folder(site_file) / "memory.sqlite")) as store:
        return store.reviews(SiteFile.read(site_file).site)


def review_at(site_file: Path, name: str) -> Review:
    """The review of a name, or of its first characters; FileFault where none, or more than one, is meant."""
    from gagyo.errors import FileFault

    every = reviews_at(site_file)
    found = [one for one in every if one.review.startswith(name)]
    if len(found) != 1:
        raise FileFault.of("review_unknown", found=name, expected=", ".join(one.review for one in every) or "-")
    return found[0]


def act(
    site_file: Path, name: str, key: Path, doing: Doing, verdict: str = "", reason: str = "", note: str = ""
) -> tuple[Act, Review]:
    """Sign an act about a review as it stands, and have it taken in; the act, and how the review stands then."""
    from datetime import datetime

    from gagyo.cli.approval_key import passphrase
    from gagyo.governance.review import Act, sign
    from gagyo.governance.role_key import RoleKey
    from gagyo.site import decisions
    from gagyo.site.folder import state_folder

    review = review_at(site_file, name)
    draft = Act(review.site, review.plan, review.review, doing, review.version, review.content)
    signed = sign(_said(draft, verdict, reason, note), RoleKey.read(key, passphrase()), datetime.now().astimezone())
    decisions.review(site_file, state_folder(site_file), signed)
    return signed, review_at(site_file, review.review)


def _said(draft: Act, verdict: str, reason: str, note: str) -> Act:
    from dataclasses import replace

    return replace(draft, verdict=verdict, reason=reason, note=note)


def check_words(verdict: str, reason: str) -> None:
    """A verdict is one of those known, and so is the reason of any but a yes."""
    from gagyo.governance.review import REASONS, VERDICTS

    _check(verdict, VERDICTS, "VERDICT")
    if verdict != "approve":
        _check(reason, REASONS, "--reason")


def _check(given: str, known: tuple[str, ...], option: str) -> None:
    if not given:
        raise typer.BadParameter(say("site_review.no_reason", expected=", ".join(known)), param_hint=option)
    if given not in known:
        raise typer.BadParameter(say("site_review.no_word", found=given, expected=", ".join(known)), param_hint=option)


def tell(review: Review) -> None:
    """Say how a review stands."""
    from gagyo.result import Words

    typer.echo(say("site_review.stands", review=review.review, state=Words(f"review.state.{review.state}")))
