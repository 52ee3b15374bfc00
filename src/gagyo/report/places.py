"""Which tables and curves each section of a report shows, in this order, and what they rest on: by their names."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """The tables and curves that a section shows, in this order; `name` stands also for `name_...`."""

    section: str
    tables: tuple[str, ...] = ()
    curves: tuple[str, ...] = ()


PLACES = (
    Place("characteristics", ("characteristics",)),
    Place("quantiles", ("quantiles", "histogram"), ("histogram",)),
    Place(
        "groups",
        (
            "group_tests",
            "group_effects",
            "group_trend",
            "group_strata",
            "rank_tests",
            "rank_strata",
            "rank_correlations",
        ),
    ),
    Place(
        "weighting",
        (
            "weighted_effects",
            "standardised_effects",
            "weighted_groups",
            "weighted_risks",
            "weighted_means",
            "standardised_means",
            "weighted_hospitals",
            "propensity",
            "outcome_models",
        ),
        ("weighted_survival",),
    ),
    Place("balance", ("balance", "overlap"), ("overlap",)),
    Place(
        "trial",
        (
            "trial_effects",
            "trial_means",
            "trial_strategies",
            "trial_protocol",
            "trial_intervals",
            "trial_balance",
            "trial_weights",
            "trial_model",
        ),
        ("trial_survival",),
    ),
    Place("course", ("adjusted_means", "adjusted_differences", "visit_covariance", "visit_patterns"), ("course",)),
    Place(
        "agreement",
        (
            "agreement_table",
            "agreement_coefficients",
            "agreement_levels",
            "agreement_correlations",
            "agreement_limits",
            "agreement_means",
        ),
    ),
    Place("meta", ("meta_hospitals", "meta_summary", "meta_left_out", "meta_regions")),
    Place("survival", ("medians", "survival_at"), ("survival",)),
    Place("incidence", ("incidence_at",), ("incidence",)),
    Place("comparison", ("log_rank", "restricted_mean")),
    Place("hazards", ("hazard_ratios", "hazard_model", "proportional_hazards", "baseline")),
    Place(
        "subdistributions",
        ("subdistribution_ratios", "subdistribution_model", "predicted_incidence"),
        ("predicted_incidence",),
    ),
    Place(
        "model",
        (
            "selection",
            "coefficients",
            "marginal_effects",
            "fixed_effects",
            "variances",
            "deviations",
            "model",
            "model_test",
            "overdispersion",
            "working",
            "term_tests",
            "fit",
        ),
        ("path", "penalties"),
    ),
    Place("splines", ("splines", "knots"), ("spline",)),
    Place("size", ("sample_size", "shrinkage")),
    Place("performance", ("performance", "cross_tabulation"), ("roc", "calibration", "decision")),
    Place("thresholds", ("thresholds", "subgroups")),
    Place("hospitals", ("by_hospital", "external", "updating")),
    Place("instability", ("instability",), ("instability",)),
    Place("nonlinearity", ("nonlinearity",), ("nonlinearity",)),
    Place("joining", ("joining",)),
)


ON_GRIDS = {
    "medians",
    "restricted_mean",
    "baseline",
    "incidence_at",
    "predicted_incidence",
    "weighted_risks",
    "trial_effects",
    "trial_means",
}
"""Tables that may stand on a grid of times."""
UNBINNED = {
    "survival",
    "weighted_survival",
    "trial_survival",
    "incidence",
    "predicted_incidence",
    "histogram",
    "course",
    "path",
    "penalties",
    "overlap",
    "spline",
}
"""Curves that do not rest on bins of a score."""
SHARES_OVER_TIME = {"survival", "weighted_survival", "trial_survival", "incidence", "predicted_incidence"}
"""Curves of a share of people, from time zero on."""
DESCRIBING = {"characteristics", "quantiles", "groups", "weighting", "trial", "agreement"}
"""Sections that describe or compare people, and make no model for others to use."""


def stands_for(name: str, shape: str) -> bool:
    """Whether a place that shows `name` shows this table or curve: by that name, or by `name_...`."""
    return shape == name or shape.startswith(f"{name}_")


def kind_of(curve: str) -> str:
    """The name under which a place shows a curve; of one that has no place, its name up to a dot."""
    names = (name for place in PLACES for name in place.curves if stands_for(name, curve))
    return next(names, curve.partition(".")[0])
