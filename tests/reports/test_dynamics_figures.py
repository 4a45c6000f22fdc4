"""Figures of the dynamics from made-up curves: well-formed drawings, and words that say what is seen."""

from __future__ import annotations

import numpy as np
import pytest
from drawings import drawn, lines, row

from advntk.reports.figure_selection import KINDS
from advntk.reports.figures.defect import defect_figure
from advntk.reports.figures.fading import fading_figure
from advntk.reports.figures.overfitting import overfitting_figure
from advntk.reports.figures.style import ALARM, MOST_PANELS, figure_style
from advntk.reports.scenes import Scene


def defect_row(seed=0, size=1e-3, predicted=None):
    time = np.array([0.125, 0.25, 0.5, 0.75, 1.0])
    defect = size * (1 + seed) * time**3
    wanted = defect if predicted is None else np.full(5, predicted)
    return row("defect", {"time": time, "defect": defect, "predicted": wanted}, seed)


def fading_row(seed=0, rate=2.5, floor=1e-10):
    time = np.linspace(0, 6, 25)
    return row(
        "fading",
        {
            "time": time,
            "v": np.exp(-rate * time),
            "bound": np.exp(-2 * time),
            "distance": np.exp(-rate / 2 * time),
            "distance_bound": 3 * np.exp(-time),
            "integration_error": floor,
        },
        seed,
    )


def overfitting_row(seed=0):
    time = np.geomspace(1e-3, 1e2, 11)
    return row(
        "overfitting",
        {
            "time": time,
            "robust": [0.1, 0.2, 0.4, 0.5, 0.6, 0.65, 0.6, 0.5, 0.45, 0.42, 0.4],
            "clean": np.linspace(0.1, 0.9, 11),
            "robust_without_search": 0.4,
            "clean_without_search": 0.9,
            "best_time": time[5],
        },
        seed,
    )


def scenes(*each, label="a label"):
    return [Scene(label, rows) for rows in each]


@pytest.mark.parametrize("scenarios", [1, 9])
def test_the_defect_figure_says_how_many_scenarios_and_how_large_the_defects_are(scenarios):
    trials = [[defect_row(s, 1e-3 * 2**k) for s in range(3)] for k in range(scenarios)]
    _, texts, words = drawn(defect_figure, scenes(*trials))
    assert f"{scenarios} scenarios, medians over seeds" in texts
    assert {"t / T", "measured defect", "as the commutator predicts"} <= set(texts)
    # The middle of three seeds is twice the first, at the last time.
    largest = {1: "0.002", 9: "0.512"}[scenarios]
    assert f"medians at T between 0.002 and {largest}" in words


def test_the_defect_figure_leaves_out_predictions_that_vanish():
    """Zero has no place on a log axis: the line of equality begins at the smallest positive prediction."""
    trials = [[defect_row(s, 1e-14, predicted=0.0) for s in range(2)], [defect_row(0)]]
    _, texts, words = drawn(defect_figure, scenes(*trials))
    assert "as the commutator predicts" in texts and "nan" not in words
    assert "between 1.5e−14 and 0.001" in words


def test_the_defect_figure_without_any_defect_draws_no_line_of_equality():
    _, texts, words = drawn(defect_figure, scenes([defect_row(s, 1e-14, predicted=0.0) for s in range(2)]))
    assert "as the commutator predicts" not in texts
    assert "between 1.5e−14 and 1.5e−14" in words


@pytest.mark.parametrize("scenarios", [1, 14])
def test_the_fading_figure_counts_networks_and_scenarios(scenarios):
    root, texts, words = drawn(
        fading_figure, scenes(*[[fading_row(s) for s in range(2)] for _ in range(scenarios)])
    )
    networks = 2 * scenarios
    assert {f"{networks} networks in {scenarios} scenarios,", "0 beyond the bound"} <= set(texts)
    assert f"V(t) of {networks} networks" in words and ": 0 lie beyond it" in words
    assert lines(root, ALARM) == 0


def test_the_fading_figure_marks_networks_beyond_the_bound():
    """One decays more slowly than the bound, one only by less than its integration errs."""
    barely = fading_row(1, rate=2 * (1 - 1e-9), floor=1e-8)
    root, texts, words = drawn(fading_figure, scenes([fading_row(0), barely], [fading_row(2, rate=1.0)]))
    assert {"3 networks in 2 scenarios,", "1 beyond the bound", "beyond its bound"} <= set(texts)
    assert ": 1 lie beyond it" in words
    assert lines(root, ALARM) == 1


def test_the_fading_figure_of_networks_that_only_integration_error_is_left_of():
    """Nothing above the floor is drawn, and the bounds still are."""
    _, texts, words = drawn(fading_figure, scenes([fading_row(floor=2.0)]))
    assert {"1 networks in 1 scenarios,", "0 beyond the bound"} <= set(texts)
    assert ": 0 lie beyond it" in words


def test_the_overfitting_figure_says_first_best_and_last():
    _, texts, words = drawn(
        overfitting_figure, scenes([overfitting_row(s) for s in range(3)], label="10% wrong")
    )
    assert "10% wrong, 3 splits" in texts
    assert {"robust, under PGD-10", "robust: 0.65 at best, 0.40 at last"} <= set(texts)
    assert "10% wrong: mean robust accuracy 0.10 at first, at most 0.65, 0.40 at last." in words


@pytest.mark.parametrize("scenarios", [2, MOST_PANELS + 2])
def test_the_overfitting_figure_has_one_panel_and_one_sentence_per_scenario_up_to_a_few(scenarios):
    given = [Scene(f"scenario {k}", [overfitting_row()]) for k in range(scenarios)]
    _, texts, words = drawn(overfitting_figure, given)
    shown = min(scenarios, MOST_PANELS)
    titles = [text for text in texts if "scenario " in text]
    assert titles == [f"scenario {k}, 1 splits" for k in range(shown)]
    assert words.count("at last.") == shown


@pytest.mark.parametrize(
    ("figure", "make"),
    [(defect_figure, defect_row), (fading_figure, fading_row), (overfitting_figure, overfitting_row)],
    ids=["defect", "fading", "overfitting"],
)
def test_the_same_rows_give_the_same_bytes(figure, make):
    with figure_style():
        given = scenes([make(0), make(1)])
        assert figure(given) == figure(given)


@pytest.mark.parametrize(
    ("make", "kind", "curve"),
    [
        (defect_row, "defect", "defect"),
        (fading_row, "fading", "v"),
        (overfitting_row, "overfitting", "robust"),
    ],
)
@pytest.mark.parametrize("bad", [np.nan, np.inf, None, "a word"])
def test_rows_whose_curve_is_not_finite_or_missing_are_left_out(make, kind, curve, bad):
    good, spoilt, without = make(0), make(1), make(2)
    spoilt.figures[kind][curve][2] = bad
    del without.figures[kind][curve]
    usable = [KINDS[kind].usable(one.figures[kind], []) for one in (good, spoilt, without)]
    assert usable == [True, False, False]


def test_rows_whose_curves_are_of_other_lengths_are_left_out():
    short = defect_row(1).figures["defect"]
    short["defect"].pop()
    assert KINDS["defect"].fits(short) and not KINDS["defect"].usable(short, [])
