"""A part that hospitals withhold, over the exchange: the embedded run's results, and the report's notes."""

from __future__ import annotations

from gagyo.api import run_embedded
from gagyo.protocol.study import Study
from tests.remote.conftest import Files, analyses
from tests.remote.post_office import Town

STUDY = """analyses:
  algorithm: {method: logistic, cohort: all, formula: "malignant ~ texture + smoothness + compactness + symmetry"}
  checked: {method: validate, model: algorithm, folds: 3, bootstrap: 500}
  characteristics: {method: describe, cohort: all, variables: [radius, texture], by: malignant}
"""


def test_hospitals_follow_a_run_past_what_they_refused(here: Town, files: Files) -> None:
    text = files.study.source
    study = Study.parse(text[: text.index("analyses:")] + STUDY, files.study.file)
    (here.folder / "study.yaml").write_text(study.source, encoding="utf-8")
    finished = here.run(study)
    notes = [note.to("en") for note in finished.results["checked"].table("performance").notes]
    assert any(note.startswith("Bootstrap (optimism and instability): withheld.") for note in notes)
    hospitals = next(iter(files.sites.values())).parent
    expected = run_embedded(here.folder / "study.yaml", hospitals, here.folder / "embedded")
    assert analyses(finished.document) == analyses(expected.document)
    assert "characteristics" in finished.results
