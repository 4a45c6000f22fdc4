"""Figures of what trials keep for the eye, from made-up values: drawn, and said in words, as they are."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace

import numpy as np
import pytest
from drawings import SVG, drawn, row
from matplotlib.image import imread

from advntk.checks.deciders.decision import Decision
from advntk.checks.evidence import DecisionRow, Outcome, TrialRow
from advntk.reports.figure_selection import FigureSelector
from advntk.reports.figures.band import band_figure
from advntk.reports.figures.blocks import blocks_figure
from advntk.reports.figures.curves import curves_figure
from advntk.reports.figures.images import images_figure
from advntk.reports.figures.learning import learning_figure
from advntk.reports.figures.margin import margin_figure
from advntk.reports.figures.phase import phase_figure
from advntk.reports.figures.side_by_side import side_by_side_figure
from advntk.reports.figures.style import figure_style
from advntk.reports.scenes import Scene, Swept
from advntk.theorems.vocabulary import Verdict

LINK = "{http://www.w3.org/1999/xlink}href"
RNG = np.random.default_rng(0)
WIDTH = Swept("width n (neurons)", "n")


def training(seed, wrong=20):
    iterations = np.arange(50)
    kept = {
        "loss": 0.45 - 0.003 * iterations,
        "clean": iterations / 100,
        "robust": iterations / 200,
        "varpi": np.concatenate([np.full(200 - wrong, 0.25), np.full(wrong, -0.125)]),
        "wrong_label": np.concatenate([np.zeros(200 - wrong), np.ones(wrong)]),
    }
    return row("learning", kept, seed)


def test_the_learning_figure_tells_right_labels_from_wrong_ones():
    _, texts, words = drawn(learning_figure, [Scene("10% wrong", [training(seed) for seed in range(3)])])
    assert {"10% wrong, 3 splits", "49.0% clean, 24.5% robust at last", "iteration"} <= set(texts)
    assert "loss 0.303 at last, mean over splits" in texts
    assert "median ϖ 0.25 on 540 samples with the right label" in words
    assert "median ϖ −0.12 on 60 samples with a wrong label" in words


def test_the_learning_figure_without_noise_shows_one_kind_of_label():
    _, _, words = drawn(learning_figure, [Scene("clean", [training(0, wrong=0)])])
    assert "on 200 samples with the right label" in words
    assert "wrong" not in words


def attacked(label=(3, 7), ours=(3, 7), theirs=(3, 1), robust=0.75, plain=0.5):
    clean = RNG.uniform(-0.5, 0.5, (2, 64))
    move = np.full((2, 64), 0.125)
    kept = {
        "label": label,
        "clean": clean,
        "moved": clean - move,
        "class": ours,
        "moved_regression": clean + move,
        "class_regression": theirs,
    }
    made = row("images", kept)
    made.figures["gain"] = {"robust": robust, "robust_regression": plain}
    return made


def test_the_images_are_those_kept_and_answers_are_marked():
    kept = attacked()
    root, texts, words = drawn(images_figure, [Scene("", [kept, attacked(robust=0.25)])])
    assert {"clean: 3", "clean: 7", "3 ✓", "7 ✓", "1 ✗"} <= set(texts) and "7 ✗" not in texts
    assert "at most 0.12 of the range of pixels" in words
    assert "NTK regression is fooled on 1, Adv-NTK on 0" in words
    assert "over all 2 splits 50.0% and 50.0% of the test images withstand" in words
    images = list(root.iter(f"{SVG}image"))
    links = [image.get(LINK) for image in images]
    assert len(links) == 10 and all(link.startswith("data:image/png;base64,") for link in links)
    pixels = imread(io.BytesIO(base64.b64decode(links[0].split(",")[1])))[..., 0]
    clean = np.array(kept.figures["images"]["clean"][0]).reshape(8, 8)
    places = [int((i + 0.5) * len(pixels) / 8) for i in range(8)]
    # Kept upside down, and turned when drawn.
    assert "scale(1 -1)" in images[0].get("transform")
    np.testing.assert_allclose(pixels[np.ix_(places, places)][::-1], clean + 0.5, atol=2 / 255)


def block(seed, width, off):
    values = np.eye(3)
    values[0, 1] += off
    return row("blocks", {"block": values}, seed, width)


def test_the_blocks_say_how_far_they_are_from_the_identity():
    rows = [block(seed, width, 9 / width) for width in (32, 64, 128) for seed in range(4)]
    _, texts, words = drawn(blocks_figure, [Scene("", rows, WIDTH)] * 2)
    # One of nine entries is off.
    assert "0.0938 at n = 32, 0.0469 at n = 64, 0.0234 at n = 128 (1 more scenarios are not drawn)" in words
    assert {"entries off by 0.0938 (r.m.s., 4 networks)", "one network at n = 64", "0.28", "0.14"} <= set(
        texts
    )


def network(seed, width, output):
    kept = {"output": output, "band_mean": [0.5, -1.0], "band_deviation": [0.25, 0.5]}
    return row("band", kept, seed, width)


def test_the_band_counts_who_lies_within_it_at_the_last_point():
    rows = [network(0, 32, [9.0, 9.0]), network(1, 32, [9.0, 9.0])]
    rows += [network(0, 64, [0.99, -1.0]), network(1, 64, [1.01, -1.0]), network(2, 64, [0.5, -2.01])]
    _, texts, words = drawn(band_figure, [Scene("", rows, WIDTH)])
    assert "66.7% of 6 lie within two standard deviations of its mean; 95.4% are expected" in words
    assert {"x1", "x2", "3 networks, 66.7% of outputs in the band"} <= set(texts)


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
    root, _, _ = drawn(band_figure, [Scene("", rows, WIDTH)])
    band, dots = heights(root, "band"), heights(root, "measured")
    # Upwards is less; coordinates are rounded to tenths.
    assert min(dots) == pytest.approx(min(band), abs=0.1) and max(dots) == pytest.approx(max(band), abs=0.1)


def sweep(exponent, scenario="s", trial="trial", claim="t.claim", severity=0.0, seeds=9):
    """A decision on a sweep over width, and its rows."""
    spread = np.exp(np.linspace(-0.2, 0.2, seeds))
    rows = []
    for point in (32, 64, 128, 256):
        for s in range(seeds):
            numbers = {"gap": float(2 * point**-exponent * spread[s])}
            rows.append(TrialRow(trial, scenario, {}, "width", point, s, Outcome.MEASURED, numbers))
    decision = Decision(
        Verdict.HOLDS,
        "gap",
        "exponent",
        exponent,
        exponent - 0.1,
        exponent + 0.1,
        0.998,
        "",
        severity,
        detail={"intercept": float(np.log(2)), "predicted": 0.5},
    )
    return DecisionRow(claim, trial, scenario, {}, f"scenario {scenario}", "rate", decision), rows


def test_of_claims_and_controls_the_sweeps_nearest_to_failing_stand_side_by_side(made_up_record):
    trials, decisions = {}, []
    for scenario, exponent, trial, claim, severity in (
        ("a", 0.9, "one", "t.claim", 0.1),
        ("b", 0.6, "one", "t.claim", 0.8),
        ("c", 0.0, "other", "t.control", 0.5),
        ("d", 0.4, "third", "t.measured", 0.9),
    ):
        decision, trials[trial, scenario] = sweep(exponent, scenario, trial, claim, severity)
        decisions.append(decision)
    expected = {"t.claim": "HOLDS", "t.control": "REFUTED", "t.measured": "as measured"}
    record = made_up_record(expected, decisions, trials)
    with figure_style():
        (found,) = FigureSelector(record).of_theorem(decisions)
    assert "as t.claim claims it (left) and in the control t.control (right)" in found.words
    assert "exponent 0.6 [0.5, 0.7] in scenario b; exponent 0 [−0.1, 0.1] in scenario c" in found.words


def test_a_claim_and_a_control_of_one_trial_are_no_contrast(made_up_record):
    claimed, rows = sweep(0.6, claim="t.claim")
    control, _ = sweep(0.0, claim="t.control")
    record = made_up_record(
        {"t.claim": "HOLDS", "t.control": "REFUTED"}, [claimed, control], {("trial", "s"): rows}
    )
    assert FigureSelector(record).of_theorem([claimed, control]) == []


def test_both_kinds_of_sweep_stand_side_by_side_on_one_scale():
    pairs = [(row, Scene(row.label, rows, WIDTH)) for row, rows in (sweep(0.6), sweep(0.0))]
    root, texts, words = drawn(side_by_side_figure, *pairs)
    assert "exponent 0.6 [0.5, 0.7] in scenario s; exponent 0 [−0.1, 0.1]" in words
    left, right = root
    assert ticks(left) == ticks(right) != []
    assert {"every seed", "predicted slope", "width n (neurons)"} <= set(texts)


def ticks(panel):
    """What stands at an axis of errors: numbers with a point."""
    texts = ("".join(element.itertext()).strip() for element in panel.iter(f"{SVG}text"))
    return [text for text in texts if text.replace(".", "", 1).isdigit() and "." in text]


def margin(critical, label="mlp L=2 erf, σ_w=1.5 σ_b=0.1"):
    scale = np.geomspace(0.01, 1, 20) * (critical if np.isfinite(critical) else 10) * 4
    curve = 0.1 * (1 - scale / critical) if np.isfinite(critical) else np.full(20, 0.1)
    kept = {
        "scale": scale,
        "margin": curve,
        "certified_scale": 0.5 * scale[-1] / 4,
        "critical_scale": critical,
    }
    return Scene(label, [row("margin", kept)])


def test_the_margin_map_has_a_row_per_scenario_in_the_order_of_their_critical_scales():
    given = [
        margin(8.0),
        margin(np.inf, "mlp L=2 relu, σ_w=1.5 σ_b=0.1"),
        margin(2.0, "mlp L=2 gelu, σ_w=1.5 σ_b=0.1"),
    ]
    _, texts, words = drawn(margin_figure, given)
    assert [text for text in texts if text.startswith("mlp")] == [
        "mlp L=2 gelu",
        "mlp L=2 erf",
        "mlp L=2 relu",
    ]
    assert not any("not drawn" in text for text in texts) and "certified critical η·S" in texts
    assert "for 3 scenarios; 2 with a finite critical scale, between 2 and 8" in words


def gaps(exponent, strength, seeds=9):
    """Rows that keep the gaps of a sweep as a row of a phase diagram."""
    return [
        row("phase", {"gap": one.numbers["gap"], "strength": strength}, one.seed, one.point)
        for one in sweep(exponent, seeds=seeds)[1]
    ]


def test_the_phases_are_medians_in_the_order_of_the_strengths():
    given = [Scene("", gaps(0.5, 0.4), WIDTH), Scene("", gaps(1.0, 0.1), WIDTH)]
    _, texts, words = drawn(phase_figure, given, ["gap"])
    assert [text for text in texts if text.startswith("η·S = ")] == ["η·S = 0.1", "η·S = 0.4"]
    # Medians 2 n^-e at the ends of the sweep, in percent.
    assert {"6.2", "0.78", "35", "12", "medians of 9 seeds or more"} <= set(texts)
    assert "gap: between 0.00781 and 0.354." in words
    with figure_style():
        assert phase_figure(given[:1], ["gap"]) is None


def test_curves_of_any_name_are_medians_with_their_spread():
    x = np.array([1.0, 10.0, 100.0])
    rows = [row("curves", {"x": x, "first": s * x, "other_one": np.full(3, -s)}, s) for s in (1, 2, 3)]
    root, texts, words = drawn(curves_figure, [Scene("here", rows), Scene("there", rows)])
    assert len(root) == 2 and {"first", "other one", "here", "3 seeds"} <= set(texts)
    assert "here: first 200 at last, other one −2 at last." in words


def test_of_a_sweep_the_curves_of_the_last_point_are_drawn():
    rows = [row("curves", {"x": [0, 1], "y": [0, p]}, s, p) for p in (2, 4) for s in range(3)]
    _, texts, words = drawn(curves_figure, [Scene("here", rows, WIDTH)])
    assert "here, n = 4: y 4 at last." in words and "here, n = 4" in texts


def kept_by(kind, kept, claims, made_up_record, statistics=("gap",)):
    """What is selected for each claim in turn; claim i decides on statistic i of trials that kept this."""
    decisions, rows = [], []
    for claim, statistic in zip(claims, statistics, strict=True):
        decision, rows = sweep(0.5, claim=claim)
        decisions.append(replace(decision, decision=replace(decision.decision, statistic=statistic)))
    rows = [
        replace(one, numbers=dict.fromkeys(statistics, one.numbers["gap"]), figures={kind: kept})
        for one in rows
    ]
    record = made_up_record(dict.fromkeys(claims, "HOLDS"), decisions, {("trial", "s"): rows})
    selector = FigureSelector(record)
    with figure_style():
        return [selector.of_claim(row.claim, [row]) for row in decisions]


@pytest.mark.parametrize("kind", ["curves", "a kind of one's own", "defect"])
def test_an_unknown_kind_is_drawn_as_curves_where_it_fits(kind, made_up_record):
    (found,) = kept_by(kind, {"x": [0.0, 1.0], "y": [1.0, 2.0]}, ["t.claim"], made_up_record)
    assert len(found.figures) == 2 and found.notes == []
    assert found.figures[1].words.startswith(f"{kind.capitalize()}: y.")


@pytest.mark.parametrize(
    "kept",
    [
        {"y": [1.0, 2.0]},
        {"x": [1.0, 2.0]},
        {"x": [1.0, 2.0], "y": [1.0]},
        {"x": [], "y": []},
        {"x": [1.0, 2.0], "y": [1.0, np.nan]},
        {"x": 1.0, "y": 2.0},
        {"x": [1.0], "y": ["one"]},
        {},
    ],
    ids=str,
)
def test_an_unknown_kind_that_does_not_fit_is_left_out_with_a_note(kept, made_up_record):
    (found,) = kept_by("my_own", kept, ["t.claim"], made_up_record)
    assert len(found.figures) == 1
    assert found.notes == ["What the trials kept as 'my own' is not drawn: no curves along 'x'."]


def test_what_shows_no_statistic_is_drawn_at_the_first_claim_of_the_trial(made_up_record):
    claims, statistics = ["t.first", "t.second"], ("gap", "other")
    first, second = kept_by("blocks", {"block": [[1.0]]}, claims, made_up_record, statistics)
    assert len(first.figures) == 2 and first.elsewhere == []
    assert len(second.figures) == 1 and second.elsewhere == ["t.first"]


def test_what_shows_a_statistic_is_drawn_where_that_is_decided(made_up_record):
    claims, statistics = ["t.first", "t.second"], ("gap", "other")
    first, second = kept_by("blocks", {"other": [[1.0]]}, claims, made_up_record, statistics)
    assert len(first.figures) == 1 and first.elsewhere == []
    assert len(second.figures) == 2 and second.elsewhere == []


@pytest.mark.parametrize("figure", [blocks_figure, band_figure, learning_figure, images_figure])
def test_names_of_the_evidence_are_escaped(figure):
    made = {
        blocks_figure: lambda: block(0, 32, 0.1), band_figure: lambda: network(0, 32, [0.1, 0.2]),
        learning_figure: lambda: training(0), images_figure: attacked,
    }[figure]()  # fmt: skip
    hostile = "<script>alert(1)</script>&"
    drawn(figure, [Scene(hostile, [made], Swept(hostile, hostile))])
