"""Shared fixtures: hospitals with real rows behind real doors."""

from __future__ import annotations

import gc
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from gagyo.cli.speech import speak
from tests.hospitals import PREDICTORS, STUDY, House, breast, house

MODEL = f"""  model: {{method: logistic, cohort: all, formula: "malignant ~ {PREDICTORS}"}}
"""


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Eight thousand tests, and the libraries that they import, stay to the end: no garbage is looked for in them."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(50_000, 20, 20)
        gc.enable()


FIRST = ("end_to_end", "remote", "exchange", "contract", "attacks")
"""Folders of long tests: what is begun last ends last, and then nothing is left for the other processor to do."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long tests first."""
    order = {name: place for place, name in enumerate(FIRST)}
    items.sort(key=lambda item: order.get(item.path.parent.name, len(FIRST)))


@pytest.fixture(autouse=True)
def in_english() -> Iterator[None]:
    """A command that a test gives in another language leaves the process in it."""
    yield
    speak("en")


@pytest.fixture
def small_house(tmp_path: Path) -> House:
    """Four hospitals that have approved a study of one logistic regression."""
    return house(tmp_path, STUDY + MODEL, breast())
