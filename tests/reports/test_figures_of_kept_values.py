"""Figures of what trials keep for the eye, from made-up values: drawn, and said in words, as they are."""

from __future__ import annotations

import base64
import io
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.image import imread
from reports.figures.contrast import contrast_figure
from reports.figures.margin_map import margin_map_figure

from checks.evidence import TrialRow
from checks.scenario import Scenario
from reports.figures.band import band_figure
from reports.figures.blocks import blocks_figure
from reports.figures.images import images_figure
from reports.figures.learning import learning_figure
from reports.figures.phase import phase_figure
from reports.figures.style import figure_style

SVG, LINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}href"
RNG = np.random.default_rng(0)


def row(numbers, seed=0, width=32, **scenario):
    made = Scenario(**scenario).as_dict()
    plain = {name: np.asarray(value).tolist() for name, value in numbers.items()}
    return TrialRow("trial", "family", made, width, seed, "measured", plain)


def drawn(figure, *given):
    """The parsed drawing, its text, and the words beside it."""
    with figure_style():
        svg, words = figure(*given)
    root = ElementTree.fromstring(svg)
    texts = ["".join(element.itertext()).strip() for element in root.iter(f"{SVG}text")]
    for said in (*texts, words):
        assert not any(bad in said.lower() for bad in ("nan", "none", "inf")), said
    return root, texts, words


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
    assert {"10% wrong labels, 3 splits", "right label (540)", "wrong label (60)", "iteration"} <= set(texts)
    assert "median ϖ 0.25 on 540 samples with the right label" in words
    assert "median ϖ -0.12 on 60 samples with the wrong label" in words


def test_the_learning_figure_without_noise_shows_one_kind_of_label():
    _, texts, words = drawn(learning_figure, [[training(0, wrong=0)]])
    assert "right label (200)" in texts and "wrong" not in words.replace("0% wrong labels", "")


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
    assert {"3 ✓", "7 ✓", "1 ✗"} <= set(texts) and "7 ✗" not in texts
    assert "perturbations of at most 0.12" in words
    assert "NTK regression is fooled on 1, Adv-NTK on 0" in words
    assert "Over all 2 splits 50.0% and 50.0% of the images withstand" in words
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
    assert "0.0938 at n = 32, 0.0469 at n = 64, 0.0234 at n = 128 (1 more scenarios not drawn)" in words
    assert {"r.m.s. off, 4 networks", "0.28", "0.14"} <= set(texts)


def network(seed, width, output):
    numbers = {"curve_output": output, "curve_band_mean": [0.5, -1.0], "curve_band_deviation": [0.25, 0.5]}
    return row(numbers, seed, width, samples=1)


def test_the_band_counts_who_lies_within_it_at_the_largest_width():
    rows = [network(0, 32, [9.0, 9.0]), network(1, 32, [9.0, 9.0])]
    rows += [network(0, 64, [0.99, -1.0]), network(1, 64, [1.01, -1.0]), network(2, 64, [0.5, -2.01])]
    _, texts, words = drawn(band_figure, [rows])
    assert "66.7% of 6 lie within; 95.4% are expected" in words
    assert {"x1", "new", "Gaussian process, ± 2 s.d."} <= set(texts)


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
    _, texts, words = drawn(margin_map_figure, [margin(8.0), margin(np.inf, "relu"), margin(2.0, "gelu")])
    names = [text for text in texts if "M = " in text]
    assert [name.split(",")[0] for name in names] == ["gelu", "erf", "relu"]
    assert "for 3 architectures" in words and "η·S" in texts


def ladder(exponent, growth, strength=0.3, seeds=9):
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


def test_the_contrast_shows_the_middle_scenario_of_both_kinds_on_one_scale():
    joint = [ladder(e, "joint") for e in (0.4, 0.9, 0.6)]
    fixed = [ladder(0.0, "fixed")]
    _, texts, words = drawn(contrast_figure, "searched_training", joint, fixed)
    assert "joint limit, d = n: exponent 0.6 [0.5, 0.7]; input width d fixed: exponent 0 [−0.1, 0.1]" in words
    assert "grey: medians of the other 2" in words
    assert {"fitted slope −0.6", "fitted slope −0", "slope −0.5", "width n"} <= set(texts)


def test_the_phases_are_medians_in_the_order_of_the_strengths():
    joint = [ladder(0.5, "joint", 0.4), ladder(1.0, "joint", 0.1)]
    _, texts, words = drawn(phase_figure, "searched_training", joint, [ladder(0.0, "fixed", 0.3)])
    rows = [text for text in texts if text.startswith("0.") and "(" in text]
    assert [name[:4] for name in rows] == ["0.10", "0.40", "0.30"]
    # Medians 2 n^-e at the ends of the ladder, and what is left of the first at the last.
    assert {"0.062", "0.0078", "0.35", "0.12", "2"} <= set(texts)
    assert "it is 0.12 to 0.35 in the joint limit, and 1 with the input width fixed" in words


@pytest.mark.parametrize("figure", [blocks_figure, band_figure, learning_figure, images_figure])
def test_names_of_the_evidence_are_escaped(figure):
    made = {
        blocks_figure: lambda: block(0, 32, 0.1), band_figure: lambda: network(0, 32, [0.1, 0.2]),
        learning_figure: lambda: training(0), images_figure: attacked,
    }[figure]()  # fmt: skip
    made.scenario["activation"] = "<script>alert(1)</script>&"
    root, _, _ = drawn(figure, [[made]])
    assert not list(root.iter(f"{SVG}script"))
