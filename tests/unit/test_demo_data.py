"""The demo's data are scikit-learn's, to the last bit, wherever the library keeps them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer

from gagyo.demo import breast
from gagyo.errors import FileFault


def test_the_file_holds_what_the_library_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = load_breast_cancer()
    found = breast.wisconsin()
    assert np.array_equal(found[:, :-1], whole.data)
    assert np.array_equal(found[:, -1], whole.target)
    names = list(whole.feature_names)
    assert {name: names.index(f"mean {name}") for name in breast.MEASURES} == breast.MEASURES
    monkeypatch.setattr(Path, "exists", lambda self: False)
    assert np.array_equal(breast.wisconsin(), found)


def test_without_the_library_the_demo_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breast, "find_spec", lambda name: None)
    with pytest.raises(FileFault) as fault:
        breast.wisconsin()
    assert [one.code for one in fault.value.findings] == ["demo_needs_sklearn"]
