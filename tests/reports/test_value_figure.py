"""The figure of a value: means along the sweep, the limit with its interval, and what is told from it."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from drawings import SVG, drawn, row

from advntk.checks.deciders.decision import ErrorRates
from advntk.checks.deciders.value import ValueDecider
from advntk.checks.evidence import DecisionRow
from advntk.reports.figure_selection import FigureSelector
from advntk.reports.figures.style import BAND, FITTED, MEASURED, MOST_PANELS, PREDICTED, figure_style
from advntk.reports.figures.value import value_figure
from advntk.reports.formatting import number
from advntk.reports.scenes import Scene, Swept

POINTS = (16, 32, 64, 128)
WIDTH = Swept("width n (neurons)", "n")
RATES = ErrorRates(1e-6, 1e-3)
SEEDS = 256


def decided(off=0.0, scenario="s", statistic="ntk_ratio", seed=0, offs=(0.01,), points=POINTS):
    """A decision on 1 + off + 1/n with noise, and its scene."""
    rng = np.random.default_rng(seed)
    values = {n: 1 + off + 1 / n + 0.01 * rng.standard_normal(SEEDS) for n in points}
    decision = ValueDecider(statistic, off=offs).decide({n: {statistic: v} for n, v in values.items()}, RATES)
    rows = [row("", {}, s, n, {statistic: float(v)}) for n in points for s, v in enumerate(values[n])]
    made = DecisionRow("t.claim", "trial", scenario, {}, f"scenario {scenario}", "value", decision)
    return made, Scene(f"scenario {scenario}", rows, WIDTH)


def figure_of(*pairs):
    return drawn(value_figure, [one for one, _ in pairs], [scene for _, scene in pairs])


def places(root, colour):
    """(x, y) of what is drawn in a colour, one array a shape: of its path, or of each place it is put to."""
    name = {MEASURED: "measured", FITTED: "ink", PREDICTED: "predicted", BAND: "band"}[colour]
    found = []
    for element in root.iter():
        # What has an id is a shape to be placed elsewhere.
        if f"--{name}," not in element.get("style", ""):
            continue
        if element.tag == f"{SVG}use":
            found.append(np.array([[float(element.get("x")), float(element.get("y"))]]))
        elif element.get("d") and element.get("id") is None:
            pairs = re.findall(r"[ML] ?(-?[\d.]+) (-?[\d.]+)", element.get("d"))
            found.append(np.array(pairs, dtype=float))
    return found


def heights_of(root, off=0.01):
    """A map from heights in the drawing to relative errors: 0 is dashed, the band reaches `off` from it."""
    (dashed,) = (shape for shape in places(root, PREDICTED) if len(shape) == 2)
    band = np.concatenate(places(root, BAND))[:, 1]
    per_unit = (band.max() - band.min()) / (2 * off)
    assert (band.max() + band.min()) / 2 == pytest.approx(dashed[0, 1], abs=0.02)
    # Coordinates are cut to hundredths: both ends of the band, the dashed line, and what is measured.
    return (lambda y: (dashed[0, 1] - y) / per_unit), 4 * 0.01 / per_unit


def test_points_and_intervals_stand_where_the_decision_says():
    made, scene = decided()
    root, _, _ = figure_of((made, scene))
    value, cut = heights_of(root)
    detail, decision = made.decision.detail, made.decision
    shapes = places(root, MEASURED)
    dots = np.array([shape[0] for shape in shapes if len(shape) == 1])
    bars = [shape for shape in shapes if len(shape) == 2]
    assert len(dots) == len(bars) == len(POINTS)
    order = np.argsort(-dots[:, 0])
    means = np.array([detail["means"][f"{n}"] for n in POINTS]) - 1
    errors = np.array([detail["errors"][f"{n}"] for n in POINTS])
    np.testing.assert_allclose(value(dots[order, 1]), means, rtol=0, atol=cut)
    ends = np.array([np.sort(value(bar[:, 1])) for bar in sorted(bars, key=lambda bar: -bar[0, 0])])
    np.testing.assert_allclose(ends, np.stack([means - 2 * errors, means + 2 * errors], 1), rtol=0, atol=cut)
    # The limit, a square with an interval, where 1/n is 0.
    inked = places(root, FITTED)
    at_limit = min(dots[:, 0]) - (max(dots[:, 0]) - min(dots[:, 0])) / 7
    (interval,) = (
        shape for shape in inked if len(shape) == 2 and np.allclose(shape[:, 0], at_limit, atol=0.1)
        and not np.isclose(shape[0, 1], shape[1, 1], atol=0.1)
        and abs(value(shape[:, 1])).max() < 0.05
    )  # fmt: skip
    np.testing.assert_allclose(
        np.sort(value(interval[:, 1])), [decision.low, decision.high], rtol=0, atol=cut
    )
    curve = max(inked, key=len)
    fitted = [
        decision.estimate + detail["slope"] / n + detail["curvature"] / n**2 for n in (np.inf, POINTS[0])
    ]
    np.testing.assert_allclose(value(curve[[0, -1], 1]), fitted, rtol=0, atol=cut)


def test_words_and_titles_say_the_error_its_interval_and_what_would_have_been_seen():
    made, scene = decided(off=0.03)
    decision = made.decision
    _, texts, words = figure_of((made, scene))
    assert words.startswith(
        "Means over networks as relative errors of the prediction, against the inverse of"
    )
    numbers = f"{number(decision.estimate)} [{number(decision.low)}, {number(decision.high)}]"
    seen = decision.detail["power"]["smallest_effect"]
    assert f"ntk ratio: off by {numbers}, an error of {seen:.2g} would have been refuted." in words
    assert "width n (neurons)" in words and "not drawn" not in words
    limit = f"limit off by {decision.estimate:+.2%} [{decision.low:+.2%}, {decision.high:+.2%}], within ±1.0%"
    assert limit in " ".join(texts)
    assert {f"scenario s, {SEEDS} seeds", "width n (neurons), spaced by its inverse"} <= set(texts)
    assert {"ntk ratio / predicted − 1", "∞", "16", "32", "64", "128"} <= set(texts)
    assert {"predicted", "what is told from it"} <= set(texts)
    assert decision.low < 0.03 < decision.high < 0.04


def test_the_band_is_the_error_that_the_decision_told_from_none():
    """Of several errors the finest that the noise allows; the band is drawn that wide."""
    made, scene = decided(offs=(0.05, 0.02))
    assert made.decision.detail["off"] == 0.02
    root, texts, _ = figure_of((made, scene))
    assert any("within ±2.0%" in text for text in texts)
    # Heights are measured by the band: means are where they are if it is 2% wide to either side.
    value, cut = heights_of(root, off=0.02)
    dots = np.array([shape[0] for shape in places(root, MEASURED) if len(shape) == 1])
    mean = made.decision.detail["means"]["16"] - 1
    assert value(dots[np.argmax(dots[:, 0]), 1]) == pytest.approx(mean, abs=cut)


def test_what_is_not_decided_from_means_has_no_figure():
    made, scene = decided(points=POINTS[:2])
    assert "means" not in made.decision.detail
    with figure_style():
        assert value_figure([made], [scene]) is None
    both, there = decided(scenario="other")
    root, _, words = figure_of((made, scene), (both, there))
    assert len(root) == 1 and "ntk ratio" in words and "not drawn" not in words


def test_the_nearest_to_failing_come_first_and_the_rest_is_counted():
    pairs = [
        decided(off=0.001 * i, scenario=str(i), statistic=f"of_{i}", seed=i) for i in range(MOST_PANELS + 2)
    ]
    root, texts, words = figure_of(*pairs)
    assert len(root) == MOST_PANELS
    severities = [one.decision.severity for one, _ in pairs]
    shown = sorted(range(len(pairs)), key=lambda i: -severities[i])[:MOST_PANELS]
    assert re.findall(r"of (\d): off by", words) == [str(i) for i in shown]
    assert "; the 2 farther from failing are not drawn." in words
    assert [text.split(",")[0] for text in texts if text.startswith("scenario ")] == [
        f"scenario {i}" for i in shown
    ]


def test_it_is_what_is_drawn_of_a_value_claim(made_up_record):
    made, scene = decided()
    rows = [replace(one, scenario_id="s") for one in scene.rows]
    record = made_up_record({"t.claim": "HOLDS"}, [made], {("trial", "s"): rows})
    with figure_style():
        (found,) = FigureSelector(record).of_claim("t.claim", [made]).figures
    assert found.words.startswith("Means over networks as relative errors of the prediction")


def test_names_of_the_evidence_are_escaped():
    hostile = "<script>alert(1)</script>&"
    made, scene = decided(statistic=hostile)
    figure_of((made, Scene(hostile, scene.rows, Swept(hostile, hostile))))
