"""Breaks, one at a time, each line that keeps a promise, and says which test notices: `python tests/mutations.py`.

Each row names a file, a line as it is, the line broken, and the tests that must fail then. Works on a copy of the tree.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
HOSTILE, LEFT = "tests/attacks/test_hostile.py", "tests/attacks/test_left_out.py"
HELD = "tests/approvals/test_evidence.py"
YES = "tests/attacks/test_approvals.py"
DOSSIER = "tests/unit/test_dossier.py"
ROTATED = "tests/attacks/test_rotation.py"
DISK = "tests/attacks/test_full_disk.py"
CARRIED = "tests/attacks/test_carried_approvals.py"
RULED = "tests/attacks/test_ruled.py"
SPREAD = "tests/unit/test_spread.py"
PLACES = "tests/unit/test_places.py"
PROSE = "tests/unit/test_prose.py"
ACTS = "tests/unit/test_acts_on_record.py"
REVIEW, OUTPUT = "tests/unit/test_reviews.py", "tests/attacks/test_reviews.py"
DOOR, RULES = "tests/attacks/test_door.py", "tests/attacks/test_rules.py"
QUANTILES, MEDIANS = "tests/attacks/test_quantiles.py", "tests/contract/test_quantiles_references.py"
PLACING, PLACED = "tests/attacks/test_knots.py", "tests/contract/test_knots_references.py"
KNOTS = "tests/unit/test_knots.py"
EPISODES, CHANGED = "tests/attacks/test_episodes.py", "tests/contract/test_episodes_references.py"
RANKS = "tests/contract/test_rank_references.py"
ACCESS, CALLER = "tests/exchange/test_access.py", "tests/exchange/test_hostile.py"
LINES, JOIN, HUBS = (f"tests/exchange/test_{name}.py" for name in ("lines", "enrolment", "two_hubs"))
CHECK, DERIVE = "tests/rules/test_check.py", "tests/rules/test_derive.py"
SHOWN = "tests/rules/test_commands.py"
EXAMPLES, PACKS = "tests/rules/test_examples.py", "tests/rules/test_packs.py"
SURVIVAL, ONE = "tests/unit/test_survival_statistics.py", "tests/contract/test_survival_references.py"
MESSAGE, PACKING, ONCE = (f"tests/unit/test_{name}.py" for name in ("message", "packing", "once"))
HUB, STATES = "tests/remote/test_hostile_hub.py", "tests/remote/test_true_states.py"
DECLARED = "tests/attacks/test_declared_measurements.py"
TABLES = "tests/attacks/test_tables_of_hospitals.py"
MIXED = "tests/contract/test_mixed_references.py"
MARGINS = "tests/contract/test_margins_references.py"
REPEATING, REPEATED = "tests/attacks/test_repeated.py", "tests/contract/test_repeated_references.py"
LOGIT, LAPLACE = "tests/contract/test_mixed_logistic_references.py", "tests/unit/test_laplace.py"
CATEGORICAL = "tests/contract/test_categorical_references.py"
FIRST = "tests/attacks/test_first_levels.py"
PENALISED = "tests/contract/test_penalised_references.py"
EMULATING, EMULATED = "tests/attacks/test_target_trial.py", "tests/contract/test_target_trial_references.py"
WEIGHING, WEIGHED = "tests/attacks/test_weighting.py", "tests/contract/test_weighting_references.py"
TIMED, TIMES = "tests/attacks/test_weighted_survival.py", "tests/contract/test_weighted_survival_references.py"
STANDARD = "tests/attacks/test_standardisation.py"
STANDARDS = "tests/contract/test_standardisation_references.py"
NEGATIVE = "tests/contract/test_negative_binomial_references.py"
FIRTH = "tests/contract/test_firth_references.py"
GEE = "tests/contract/test_gee_references.py"
ROBUST = "tests/contract/test_robust_references.py"
COMPETING, COMPETED = "tests/attacks/test_fine_gray.py", "tests/contract/test_fine_gray_references.py"
IMPUTING, IMPUTED = "tests/attacks/test_imputation.py", "tests/contract/test_imputation_references.py"
LEVELS = "tests/attacks/test_imputed_categories.py"
LEVELS_LIKE = (
    "tests/contract/test_imputed_categories_references.py::test_coefficients_are_those_of_the_same_draws_on_pooled_rows"
)
FORESEEN, FORESEEN_LIKE = "tests/attacks/test_foreseen.py", "tests/contract/test_foreseen_references.py"
COURIER, SILENT = "tests/exchange/test_courier.py", "tests/remote/test_silent.py"
SAID = "tests/unit/test_said.py"
LETTERS = "tests/exchange/test_letters.py"
RUN, RING = "tests/unit/test_run_and_verify.py", "tests/unit/test_ring.py"

AGREE, REGIONS = "tests/contract/test_agreement_references.py", "tests/unit/test_consistency.py"
SIZES, COUNTS = "tests/unit/test_sizes.py", "tests/attacks/test_feasibility.py"

MUTATIONS = (
    (
        "methods/agreement.py",
        "behind = joined(few_or_none(_differing(x)), supported",
        "behind = joined(supported",
        AGREE,
    ),
    ("methods/agreement.py", "return_counts=True)[1].max(initial=0)", "return_counts=True)[1].min(initial=0)", AGREE),
    ("methods/agreement.py", "(given.max(axis=1, initial=0) < len(variables)).sum()", "0 * given.size", AGREE),
    (
        "methods/agreement.py",
        '{"patterns": cells(np.array(counted)[:, None], rows.n)}',
        '{"patterns": count(np.ones((rows.n, 4), bool))}',
        AGREE,
    ),
    ("statistics/consistency.py", "(fraction**2 - 2 * fraction) * variance", "fraction**2 * variance", REGIONS),
    ("site/decided.py", "before + len(plan.study.cohorts) <= self._policy.feasibility", "True", COUNTS),
    ("site/decided.py", "before + len(plan.study.cohorts) <=", "len(plan.study.cohorts) <=", COUNTS),
    (
        "site/decided.py",
        "plan, data, statements, needed=not counts_only",
        "plan, data, statements, needed=False",
        COUNTS,
    ),
    ("site/site.py", "isolates and session.cohorts.is_whole(name)", "False", COUNTS),
    (
        "site/site.py",
        "preflight_told(decision, isolates, lacking)",
        "preflight_told(decision, isolates, lacking & False)",
        COUNTS,
    ),
    ("governance/derive.py", "    if what.study.counts_only:", "    if False:", COUNTS),
    (
        "statistics/sizes/times.py",
        "(1 - np.exp(-rate * self.follow_up) * entering)",
        "(1 - np.exp(-rate * self.follow_up))",
        SIZES,
    ),
    ("statistics/sizes/proportions.py", "treated / control, -self.margin)", "control / treated, -self.margin)", SIZES),
    (
        "release/rules/table.py",
        "    return _hide_next(people.reshape(-1)",
        "    return False and _hide_next(people.reshape(-1)",
        RULES,
    ),
    ("exchange/parcel.py", "parcel.sender.keys.check_once(signature, LABEL + manifest)", "pass", COURIER),
    (
        "exchange/parcel.py",
        "if tuple(chunk_digest(chunk) for chunk in divide(body)) != one.chunks:",
        "if False:",
        COURIER,
    ),
    ("zipped.py", "if len(content) > most:", "if False:", COURIER),
    ("zipped.py", "if len(content) > most:", "if False:", PROSE),
    ("exchange/courier.py", "if parcel.recipient != own or parcel.sender.name == own:", "if False:", COURIER),
    ("exchange/courier.py", "        self._check_trusted(parcel.sender, trust)\n", "", COURIER),
    ("exchange/courier.py", "        if doubled:", "        if False:", COURIER),
    ("coordinator/run.py", "if held or not allowed or len(absent) > allowed:", "if False:", SILENT),
    (
        "coordinator/verify.py",
        'answer.outcome == "silent" and plan.study.may_go_on_without',
        'answer.outcome == "silent"',
        SILENT,
    ),
    ("runtime/remote.py", ' or answer.outcome == "silent":', ":", SILENT),
    ("release/rules/minimum_people.py", "if case.people < least:", "if False:", RULES),
    ("release/rules/minimum_people.py", "too_few(measure.people", "too_few(measure.people + 99", RULES),
    ("release/rules/minimum_people.py", "(people > 0) & (people < least)", "(people < 0)", RULES),
    (
        "methods/compare.py",
        "joint(comparisons.stratum(table), 1.0, behind, spread, own_",
        "joint(comparisons.stratum(table), 1.0, behind, spread)  # own_",
        TABLES,
    ),
    (
        "methods/compare.py",
        "joint(departure, 4.0, behind, spread, own_table(table))",
        "joint(departure, 4.0, behind, spread)",
        TABLES,
    ),
    (
        "release/aggregate.py",
        "np.asarray(table, dtype=np.int64).ravel(), 1)",
        "np.asarray(table, dtype=np.int64).ravel(), 0)",
        TABLES,
    ),
    (
        "methods/rank_tests.py",
        "groups = own_table(member.sum(axis=0))",
        "groups = own_table(99 + member.sum(axis=0))",
        TABLES,
    ),
    ("methods/rank_tests.py", "return np.concatenate([groups, own_table(table)])", "return groups", TABLES),
    ("methods/rank_tests.py", "return np.append(groups, len(x) - ties.max(initial=0))", "return groups", TABLES),
    ("methods/_mixed_cells.py", "every = [having, clusters", "every = [clusters", MIXED),
    ("methods/_marginal.py", "behind = joined(cells, few_or_none(having))", "behind = cells", MARGINS),
    ("methods/_marginal.py", "+ slope[:, None] * turned])", "])", MARGINS),
    ("methods/_marginal.py", "np.maximum(x - at, 0.0) ** 2", "(x - at) ** 2", MARGINS),
    ("methods/mixed_logistic.py", "cells, spread, own)", "cells, spread)", LOGIT),
    ("methods/mixed_logistic.py", ", own_spread(rows, parsed, cluster))", ")", LOGIT),
    ("methods/mixed_logistic.py", "and len(fit.sites) < FEWEST:", "and False:", LOGIT),
    ("methods/mixed_logistic.py", "np.where(constant, 0.0, own)", "own", LOGIT),
    ("methods/_mixed_logistic_walk.py", "or found.likelihood <= plain.likelihood", "and False", LOGIT),
    ("statistics/laplace.py", "(moved < low) | (moved > high) |", "(moved < low) &", LAPLACE),
    ("statistics/laplace.py", "hessian += mixed + mixed.T", "hessian += mixed", LAPLACE),
    (
        "methods/mixed.py",
        "side_by_side(spread, cluster_spread(columns, groups)) if cluster",
        "spread if cluster",
        MIXED,
    ),
    ("methods/mixed.py", "cells = block_cells(rows, parsed, slopes)", "cells = product_cells(rows, parsed)", MIXED),
    ("methods/mixed.py", "if len(first.sites) < FEWEST:", "if False:", MIXED),
    (
        "methods/_traits.py",
        "if not all(one.shown for one in at)",
        "if not any(one.shown for one in at)",
        FIRST,
    ),
    (
        "methods/_regression.py",
        "having = all_traits(rows, formula)",
        "having = design_traits(rows, formula)",
        FIRST,
    ),
    ("methods/_mixed_cells.py", "[columns, first_levels(rows, formula), *few]", "[columns, *few]", FIRST),
    (
        "methods/_mixed_cells.py",
        "having, first, inside.sum() - first]",
        "having, first * 0 + 99, first * 0 + 99]",
        FIRST,
    ),
    ("methods/_repeated_cells.py", ".people)[inside]\n    return", ".people)[inside][:, :-1]\n    return", REPEATING),
    ("methods/_target_trial_cells.py", "all_traits(rows, formula)[part]", "design_traits(rows, formula)[part]", FIRST),
    (
        "methods/_gee_cells.py",
        "np.column_stack([np.ones(rows.n, bool), all_traits(rows, formula)])",
        "np.column_stack([np.ones(rows.n, bool), all_traits(rows, formula)[:, :-1]])",
        FIRST,
    ),
    ("exchange/relay.py", "told_digest(own)", "told_digest(await self._tell())", "tests/exchange/test_two_hubs.py"),
    ("methods/_glm_cells.py", "np.append(numbers[traits], first)", "numbers[traits]", FIRST),
    ("methods/_weighting_cells.py", "(~having).sum(axis=0), first, away", "(~having).sum(axis=0), away", FIRST),
    (
        "methods/_regression.py",
        "np.column_stack([outcome_columns(rows, formula), all_traits(rows, formula)])",
        "all_traits(rows, formula)",
        CATEGORICAL,
    ),
    (
        "methods/_regression.py",
        "[combined(traits, variables_of(rows, formula.variables), chosen)]",
        "[]",
        CATEGORICAL,
    ),
    ("methods/_regression.py", "supported_beside(traits, columns, chosen)", "supported(columns, chosen)", DECLARED),
    ("methods/_regression.py", "both(variables_of(rows, formula.variables), chosen)", "supported(columns)", DECLARED),
    ("methods/_mixed_cells.py", "first_levels(rows, formula), *few]", "first_levels(rows, formula)]", DECLARED),
    ("release/few_values.py", "None if any(one.values is None for one in parts) else _distinct(x)", "None", DECLARED),
    (
        "release/few_values.py",
        "few_or_none(away(columns, chosen)), *of_values",
        "few_or_none(away(columns, chosen))",
        DECLARED,
    ),
    ("release/few_values.py", "own=counts[_shared(column)].ravel()", "own=NOBODY", DECLARED),
    ("release/few_values.py", "pooled and not any(_shared(one).any() for one in columns)", "True", DECLARED),
    (
        "release/few_values.py",
        "np.full(PLACES * sides.shape[1], len(sides), np.int64)",
        "np.zeros(PLACES, np.int64)",
        DECLARED,
    ),
    ("release/few_values.py", "np.where(whole, np.mod(values, PLACES).astype(np.int64), bits)", "bits % 2", DECLARED),
    (
        "methods/_penalised_sums.py",
        "design_cells(rows, formula, fold) for",
        "design_cells(rows, formula) for",
        PENALISED,
    ),
    ("methods/_penalised_sums.py", "fold_cells(rows, formula, fold) for", "design_cells(rows, formula) for", PENALISED),
    (
        "methods/_penalised_sums.py",
        "plains[number].append(spread_of(_among(plain, fold[some])[:, measured]))",
        "plains[number].append(spread_of(0 * _among(plain, fold[some])[:, measured]))",
        PENALISED,
    ),
    ("methods/penalised.py", "(self.fits * self.width if walk.rounds == 2 else 0)", "self.fits", PENALISED),
    ("methods/penalised.py", " + new * self._triangle", "", PENALISED),
    ("methods/_penalised_sums.py", "            rest[held] = 0.0\n", "", PENALISED),
    (
        "methods/_penalised_sums.py",
        "np.where(self.held_of(some), 0.0, small / (1.0 + small) ** 2)",
        "small / (1.0 + small) ** 2",
        PENALISED,
    ),
    ("methods/_imputation_cells.py", "parts.append(part_cells(rows, spec.known, ~present))", "pass", IMPUTING),
    ("methods/_imputation_cells.py", "joined(*parts, _patterns(rows, spec, having))", "joined(*parts)", IMPUTING),
    ("methods/_imputation_cells.py", "part_traits(rows, _had(spec, code),", "part_traits(rows, spec.known,", IMPUTING),
    ("methods/_imputation_cells.py", "> 1 - 1e-9", "> 2", IMPUTING),
    ("methods/_imputation_cells.py", "spec.swept > MOST_SWEPT", "spec.times * spec.sweeps > MOST_SWEPT", IMPUTING),
    (
        "methods/_imputation_cells.py",
        "[own_table(groups), np.array([(~present).sum()])]",
        "[own_table(groups)]",
        IMPUTING,
    ),
    (
        "methods/_traits.py",
        "found += [at for at in product(*factors) if not all(one.shown for one in at)]",
        "pass",
        LEVELS,
    ),
    ("methods/_imputation_cells.py", "else _by_level(rows, name, present)", "else [present.sum()]", LEVELS),
    ("methods/_imputation_cells.py", "[lacking, *_by_level(rows, other, present)]", "[lacking]", LEVELS),
    ("methods/imputation.py", "one.sweeps * max(_columns(name, study) for name in one.impute)", "one.sweeps", LEVELS),
    ("methods/_imputation_levels.py", "+ here.root @ own", "", LEVELS_LIKE),
    ("methods/_imputation_levels.py", "- here.answer @ moved", "", LEVELS_LIKE),
    ("methods/_imputation_chains.py", "np.clip(given, low, high)", "given", IMPUTING),
    ("methods/_imputation_chains.py", "+ own[0] / np.sqrt(weight)", "", IMPUTED),
    ("methods/_imputation_chains.py", "rest.mean() + sigma * own[0]", "rest.mean() + 0 * own[0]", IMPUTED),
    ("methods/_regression.py", "np.triu_indices(sides.shape[1])", "np.diag_indices(sides.shape[1])", IMPUTING),
    ("federation/line.py", "check_none(needed_elsewhere(study, self.methods))", "pass", IMPUTING),
    ("site/cohorts.py", "self._people.remember_part(self[name].key, part)", "pass", IMPUTING),
    ("site/cohorts.py", "_least(found.atom, beside.atom)", "found.atom", IMPUTING),
    ("site/differencing.py", "if members not in known", "", IMPUTING),
    (
        "statistics/rubin.py",
        "extra = (1 + 1 / m) * between",
        "extra = between",
        "tests/unit/test_imputation_statistics.py",
    ),
    (
        "methods/_survival/one_baseline.py",
        "grid=self.grid.coarser(times * self.least)",
        "grid=self.grid",
        "tests/attacks/test_survival.py",
    ),
    (
        "methods/_survival/one_baseline.py",
        "few_or_none(self.exits().ravel())",
        "few_or_none(self.exits().sum(axis=(0, 2, 3)))",
        "tests/attacks/test_survival.py",
    ),
    ("methods/_target_trial_cells.py", "few_or_none(counted(people).ravel()),", "", EMULATING),
    ("methods/_target_trial_cells.py", "*(_with_traits(rows, formula, one) for one in ends),", "", EMULATING),
    (
        "methods/_target_trial_cells.py",
        "found.append(own_table([[(a & b).sum() for b in (event, ~event)] for a in (within, ~within)]))",
        "",
        EMULATING,
    ),
    ("methods/_target_trial_steps.py", "w * columns[chosen]]), least))", "w * columns[chosen]]), 10**9))", EMULATING),
    ("methods/_target_trial_steps.py", "(began > until).any()", "(began > np.inf).any()", EMULATED),
    ("methods/_target_trial_steps.py", "@ directions.T + own", "@ directions.T", EMULATED),
    (
        "methods/target_trial.py",
        ".variables & {options.time, options.event, options.start}",
        ".variables & set()",
        EMULATED,
    ),
    (
        "methods/target_trial.py",
        "[*self.formula.predictors, self.options.time,",
        "[self.options.start, self.options.time,",
        EMULATED,
    ),
    ("statistics/target_trial.py", "np.minimum(leaves, self.grace - 1))", "self.start - self.grace)", EMULATED),
    ("statistics/target_trial.py", "last = np.where(within, self.start, leaves)", "last = leaves", EMULATED),
    ("statistics/target_trial.py", "before = min(j, g)", "before = min(j + 1, g)", EMULATED),
    (
        "methods/_weighting_cells.py",
        "found = [having.sum(axis=0), (~having).sum(axis=0), first, away",
        "found = [first, away",
        WEIGHING,
    ),
    ("methods/_weighting_cells.py", "_by_outcome(rows, treated, outcome), traits_of(", "traits_of(", WEIGHING),
    ("methods/_weighting_cells.py", "found.append(np.unique(table", "(np.unique(table", WEIGHING),
    ("methods/_weighting_cells.py", "parts.append(_within(rows, name, group))", "pass", WEIGHING),
    (
        "methods/_weighting_steps.py",
        "spread, np.concatenate([own, inside]))",
        "spread)",
        WEIGHING,
    ),
    ("methods/_weighting_steps.py", "scales, spread_of(parts))}", "scales, spread_of(parts[:, :0]))}", WEIGHING),
    ("methods/_weighting_steps.py", "one.with_intercept(found.weight", "(lambda x, _: x)(found.weight", WEIGHED),
    ("methods/_weighting_steps.py", "np.repeat(filled == 0, 2)", "np.repeat(filled >= 0, 2)", WEIGHING),
    (
        "methods/_descent.py",
        "all(n >= least or (n == 0 and not filled)",
        "all(n >= 0 or (n == 0 and not filled)",
        WEIGHED,
    ),
    ("methods/_propensity.py", "one.columns * one.spread[:, None])\n", "one.raw * one.spread[:, None])\n", WEIGHED),
    (
        "methods/_profile_fit.py",
        "constant = np.diag(self.information) <=",
        "constant = np.diag(self.information) < 0 *",
        WEIGHED,
    ),
    ("statistics/weighting.py", "moves = free & under", "moves = under", WEIGHED),
    ("statistics/weighting.py", "np.where(under, by_share, 0.0)", "by_share", WEIGHED),
    ("methods/_one_scheme.py", "if self.within != other.within:", "if False:", WEIGHING),
    ("methods/_one_scheme.py", "return bounded and (self.kind", "return False and (self.kind", WEIGHING),
    ("methods/_one_scheme.py", 'said.get("estimator") == "aipw":', 'said.get("estimator") == "none":', WEIGHING),
    ("methods/_weighting_curves.py", "spread, few_or_none(counts), ", "spread, few_or_none(0 * counts), ", TIMED),
    ("methods/_weighting_curves.py", "_patterns(rows, asked.formula, cell))", "NOBODY)", TIMED),
    ("methods/_weighting_curves.py", "Spread(whole.largest + whole.second + others, ", "Spread(whole.total, ", TIMED),
    ("methods/_weighting_curves.py", "grid.coarser(least, apart=True, ", "grid.coarser(1, apart=True, ", TIMED),
    ("methods/_survival/grid.py", "table = table if apart else table.sum", "table = table.sum", TIMED),
    ("statistics/weighted_life_table.py", "left = self.beyond + ", "left = ", TIMES),
    ("statistics/weighted_life_table.py", "if self.beyond else 0.0", "if False else 0.0", TIMES),
    ("methods/_weighting_hazard.py", "[w * fitted.residuals, fitted.expected]", "[w * fitted.residuals]", TIMED),
    ("methods/_weighting_hazard.py", "scales), spread_of(parts))}", "scales), spread_of(parts[:, :0]))}", TIMED),
    ("methods/_weighting_hazard.py", "** 2]), spread_of(squared))}", "** 2]), spread_of(squared[:, :0]))}", TIMED),
    ("methods/_weighting_hazard.py", "scored.with_intercept(z, weights.slope * u)", "z", TIMES),
    ("methods/_weighting_hazard.py", "weights.by_share * u, squares]", "0 * u, squares]", TIMES),
    (
        "statistics/weighted_cox.py",
        "by_time(w[dead]) / np.maximum(sets.deaths, 1))[which]",
        "by_time(w[dead]))[which]",
        TIMES,
    ),
    ("statistics/weighted_cox.py", "gone[dead] -= ", "gone[dead] -= 0 * ", TIMES),
    (
        "methods/_standardisation_cells.py",
        "parts = [design_cells(rows, formula, group) for group in groups]",
        "parts = []",
        STANDARD,
    ),
    ("methods/_standardisation_cells.py", "sizes, beside = own_table(", "sizes, beside = 0 * own_table(", STANDARD),
    ("methods/_standardisation_cells.py", "[sizes, traits_of(rows, formula, group, beside)]", "[sizes]", STANDARD),
    ("methods/_standardisation_cells.py", "parts.append(own_cells(", "(own_cells(", STANDARD),
    ("methods/_standardisation_steps.py", "spread_of(z**2))}", "spread_of(z[:, :0]))}", STANDARD),
    ("methods/_standardisation_steps.py", "+ float(at.slope.sum()) * one.answer", "", STANDARDS),
    ("statistics/penalised.py", "crossing = (first > 0) & (signs * there < 0)", "crossing = first < 0", PENALISED),
    (
        "methods/firth.py",
        "bounds_of(largest), _cells(rows, parsed), spread)",
        "bounds_of(largest), _cells(rows, parsed), Spread(*[np.zeros(0)] * 3))",
        FIRTH,
    ),
    ("methods/firth.py", "return everyone(rows, formula).cells", "return count(np.ones(rows.n, bool))", FIRTH),
    ("report/compose.py", "and table.name not in shown]", "]", "tests/unit/test_report.py"),
    ("methods/_sandwich.py", "MOST_LEVERAGE = 0.5", "MOST_LEVERAGE = 1.5", ROBUST),
    ("methods/_sandwich.py", "side_by_side(spread_of(over**2), alone)", "alone", ROBUST),
    ("methods/_sandwich.py", "np.concatenate([own, by_cluster])", "own", ROBUST),
    ("methods/_sandwich.py", ", own_spread(rows, formula, cluster))", ")", ROBUST),
    ("methods/_sandwich.py", "if unlike and", "if not unlike and", ROBUST),
    ("methods/gee.py", "if beyond > 0.5:", "if False:", GEE),
    ("methods/gee.py", "family), whole, own)", "family), whole)", GEE),
    ("methods/gee.py", "whole = side_by_side(spread, own_spread(rows, formula, cluster))", "whole = spread", GEE),
    ("methods/_gee_cells.py", "return [whole, *(one.ravel() for one in counts)]", "return [whole]", GEE),
    ("methods/_gee_cells.py", "whole = own_table(", "whole = np.ravel(", GEE),
    ("statistics/clusters.py", 'POWERS = {"sandwich": 0.0, "CR2": 0.5', 'POWERS = {"sandwich": 0.0, "CR2": 0.4', GEE),
    ("methods/_glm_negative_binomial.py", "spread, patterns(rows, parsed, exposure))", "spread)", NEGATIVE),
    ("methods/_glm_negative_binomial.py", "> NO_MORE * poisson.mean", "> 1e300", NEGATIVE),
    ("methods/glm.py", 'if options.family == "negative_binomial" and not measured:', "if False:", NEGATIVE),
    ("statistics/mixed.py", "if not away.any():", "if True:", MIXED),
    ("release/rules/remainder.py", "(measure.others < least)", "(measure.others < 1)", RULES),
    ("release/rules/table.py", 'yield Breach("table", name, both)', "pass", RULES),
    ("release/rules/table.py", "if not any(_determined(", "if True or not any(_determined(", RULES),
    ("release/rules/dominance.py", "rest < case.limits.dominance", "rest < 0 * case.limits.dominance", RULES),
    ("release/rules/saturation.py", "if case.fit and case.per_fit >", "if False and case.per_fit >", RULES),
    ("release/rules/saturation.py", "if spent + case.numbers >", "if False and case.numbers >", RULES),
    ("release/rules/differencing.py", "0 < difference < least", "0 < difference < 0", RULES),
    ("release/rules/differencing.py", "0 < atom < least", "0 < atom < 0", RULES),
    ("release/rules/order_statistics.py", "return np.repeat(pairs, 2)", "return np.repeat(pairs & False, 2)", RULES),
    ("release/rules/order_statistics.py", "case.hospitals < case.limits.hospitals", "False", RULES),
    ("governance/approval.py", "terms.at_least.get(role, 1)", "1", YES),
    ("governance/approval.py", "one.key == other.key or same_person(one.person, other.person)", "False", YES),
    ("runtime/journal.py", '"behind": self._missed', '"later": self._missed', LEFT),
    ("site/said.py", "any(opened != here for opened", "any(False for opened", DOOR),
    ("site/said.py", 'self.refused.add(record["request"])', "pass", OUTPUT),
    ("site/said.py", "self.shares[tuple(record[name] for name in OVER)] += 1", "pass", SAID),
    ("site/said.py", 'self.numbers[receiver, channel] += record["numbers"]', "pass", SAID),
    ("methods/_values.py", "if rank > 0)", "if rank > 1)", "tests/unit/test_descent_cells.py"),
    ("methods/_values.py", " or self._first[place] in self.shut", "", "tests/unit/test_descent_cells.py"),
    (
        "statistics/knots.py",
        "min(inner) if narrow else min(inner, key=lambda end: abs(end - place.value))",
        "place.value",
        PLACING,
    ),
    ("statistics/knots.py", "0.5 if binned.whole else 0.0", "0.0", PLACING),
    ("statistics/knots.py", "int(np.clip(rank, least, people - least + 1))", "rank", KNOTS),
    ("statistics/knots.py", "if binned.least[0] < end < binned.greatest[-1]", "", KNOTS),
    ("statistics/knots.py", "return near or any(", "return near or False and any(", KNOTS),
    ("protocol/formula.py", "if found.unplaced and not unplaced:", "if False:", PLACING),
    ("methods/_knots.py", "if two_grids(one.name, analysis, study)]", "if False]", PLACED),
    ("methods/_values.py", "return any(term.plain == name for term in formula.terms)", "return False", PLACED),
    ("methods/validate.py", "if self.formula.unplaced else None", "if False else None", PLACED),
    ("methods/_values.py", "return any(low < cut < high for cut in self.shut)", "return False", QUANTILES),
    ("methods/_descent.py", "(n == 0 and not filled)", "n == 0", MEDIANS),
    ("methods/_values.py", "and not ((table > 0) & (table < least)).any()", "", MEDIANS),
    ("methods/_quantiles_grown.py", "min(share, 1 - share) >= least", "min(share, 1 - share) >= 0 * least", MEDIANS),
    ("methods/rank_tests.py", "if size * many <= FEW_CELLS:", "if False:", RANKS),
    ("methods/_values.py", "depth <= known]", "True]", QUANTILES),
    ("release/aggregate.py", "np.broadcast_to(empty[:, None], people.shape)", "np.ones(people.shape, bool)", QUANTILES),
    ("release/aggregate.py", "np.maximum(np.minimum(largest, one.largest), ", "np.maximum(second, ", SPREAD),
    ("site/store.py", "at // TAG for at", "at for at", PLACES),
    ("site/site.py", "        if request.receiver not in session.publics:", "        if False:", HOSTILE),
    ("release/rules/event_times.py", "(measure.people < case.limits.minimum_people)", "(measure.people < 0)", RULES),
    ("release/rules/event_times.py", 'case.scope == "each" or', "False or", RULES),
    ("release/rules/event_times.py", "case.hospitals < case.limits.hospitals", "False", RULES),
    ("methods/_survival/grid.py", "(leaving < self.asked.least)", "(leaving < 0)", SURVIVAL),
    ("methods/_survival/grid.py", "for one in alike} | {by}))", "for one in alike[:0]} | {by}))", ONE),
    (
        "methods/_fine_gray_sets.py",
        "lambda: trait_cells(rows, formula))",
        "lambda: count(np.ones(rows.n, bool)))",
        COMPETING,
    ),
    ("methods/fine_gray.py", "u = fitted.residuals + fitted.of_censoring", "u = fitted.residuals", COMPETED),
    ("methods/_fine_gray_baseline.py", "np.where(left >= least,", "np.where(left >= 0,", COMPETING),
    (
        "methods/_fine_gray_baseline.py",
        "cells_of(rows, parsed), few_or_none(table.ravel())",
        "cells_of(rows, parsed)",
        COMPETING,
    ),
    ("methods/_fine_gray_baseline.py", "self._of_event().coarser(times * self.least)", "self._of_event()", COMPETING),
    ("methods/_fine_gray_baseline.py", 'answer["people"] == self.people', 'answer["people"] > 0', COMPETING),
    ("methods/_fine_gray_baseline.py", "np.exp((centre - sets.centre) @ coefficients)", "1.0", COMPETED),
    ("statistics/fine_gray.py", "passed = own + censored", "passed = own + 1", COMPETED),
    (
        "statistics/fine_gray.py",
        'sets.censoring.times, side="right")\n        weight',
        "sets.censoring.times)\n        weight",
        COMPETED,
    ),
    ("release/rules/precision.py", "measure.people < case.limits.precision_people", "measure.people < 0", RULES),
    ("release/rules/model.py", 'yield Breach("model")', "yield from ()", RULES),
    ("release/rules/range.py", "if outside.any():", "if False:", RULES),
    ("release/gate.py", "if not self.rules:", "if False:", RULES),
    ("release/gate.py", 'if case.scope == "share" and breaches:', "if False:", RULES),
    ("release/limits.py", "minimum_people, FLOOR)", "minimum_people)", RULES),
    ("site/admission.py", "if not same_arguments(request.arguments, ask.arguments):", "if False:", DOOR),
    ("site/admission.py", "if len(roster) < limits.hospitals:", "if False:", DOOR),
    ("site/admission.py", "if policy.independent_partners is not None", "if False", DOOR),
    ("site/admission.py", 'raise NotAdmitted("method_not_allowed")', "pass", RUN),
    ("site/site.py", "if request.receiver != COORDINATOR:", "if False:", DOOR),
    ("site/site.py", "not in ((), request.roster):", "not in ((), request.roster) and False:", DOOR),
    ("site/site.py", "        self._said.check_not_opened(request)\n", "", DOOR),
    ("exchange/letter_calls.py", "    call.charge(len(given))\n", "", LETTERS),
    (
        "exchange/relay.py",
        '            others += [small[place] for place in reply.record().get("refused", [])]\n',
        "",
        HUBS,
    ),
    (
        "site/service.py",
        "                self._flush()\n            yield letter",
        "                pass\n            yield letter",
        STATES,
    ),
    ("exchange/letter_calls.py", "        letters.acknowledge(rows, caller.name, done)\n", "", LETTERS),
    (
        "site/site.py",
        "        return all(self._store.roster(key) == request.roster for key",
        "        return True or all(self._store.roster(key) == request.roster for key",
        DOOR,
    ),
    (
        "site/said.py",
        'OPENING = ("people", "masked_people", "pooled")\n',
        'OPENING = ("people", "pooled")\n',
        DOOR,
    ),
    ("site/site.py", "return kept if kept is not None else", "return", DOOR),
    ("site/site.py", 'if state != "approved":', "if False:", RUN),
    ("site/site.py", "traceback.format_tb(fault.__traceback__)", "str(fault)", DOOR),
    (
        "site/site.py",
        "self._store.keep(answer := answer.receipted(receipt))",
        "answer = answer.receipted(receipt)",
        RUN,
    ),
    ("site/history.py", "                self._check(opened.cursor, opened.record)\n", "                pass\n", DOOR),
    ("coordinator/run.py", "if disputed and self._history:", "if False:", "tests/attacks/test_hostile.py"),
    ("federation/line.py", "(name == analysis or lost)", "name == analysis", "tests/unit/test_run_and_verify.py"),
    ("methods/_fine_gray_baseline.py", "LARGEST = 1024.0", "LARGEST = 1.0", COMPETED),
    ("api.py", "and Keys.open(key_file).public.sealing == mine", "", "tests/end_to_end/test_hospitals.py"),
    (
        "api.py",
        "            key_file.unlink()\n        return finished",
        "        return finished",
        "tests/end_to_end/test_hospitals.py",
    ),
    ("site/opening.py", "if [one.site for one in shares] != list(opening.roster):", "if False:", DOOR),
    ("release/masks.py", "_label(summand, block, summand.site))", '_label(summand, "", summand.site))', DOOR),
    ("site/opening.py", "own_key(keys.private, first", "own_key(bytes(32), first", DOOR),
    ("site/opening.py", 'own_key(keys.private, first, "people")', 'own_key(keys.private, first, "values")', DOOR),
    ("methods/_validation/scores.py", "np.round(X @ beta, DECIMALS)", "X @ beta", "tests/unit/test_validate.py"),
    (
        "federation/once.py",
        "self._has.add(answer.receipt.head)\n\n    def record",
        "pass\n\n    def record",
        ONCE,
    ),
    ("site/opening.py", "ring.add(pairwise, own_mask(", "ring.add(ring.subtract(pairwise, pairwise), own_mask(", DOOR),
    (
        "release/sharing.py",
        "opened = np.all([entries for entries, _ in openings], axis=0)",
        "opened = openings[0][0]",
        DOOR,
    ),
    ("release/ledger.py", "exact = entry.line == line", "exact = True", RUN),
    ("release/ledger.py", "if entry.sequence != number or entry.previous != previous:", "if False:", RUN),
    ("release/ledger.py", "if head is not None and previous != head:", "if False:", RUN),
    ("release/ledger.py", "        verify(_bytes(self.signature), self.head.encode())\n", "", RUN),
    ("federation/secure_sum.py", 'if record["request"] != answer.request or', "if False and", DOOR),
    ("coordinator/verify.py", '_check_same(again["analyses"], found["analyses"]', "_check_same({}, {}", RUN),
    ("coordinator/verify.py", '_check_same(again, found, {"gagyo"', '_check_same({}, {}, {"gagyo"', HOSTILE),
    ("coordinator/verify.py", "            _check_receipt(answer, publics)\n", "            pass\n", HOSTILE),
    ("site/site.py", "if asked.strictest(Limits()) != asked:", "if False:", HOSTILE),
    ("site/site.py", "if self._said.rounds_of(inner) >= session.limits.rounds * question.fits:", "if False:", HOSTILE),
    ("site/site.py", "        session.history.check_all_others(inner)\n", "", HOSTILE),
    (
        "site/admission.py",
        "all(_is_near(inner.arguments.get(name), near, reach) for name, near in one.near.items())",
        "True",
        LEFT,
    ),
    ("site/admission.py", " and np.all(change[one.fixed] == 0)", "", FORESEEN),
    ("release/case.py", " and not self.every_round", "", FORESEEN),
    ("site/site.py", "            every_round=bool(ask and ask.every_round),\n", "", FORESEEN),
    ("methods/_imputation_walk.py", "every_round=bool(self.without)", "every_round=False", FORESEEN),
    ("methods/_validation/imputed.py", "replace(chained.spec, swept=EVERY_PATTERN)", "chained.spec", FORESEEN),
    ("methods/_validation/imputed.py", "return products / residual", "return one.information / residual", FORESEEN),
    ("methods/_validation/imputed.py", "most = HALF * (np.eye", "most = 0 * (np.eye", FORESEEN),
    ("methods/_validation/completed.py", ", *(one for one in lacking if one))", ")", FORESEEN),
    ("methods/_imputation_chains.py", "() if self.purpose == PREDICTION else", "() if False else", FORESEEN_LIKE),
    (
        "methods/_validation/completed.py",
        "rubin.pool(pairs[:, :1], pairs[:, 1:] ** 2",
        "rubin.pool(pairs[:, :1], pairs[:, 1:]",
        FORESEEN_LIKE,
    ),
    ("site/decided.py", 'if self._store.approved_data(plan.digest) not in ("", data):', "if False:", RUN),
    ("site/site.py", "            self._sessions.pop(plan.digest)\n", "            pass\n", YES),
    ("site/site.py", "        self._approvals.check(request, needed=not session.study.counts_only)\n", "", YES),
    ("site/site.py", "        self._approvals.check(inner)\n", "", YES),
    ("governance/approval.py", 'return one.role != "lead" and same_person(one.person, lead)', "return False", YES),
    ("governance/approval.py", "or one.key not in terms.keys.get(one.role, ()):", "or False:", YES),
    ("governance/review.py", "act.key not in terms.keys.get(act.role, ())", "False", REVIEW),
    ("governance/review.py", "if not signature_holds(act.key, act.signature, act.signed):", "if False:", REVIEW),
    ("governance/review.py", "return None if about == present else", "return None if True else", REVIEW),
    ("governance/review.py", 'if not may(act.role, f"review.{act.doing}"):', "if False:", REVIEW),
    ("governance/review.py", '"return") and review.asked_by(act):', '"return") and False:', REVIEW),
    ("governance/review.py", '"return") and review.voted_by(act):', '"return") and False:', REVIEW),
    ("governance/review.py", "if (review.state, act.doing) not in TRANSITIONS:", "if False:", REVIEW),
    ("governance/review.py", "and not review.seen_by(act.key):", "and False:", REVIEW),
    ("governance/review.py", "and yes < REVIEWERS", "and yes < 1", REVIEW),
    ("governance/review.py", "if act.version == self.version)", ")", REVIEW),
    ("site/reviews.py", 'if review.state not in ("approved", "released"):', "if False:", OUTPUT),
    ("site/reviews.py", "hmac.new(self._secret, body,", 'hmac.new(b"", body,', OUTPUT),
    ("site/reviews.py", "if len(after.votes) == REVIEWERS else {}", "", OUTPUT),
    ("site/reviews.py", '    del said["note"]\n', "", OUTPUT),
    ("site/site.py", "        self._check_referral(session, inner)\n", "", OUTPUT),
    ("site/site.py", "        self._check_referral(session, request)\n", "", OUTPUT),
    ("site/site.py", "        self._check_refusals(request.plan)\n", "", DOOR),
    ("site/service.py", "if fault.code in SHUT:", "if False:", STATES),
    ("site/deciding.py", "refuse(proposed.plan, wish.reason)", "refuse(proposed.plan)", ACTS),
    ("site/decided.py", '        self._note_decision("withdraw", plan)\n', "", ACTS),
    ("coordinator/acts.py", 'return bool(after) and after == told["state"]', "return True", ACTS),
    ("coordinator/dossier.py", "for name in sorted(here ^ set(listed)):", "for name in ():", DOSSIER),
    ("coordinator/dossier.py", "if _sha256((folder / name).read_bytes()) != sha256:", "if False:", DOSSIER),
    ("protocol/word.py", "        raise _Doctype\n", "        pass\n", PROSE),
    ("protocol/word.py", "self._in_text and not self._hidden and", "self._in_text and", PROSE),
    ("protocol/prose.py", "    if not found:\n", "    if False:\n", PROSE),
    ("protocol/prose.py", "        return not left\n", "        return True\n", PROSE),
    ("protocol/prose.py", "return _number(text) == _number(entry.raw)", "return True", PROSE),
    ("coordinator/acts.py", "return about and all(", "return about or all(", ACTS),
    ("governance/approval.py", "if not signature_holds(one.key, one.signature, one.signed):", "if False:", YES),
    ("governance/approval.py", "if one.site != asked.site:", "if False:", YES),
    ("governance/approval.py", "if not asked.about(one):", "if False:", YES),
    ("governance/approval.py", "if asked.day > date.fromisoformat(one.until):", "if False:", YES),
    ("governance/approval.py", "if asked.day < date.fromisoformat(one.start):", "if False:", YES),
    ("governance/approval.py", 'named = one.data != "" or', "named = True or", YES),
    ("governance/approval.py", 'one.data not in ("", asked.data)', "False", YES),
    ("governance/approval.py", "one.covers(asked.analysis)", "True", YES),
    ("governance/approval.py", 'return "approval_withdrawn"\n', "pass\n", YES),
    ("site/history.py", "if np.any(np.abs(flat) > people", "if False and np.any(np.abs(flat) > people", HOSTILE),
    ("site/preflight.py", 'withheld["flow"][1:] |= hide', "pass", HOSTILE),
    ("federation/secure_sum.py", "if len(about) != 1 or", "if False and", HOSTILE),
    (
        "methods/_regression.py",
        "return joined(trait_cells(rows, formula, chosen), *_patterns(rows, formula, chosen))",
        "return trait_cells(rows, formula, chosen)",
        HOSTILE,
    ),
    ("methods/_validation/present.py", "joined(count(among), few", "joined(count(among >= 0), few", HOSTILE),
    ("coordinator/run.py", "if missing > self.study.may_go_on_without or", "if False or", RUN),
    ("exchange/access.py", 'recipient.state != "active"', "False", ACCESS),
    ("exchange/access.py", "not study.open", "False", ACCESS),
    ("exchange/access.py", "recipient.name in study.members", "True", ACCESS),
    ("exchange/access.py", 'return sender.role == "coordinator" and', "return", ACCESS),
    ("exchange/server.py", "        _check_signature(scope, headers, signed, known.keys.signing)\n", "", CALLER),
    ("exchange/server.py", "            await self._check_fresh(signed)\n", "", CALLER),
    (
        "exchange/server.py",
        "if not await self.counter.mailbox.first_use(",
        "if await self.counter.mailbox.first_use(",
        CALLER,
    ),
    ("exchange/server.py", "if self._announced() > limit:", "if False:", CALLER),
    ("exchange/server.py", "if self.size > limit:", "if False:", CALLER),
    ("exchange/server.py", "if not hmac.compare_digest(sha256(content)", "if False and not (sha256(content)", CALLER),
    ("exchange/rates.py", "if use.tokens < calls:", "if False:", CALLER),
    ("exchange/rates.py", "if use.open >= rate.open:", "if False:", CALLER),
    ("exchange/connections.py", "if len(self._unproven) > UNPROVEN:", "if False:", CALLER),
    ("exchange/mailbox/letters.py", "WHERE letter.box = ? AND letter.id", "WHERE ? <> '' AND letter.id", CALLER),
    (
        "exchange/line.py",
        "            self.membership.hub_keys.check_once(signed.signature, base)\n",
        "            pass\n",
        LINES,
    ),
    (
        "exchange/signatures.py",
        "values = (str(status), digest, call_signature)",
        'values = (str(status), digest, "")',
        LINES,
    ),
    ("exchange/enrolment.py", "    register.drop_invitation(rows, asked.name)\n    until", "    until", JOIN),
    ("exchange/enrolment.py", "if not hmac.compare_digest(expected, self.possession):", "if False:", JOIN),
    ("exchange/enrolment.py", "if not same_fingerprint(said, known.keys):", "if False:", JOIN),
    ("exchange/partners.py", 'if record.get("country") != partner.country:', "if False:", HUBS),
    ("exchange/partners.py", "if name not in before or before[name].home == partner.name}", "}", HUBS),
    ("federation/message.py", "    sender.check_once(signature, signed)\n", "", MESSAGE),
    ("federation/message.py", "if to != receiver.public.sealing:", "if False:", MESSAGE),
    ("federation/message.py", "if message.expires < now:", "if False:", MESSAGE),
    ("federation/packing.py", "canonical(header) == written", "True", PACKING),
    ("federation/once.py", "if start > len(self._history):", "if False:", ONCE),
    ("site/service.py", "if leader and leader[0] != letter.sender:", "if False:", HUB),
    ("site/service.py", 'if plan.keys[COORDINATOR]["signing"] != leader[1]:', "if False:", HUB),
    ("site/service.py", 'if proposed.state in ("waiting", "refused"):', "if False:", STATES),
    ("site/service.py", 'if proposed.state in ("waiting", "refused"):', 'if proposed.state != "approved":', STATES),
    ("runtime/remote.py", "            _check_refusal(message, post.message)\n", "", STATES),
    ("release/ring.py", "return np.where((values < 0)[:, None], negate(limbs), limbs)", "return limbs", RING),
    ("governance/check.py", 'if applies is None or rule.basis == "memory":', "if applies is None:", CHECK),
    ("governance/check.py", 'return rule.weight == "law" and', "return", CHECK),
    (
        "governance/check.py",
        "    if applies is False:\n        return None",
        "    if applies is not True:\n        return None",
        CHECK,
    ),
    ("governance/check.py", "return max(found, key=STRICTER.index", "return min(found, key=STRICTER.index", CHECK),
    (
        "governance/check.py",
        "needed = rule.still_requires if lifted else rule.requires",
        "needed = rule.requires",
        CHECK,
    ),
    (
        "governance/check.py",
        "least = max(self.minimum_people, other.minimum_people)",
        "least = self.minimum_people",
        DERIVE,
    ),
    ("site/site.py", "        check_none(bound.findings())\n", "", RULED),
    ("site/site.py", "by_rule = ruling.released", "by_rule = bool(session.ruling) and ruling.released", RULED),
    ("site/decided.py", "        self._note_what_was_told(plan)\n", "", RULED),
    ("coordinator/acts.py", 'if told.get("decides", True):', "if True:", RULED),
    ("report/rules.py", "return _aside(rule, self.tell(", "return rule or _aside(rule, self.tell(", SHOWN),
    ("site/ruled.py", "f\"{name} [{translate(f'rules.basis.{basis}', language)}]\"", "name", RULED),
    ("governance/grammar.py", "return None if truth is None else not truth", "return not truth", EXAMPLES),
    (
        "governance/grammar.py",
        "return False if False in seen else None if None in seen else True",
        "return True",
        EXAMPLES,
    ),
    ("governance/grammar.py", "    if not evidence:\n", "    if False:\n", PACKS),
    ("governance/pack.py", "if rule.id in found or rule.id in taken:", "if rule.id in found:", PACKS),
    ("governance/pack.py", 'and self.status != "draft"', "", CHECK),
    ("governance/pack.py", "begun = self.start is None or self.start <= day", "begun = True", CHECK),
    ("governance/evidence.py", "return inside and self.start <= day and", "return inside and", CHECK),
    ("governance/check.py", "if one.about(what.study)]", "]", HELD),
    ("governance/evidence.py", "inside = self.site in (EVERY, site) and", "inside =", CHECK),
    (
        "governance/derive.py",
        'return {LEAD} if sends["each"] else {LEAD, *study.sites} - {site}',
        "return set()",
        DERIVE,
    ),
    (
        "coordinator/planning.py",
        "return limits.stricter(bounds.minimum_people) if bounds else limits",
        "return limits",
        DERIVE,
    ),
    ("coordinator/planning.py", "check_none(_shut(study, bounds) if bounds else [])", "pass", DERIVE),
    ("site/site.py", "asked.stricter(max(self.policy.minimum_people, bound.bounds.minimum_people))", "asked", DERIVE),
    ("site/site.py", "        if session.ruling and session.ruling.short:", "        if False:", RULED),
    (
        "governance/approval.py",
        'one.decision == "approve" and one.role != "custodian"',
        'one.decision == "approve"',
        CARRIED,
    ),
    ("governance/approval.py", "self.analysis in self.earlier.get(one.plan, ())", "one.plan in self.earlier", CARRIED),
    (
        "protocol/amendment.py",
        "        if not all(_of_analyses(one.path) for one in self.changes):",
        "        if False:",
        CARRIED,
    ),
    ("protocol/amendment.py", '({""} if known else frozenset())', '{""}', CARRIED),
    ("protocol/amendment.py", 'and path[-1] == "sealing")', ")", CARRIED),
    ("site/approvals.py", "if terms.carry_over else []", "", CARRIED),
    ("site/approvals.py", "if self._stands(old)}", "}", CARRIED),
    ("methods/mixed.py", "else hospital_people(rows, formula)", "else np.zeros(0, np.int64)", MIXED),
    ("release/ledger.py", "                file.truncate(before)", "                pass", DISK),
    ("release/ledger.py", "    if told and trusted not in keys:", "    if False:", ROTATED),
    ("release/ledger.py", "    if old != holder.signing:", "    if False:", ROTATED),
    ("release/ledger.py", "    holder.other(new).verify(_bytes", "    (lambda *_: None)(_bytes", ROTATED),
    ("site/rotation.py", "                secret_of(old, store, purpose)", "                pass", ROTATED),
    ("site/rotation.py", "        if not here:", "        if False:", ROTATED),
    ("site/site.py", "            self._sound = False\n            raise", "            raise", DISK),
    ("site/site.py", "        except MACHINE_FAULTS:", "        except ZeroDivisionError:", DISK),
    ("site/decided.py", "            check_none(found.findings())", "            pass", RULED),
    ("site/site.py", '            raise NotAdmitted("rules_not_met") from None', "            return", RULED),
    ("site/decided.py", "        if found is not session.ruling:", "        if session.ruling is None:", RULED),
    ("site/ruled.py", "bounds_over(self._given(study, sends), (), self._own).minimum_people", "0", RULED),
    ("site/ruled.py", "        if last is None or last[:2] != (day, held):", "        if last is None:", RULED),
    (
        "coordinator/acts.py",
        'return record["outcome"] != "released" or record["plan"] not in shut',
        "return True",
        RULED,
    ),
    (
        "methods/_survival/episodes.py",
        "for part in (came, ~came):",
        "for part in (~came,):",
        EPISODES,
    ),
    (
        "methods/_survival/episodes.py",
        "for part in (came, ~came):",
        "for part in (came,):",
        EPISODES,
    ),
    ("methods/_survival/episodes.py", "(rows[when] < rows[time])", "(rows[when] <= rows[time])", EPISODES),
    ("methods/_survival/episodes.py", "& (when[who] < stop)", "& (when[who] <= stop)", CHANGED),
    ("federation/line.py", '        ("change_is_needed", "changes", may_lack),\n', "", EPISODES),
    ("federation/line.py", "frozenset(may_lack(method)).intersection(absent)", "frozenset()", EPISODES),
    ("coordinator/document.py", "if never := run.never(cohort):", "if never := ():", EPISODES),
    ("statistics/cox.py", "        if self.who is None:\n", "        if True:\n", CHANGED),
    ("protocol/plan.py", "max(study.release.minimum_people, least)", "study.release.minimum_people", DERIVE),
    ("methods/_repeated_cells.py", ", *(_group(laid, one, part_cells, many) for one in others)]", "]", REPEATING),
    (
        "methods/_repeated_cells.py",
        "return joined(*parts, part_traits(laid.rows, laid.design.people, laid.having(())))",
        "return joined(*parts)",
        REPEATING,
    ),
    (
        "methods/_repeated_cells.py",
        "few_or_none(np.append(inside.sum(), _sides(laid, inside))), supported(columns, inside)]",
        "few_or_none(np.array([inside.sum()])), supported(columns, inside)]",
        REPEATING,
    ),
    (
        "methods/_repeated_cells.py",
        "[supported(later, inside), supported_beside(having, later, inside), pairs]",
        "[]",
        REPEATING,
    ),
    ("methods/_repeated_cells.py", ", *between_knots(rows, people, inside))", ")", REPEATING),
    ("methods/repeated.py", "spread_by_pattern([one**2 for one in columns])", "spread_of(np.zeros((0, 0)))", REPEATING),
    ("methods/repeated.py", "own_cells(laid, patterns), spread)", "count(np.ones(rows.n, bool)), spread)", REPEATING),
    ("methods/repeated.py", 'if self.hospitals != "none":', "if True:", REPEATING),
    ("methods/_repeated_told.py", "means[position] = group * one.means[", "means[position] = one.means[", REPEATED),
    ("methods/_repeated_design.py", "            out[column] &= bool(", "            out[column] |= bool(", REPEATED),
    ("methods/_repeated_design.py", "min(factor.first, shown_first[str(factor)])", "factor.first", REPEATED),
    ("federation/line.py", '        ("visit_is_needed", "measured", patterned_by),\n', "", REPEATED),
    ("site/cohorts.py", ", *self._patterns(name, patterned)]", "]", REPEATING),
    (
        "site/differencing.py",
        "known = isolated(list(now.values())) | isolated(list(then.values()))",
        "known = isolated([*now.values(), *then.values()])",
        REPEATING,
    ),
    ("statistics/repeated.py", "    taken[1:-1] += half + half.transpose(0, 2, 1)\n", "", REPEATED),
    ("statistics/repeated.py", "        if not _is_least(best, likelihood):", "        if False:", REPEATED),
)


def main() -> int:
    """Try every mutation; the exit code counts those that no test noticed."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".venv", ".git", "demo-out", "*cache*"))
        unnoticed = [row for row in MUTATIONS if not noticed(copy, *row)]
    print(f"{len(MUTATIONS) - len(unnoticed)} of {len(MUTATIONS)} mutations noticed")
    return len(unnoticed)


def noticed(copy: Path, file: str, line: str, broken: str, tests: str) -> bool:
    """Whether the tests fail once the line is broken."""
    path = copy / "src" / "gagyo" / file
    text = path.read_text(encoding="utf-8")
    if line not in text:
        raise SystemExit(f"{file} no longer has the line: {line}")
    path.write_text(text.replace(line, broken, 1), encoding="utf-8")
    environment = {"PYTHONPATH": str(copy / "src"), "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", tests]
    run = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)
    path.write_text(text, encoding="utf-8")
    last = next((text for text in run.stdout.splitlines() if text.startswith("FAILED")), "no test")
    print(
        f"{'noticed' if run.returncode == 1 else 'NOT NOTICED'}: {file}: {line.strip()[:60]} <- {last[7:110]}",
        flush=True,
    )
    return run.returncode == 1


if __name__ == "__main__":
    raise SystemExit(main())
