"""Figures of what trials keep for the eye, from made-up values: drawn, and said in words, as they are."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from drawings import SVG, drawn
from matplotlib.image import imread

from advntk.checks.evidence import RunRecord, TrialRow
from advntk.checks.scenario import Scenario
from advntk.reports.figure_selection import FigureSelector
from advntk.reports.figures.band import band_figure
from advntk.reports.figures.blocks import blocks_figure
from advntk.reports.figures.images import images_figure
from advntk.reports.figures.learning import learning_figure
from advntk.reports.figures.margin import margin_figure
from advntk.reports.figures.phase import phase_figure
from advntk.reports.figures.side_by_side import side_by_side_figure
from advntk.reports.figures.style import figure_style

LINK = "{http://www.w3.org/1999/xlink}href"
RNG = np.random.default_rng(0)


def row(numbers, seed=0, width=32, **scenario):
    made = Scenario(**scenario).as_dict()
    plain = {name: np.asarray(value).tolist() for name, value in numbers.items()}
    return TrialRow("trial", "family", made, width, seed, "measured", plain)


def training(seed, wrong=20):
    iterations = np.arange(50)
    return row(
        {
            "curve_learning_loss": 0.45 - 0.003 * iterations,
            "curve_learning_clean": iterations / 100,
            "curve_learning_robust": iterations / 200,
            "curve_varpi": np.concatenate([np.full(200 - wrong, 0.25), np.full(wrong, -0.125)]),
            "curve_wrong_label": np.concatenate([np.zeros(200 - wrong), np.ones(wrong)]),
        },
        seed,
        label_noise=wrong / 200,
    )


def test_the_learning_figure_tells_right_labels_from_wrong_ones():
    _, texts, words = drawn(learning_figure, [[training(seed) for seed in range(3)]])
    assert {"10% wrong labels, 3 splits", "49.0% clean, 24.5% robust at last", "iteration"} <= set(texts)
    assert "loss 0.303 at last, mean over splits" in texts
    assert "median ϖ 0.25 on 540 samples with the right label" in words
    assert "median ϖ −0.12 on 60 samples with a wrong label" in words


def test_the_learning_figure_without_noise_shows_one_kind_of_label():
    _, _, words = drawn(learning_figure, [[training(0, wrong=0)]])
    assert "on 200 samples with the right label" in words
    assert "wrong" not in words.replace("0% wrong labels", "")


def attacked(label=(3, 7), ours=(3, 7), theirs=(3, 1), robust=0.75, plain=0.5):
    clean = RNG.uniform(-0.5, 0.5, (2, 64))
    move = np.full((2, 64), 0.125)
    return row(
        {
            "curve_shown_label": label,
            "curve_shown_clean": clean,
            "curve_shown_moved": clean - move,
            "curve_shown_class": ours,
            "curve_shown_moved_regression": clean + move,
            "curve_shown_class_regression": theirs,
            "robust": robust,
            "robust_regression": plain,
        }
    )


def test_the_images_are_those_kept_and_answers_are_marked():
    kept = attacked()
    root, texts, words = drawn(images_figure, [[kept, attacked(robust=0.25)]])
    assert {"clean: 3", "clean: 7", "3 ✓", "7 ✓", "1 ✗"} <= set(texts) and "7 ✗" not in texts
    assert "at most 0.12 of the range of pixels" in words
    assert "NTK regression is fooled on 1, Adv-NTK on 0" in words
    assert "over all 2 splits 50.0% and 50.0% of the test images withstand" in words
    images = list(root.iter(f"{SVG}image"))
    links = [image.get(LINK) for image in images]
    assert len(links) == 10 and all(link.startswith("data:image/png;base64,") for link in links)
    pixels = imread(io.BytesIO(base64.b64decode(links[0].split(",")[1])))[..., 0]
    clean = np.array(kept.numbers["curve_shown_clean"][0]).reshape(8, 8)
    places = [int((i + 0.5) * len(pixels) / 8) for i in range(8)]
    # Kept upside down, and turned when drawn.
    assert "scale(1 -1)" in images[0].get("transform")
    np.testing.assert_allclose(pixels[np.ix_(places, places)][::-1], clean + 0.5, atol=2 / 255)


def block(seed, width, off):
    values = np.eye(3)
    values[0, 1] += off
    return row({"curve_xi_block": values}, seed, width)


def test_the_blocks_say_how_far_they_are_from_the_identity():
    rows = [block(seed, width, 9 / width) for width in (32, 64, 128) for seed in range(4)]
    _, texts, words = drawn(blocks_figure, [rows, rows])
    # One of nine entries is off.
    assert "0.0938 at n = 32, 0.0469 at n = 64, 0.0234 at n = 128 (1 more scenarios are not drawn)" in words
    assert {"entries off by 0.0938 (r.m.s., 4 networks)", "width n = 64", "0.28", "0.14"} <= set(texts)


def network(seed, width, output):
    numbers = {"curve_output": output, "curve_band_mean": [0.5, -1.0], "curve_band_deviation": [0.25, 0.5]}
    return row(numbers, seed, width, samples=1)


def test_the_band_counts_who_lies_within_it_at_the_largest_width():
    rows = [network(0, 32, [9.0, 9.0]), network(1, 32, [9.0, 9.0])]
    rows += [network(0, 64, [0.99, -1.0]), network(1, 64, [1.01, -1.0]), network(2, 64, [0.5, -2.01])]
    _, texts, words = drawn(band_figure, [rows])
    assert "66.7% of 6 lie within two standard deviations of its mean; 95.4% are expected" in words
    assert {"x1", "new", "3 networks, 66.7% of outputs in the band"} <= set(texts)


def heights(root, colour):
    """Vertical coordinates of all shapes of that colour; filled ones are defined once and then placed."""
    defined = {f"#{path.get('id')}": path for path in root.iter(f"{SVG}path") if path.get("id")}
    found = []
    for element in root.iter():
        if f"--{colour}," in element.get("style", ""):
            path = defined.get(element.get(LINK), element).get("d", "")
            pairs = re.findall(r"[ML] ?-?[\d.]+ (-?[\d.]+)", path)
            found += [float(y) + float(element.get("y", 0)) for y in pairs]
    return found


def test_the_band_is_drawn_two_deviations_high():
    """Networks at its very ends are drawn at the ends of the band."""
    rows = [network(0, 64, [1.0, -1.0]), network(1, 64, [0.5, -2.0])]
    root, _, _ = drawn(band_figure, [rows])
    band, dots = heights(root, "band"), heights(root, "measured")
    # Upwards is less; coordinates are rounded to tenths.
    assert min(dots) == pytest.approx(min(band), abs=0.1) and max(dots) == pytest.approx(max(band), abs=0.1)


def test_of_each_kind_the_sweep_nearest_to_failing_is_set_beside_the_other():
    trials, decisions = {}, []
    for family, (exponent, growth, strain) in {
        "a": (0.9, "joint", 0.1), "b": (0.6, "joint", 0.8), "c": (0.0, "fixed", 0.5),
        "of which nothing is claimed": (0.4, "joint", 0.9),
    }.items():  # fmt: skip
        decision, trials["trial", family] = sweep(exponent, growth)
        about = {"trial": "trial", "family": family, "decider": "rate", "verdict": "HOLDS", "strain": strain}
        about["claim"] = family
        decisions.append({**decision, **about, "scenario": trials["trial", family][0].scenario})
    request = {"claims": {name: {"expected": "HOLDS"} for name in "abc"}}
    request["claims"]["of which nothing is claimed"] = {"expected": "as measured"}
    selector = FigureSelector(RunRecord(1, "", None, request, {}, {}, decisions, [], trials))
    with figure_style():
        (found,) = selector.of_theorem(decisions)
    assert "exponent 0.6 [0.5, 0.7] jointly, exponent 0 [−0.1, 0.1] with d fixed" in found.words


def margin(critical, activation="erf"):
    scale = np.geomspace(0.01, 1, 20) * (critical if np.isfinite(critical) else 10) * 4
    curve = 0.1 * (1 - scale / critical) if np.isfinite(critical) else np.full(20, 0.1)
    numbers = {
        "curve_scale": scale,
        "curve_margin": curve,
        "certified_scale": 0.5 * scale[-1] / 4,
        "critical_scale": critical,
    }
    return [row(numbers, activation=activation, depth=2)]


def test_the_margin_map_has_a_row_per_scenario_in_the_order_of_their_critical_scales():
    _, texts, words = drawn(margin_figure, [margin(8.0), margin(np.inf, "relu"), margin(2.0, "gelu")])
    assert [text for text in texts if text.startswith("mlp")] == [
        "mlp L=2 gelu",
        "mlp L=2 erf",
        "mlp L=2 relu",
    ]
    assert "0 others are not drawn" in texts and "certified critical η·S" in texts
    assert "for 3 scenarios; 2 have a finite critical scale, between 2 and 8" in words


def sweep(exponent, growth, strength=0.3, seeds=9):
    widths = (32, 64, 128, 256)
    spread = np.exp(np.linspace(-0.2, 0.2, seeds))
    rows = [
        row(
            {"searched_training": float(2 * w**-exponent * spread[s])},
            s,
            w,
            strength=strength,
            input_growth=growth,
        )
        for w in widths
        for s in range(seeds)
    ]
    decision = {
        "statistic": "searched_training",
        "estimate": exponent,
        "low": exponent - 0.1,
        "high": exponent + 0.1,
        "detail": {"intercept": float(np.log(2)), "predicted": 0.5},
    }
    return decision, rows


def test_both_kinds_of_sweep_stand_side_by_side_on_one_scale():
    root, texts, words = drawn(side_by_side_figure, sweep(0.6, "joint"), sweep(0.0, "fixed"))
    assert "exponent 0.6 [0.5, 0.7] jointly, exponent 0 [−0.1, 0.1] with d fixed" in words
    left, right = root
    assert ticks(left) == ticks(right) != []
    assert {"every seed", "predicted slope"} <= set(texts)


def ticks(panel):
    """What stands at an axis of errors: numbers with a point."""
    texts = ("".join(element.itertext()).strip() for element in panel.iter(f"{SVG}text"))
    return [text for text in texts if text.replace(".", "", 1).isdigit() and "." in text]


def test_the_phases_are_medians_in_the_order_of_the_strengths():
    trials = [sweep(0.5, "joint", 0.4)[1], sweep(1.0, "joint", 0.1)[1]]
    _, texts, words = drawn(phase_figure, trials, ["searched_training"])
    assert [text for text in texts if text.startswith("η·S = ")] == ["η·S = 0.1", "η·S = 0.4"]
    # Medians 2 n^-e at the ends of the sweep, in percent.
    assert {"6.2", "0.78", "35", "12", "medians of 9 seeds or more"} <= set(texts)
    assert "searched training: between 0.00781 and 0.354." in words


@pytest.mark.parametrize("figure", [blocks_figure, band_figure, learning_figure, images_figure])
def test_names_of_the_evidence_are_escaped(figure):
    made = {
        blocks_figure: lambda: block(0, 32, 0.1), band_figure: lambda: network(0, 32, [0.1, 0.2]),
        learning_figure: lambda: training(0), images_figure: attacked,
    }[figure]()  # fmt: skip
    made.scenario["activation"] = "<script>alert(1)</script>&"
    drawn(figure, [[made]])
