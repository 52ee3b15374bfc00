"""The published schemas agree with the readers."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from gagyo.protocol import declared, schema, study
from gagyo.protocol.study import Study
from gagyo.protocol.written import read_entries
from gagyo.site import connectors, policy, site_file

START = files("gagyo.cli") / "start"


def plain(page: str) -> Any:
    """A YAML file as JSON data: keys and dates as text."""
    return read_entries((START / page).read_text(encoding="utf-8"), page).plain()


@pytest.mark.parametrize("made", [schema.study_schema(), schema.site_schema()])
def test_they_are_schemas(made: dict[str, Any]) -> None:
    Draft202012Validator.check_schema(made)


def test_the_examples_are_valid() -> None:
    made = {"study.yaml": schema.study_schema()}
    made |= dict.fromkeys(["sites/seoul.yaml", "sites/beijing.yaml"], schema.site_schema())
    faults = {page: list(Draft202012Validator(one).iter_errors(plain(page))) for page, one in made.items()}
    assert faults == {page: [] for page in made}


@pytest.mark.parametrize("key", [*study.REQUIRED])
def test_what_the_reader_needs_the_schema_needs(key: str) -> None:
    written = plain("study.yaml")
    del written[key]
    assert not Draft202012Validator(schema.study_schema()).is_valid(written)


def test_the_keys_are_the_readers() -> None:
    made = schema.study_schema()["properties"]
    assert set(made) == {*study.REQUIRED, *study.OPTIONAL}
    assert set(made["lead"]["properties"]) == set(study.LEAD)
    assert set(made["period"]["properties"]) == set(study.PERIOD)
    assert set(made["variables"]["additionalProperties"]["properties"]) == set(declared.VARIABLE)
    assert set(made["cohorts"]["additionalProperties"]["anyOf"][1]["properties"]) == set(study.COHORT)
    assert set(made["release"]["properties"]) == set(study.RELEASE)
    site = schema.site_schema()["properties"]
    assert set(site) == {*site_file.REQUIRED, *site_file.OPTIONAL}
    assert set(site["data"]["properties"]) == set(site_file.DATA)
    assert set(site["variables"]["additionalProperties"]["properties"]) == set(site_file.COLUMN)
    assert set(site["policy"]["properties"]) == set(policy.POLICY)


def test_names_of_connectors_are_the_readers() -> None:
    data = schema.site_schema()["properties"]["data"]["properties"]
    assert tuple(data["connector"]["enum"]) == site_file.CONNECTORS == connectors.names()


def test_a_study_that_the_reader_takes_the_schema_takes() -> None:
    written = plain("study.yaml")
    assert Study.parse((START / "study.yaml").read_text(encoding="utf-8")).study == written["study"]
