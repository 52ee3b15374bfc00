"""Rules and connectors by folder listing: each has its attack, its ordinary case, and its tests of what goes wrong."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from gagyo.release import rules
from gagyo.site import connectors
from gagyo.site.site_file import CONNECTORS
from tests.attacks import test_rules as attacks
from tests.unit import test_connectors as reading

RULES = {
    "differencing": ("test_two_cohorts_that_differ_by_a_few", "test_subgroups_folds_and_the_same_cohort_again_pass"),
    "dominance": ("test_one_persons_value_from_a_weighted_sum", "test_scores_that_sum_to_zero_pass"),
    "event_times": (
        "test_daily_risk_sets_give_patients_away_and_stay",
        "test_exits_by_interval_of_three_hospitals_pass",
    ),
    "minimum_people": ("test_a_count_of_a_few_stays", "test_a_hospital_with_four_people_shares_nothing"),
    "model": ("test_a_model_of_one_hospital_goes_to_a_person", "test_iterates_of_one_fit_count_once"),
    "order_statistics": ("test_bins_by_hospital_stay", "test_a_descent_stops_before_a_bin_gets_small"),
    "precision": ("test_a_hospitals_own_auc_needs_ten_of_each_class_and_says_so",) * 2,
    "range": ("test_values_that_overflow_the_ring_stay", "test_scores_that_sum_to_zero_pass"),
    "remainder": ("test_495_of_500_give_five_away",) * 2,
    "saturation": ("test_a_saturated_model_stays", "test_iterates_of_one_fit_count_once"),
    "table": (
        "test_a_level_with_three_people_stays_and_so_does_the_cell_that_would_give_it_away",
        "test_a_table_of_large_cells_passes_whole",
    ),
}
"""By rule: the attack that it withstands, and the ordinary release that it lets pass."""


def rule_names() -> list[str]:
    folder = Path(rules.__file__).parent
    return sorted(path.stem for path in folder.glob("*.py") if path.stem != "__init__")


@pytest.mark.parametrize("name", rule_names())
def test_a_rule_has_its_attack_and_its_ordinary_case(name: str) -> None:
    assert name in RULES, "add a row: the attack, and the ordinary case"
    for test in RULES[name]:
        assert callable(getattr(attacks, test))


@pytest.mark.parametrize("name", rule_names())
def test_a_rule_is_on(name: str) -> None:
    module = importlib.import_module(f"gagyo.release.rules.{name}")
    own = [rule for rule in rules.ALL if rule.__module__ == module.__name__]
    assert len(own) == 1, "a rule of the folder that no gate applies is no rule"


def test_rows_name_rules_that_exist() -> None:
    assert sorted(RULES) == rule_names()


READ = {
    "csv": {
        "encoding": "test_a_fault_has_its_code",
        "ragged": "test_a_fault_has_its_code",
        "types": "test_what_a_csv_writer_wrote_comes_back",
        "absent": "test_an_absent_file_is_named",
        "silence": "test_messages_say_where_and_never_what",
    },
    "parquet": {
        # The format holds its encoding and its columns' lengths: what is left to go wrong is that it is not the format.
        "types": "test_parquet_keeps_types",
        "absent": "test_what_is_not_parquet_is_a_fault",
    },
}


@pytest.mark.parametrize("name", connectors.names())
def test_a_connector_has_its_tests(name: str) -> None:
    assert name in CONNECTORS, "the site file must offer it"
    assert name in READ, "add a row: encoding, ragged rows, types, an absent source, messages without values"
    for test in READ[name].values():
        assert callable(getattr(reading, test))
