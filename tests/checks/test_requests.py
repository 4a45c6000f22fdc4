"""What users ask for: axes held, points of sweeps, memory and data; and what is refused before measuring."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from advntk.checks import planning
from advntk.checks.efforts import PROFILES, RATE
from advntk.checks.pins import Pin
from advntk.checks.planning import BadPlan, Request, make_plan
from advntk.implementations.data.dataset import BadData
from advntk.theorems.catalogue import load

CATALOGUE = load()
QUICK = PROFILES["quick"]


def plan(*names: str, **request):
    """A plan of the quick profile for these claims (all without names)."""
    return make_plan(Request(QUICK, **request), CATALOGUE.select(names), CATALOGUE.modules)


def held(**values) -> tuple[Pin, ...]:
    """As `--axis` holds them."""
    return tuple(Pin(name, str(value), f"--axis {name}={value}") for name, value in values.items())


def data(source) -> tuple[Pin, ...]:
    """As `--data` says it."""
    return (Pin("data", source, f"--data {source}"),)


def widths(*points) -> dict:
    """As `--widths` says them."""
    texts = tuple(map(str, points))
    return {"width": (texts, f"--widths {','.join(texts)}")}


def at_points(found):
    return [at.scenario for p in found.checks for f in p.scenarios for at in f.points]


class TestRequests:
    def test_points_replace_those_of_every_sweep_over_the_axis_and_of_nothing_else(self):
        found = plan(sweeps=widths(16, 24, 32, 48))
        kinds = {p.check.sweep and p.check.sweep.axis for p in found.checks}
        assert kinds >= {None, "width"}
        for planned in found.checks:
            for one in planned.scenarios:
                if planned.check.sweep is None:
                    assert [at.point for at in one.points] == [None]
                elif planned.check.sweep.axis == "width":
                    assert [(at.point, at.scenario.width) for at in one.points] == [
                        (w, w) for w in (16, 24, 32, 48)
                    ]

    @pytest.mark.parametrize(
        ("names", "pins"),
        [
            (("diagonal_limit",), {"activation": "tanh", "sigma_b": 0.0, "depth": 2}),
            (("diagonal_limit.ntk",), {"parameterization": "standard", "samples": 5}),
            (("ark_positive_definiteness",), {"activation": "gelu", "data_seed": 11, "sigma_w": 3.0}),
            (("ark_positive_definiteness.gram_psd",), {"width": 17, "family": "cnn", "readout": "pool"}),
            (("diagonal_limit.ark_fixed_input",), {"input_width": 24, "outputs": 3}),
            (("ark_positive_definiteness.limit_kernel",), {"input_width": 32}),
        ],
    )
    def test_pins_are_respected_at_every_point(self, names, pins):
        found = plan(*names, pins=held(**pins))
        assert at_points(found)
        for scenario in at_points(found):
            assert {name: scenario[name] for name in pins} == pins

    def test_data_is_that_of_the_request(self):
        assert {s.data for s in at_points(plan("diagonal_limit", defaults=data("gaussian")))} == {"gaussian"}

    @pytest.mark.parametrize(
        ("names", "pin", "claim", "premise"),
        [
            ((), ("outputs", 80), "ark_positive_definiteness.diagonal_blocks", "row rank c"),
            (("ark_positive_definiteness.rank",), ("outputs", 1), "ark_positive_definiteness.rank", "Mc > d"),
            (("diagonal_limit.ntk",), ("activation", "relu"), "diagonal_limit.ntk", "smooth and Lipschitz"),
            (("diagonal_limit.xi",), ("outputs", 1), "diagonal_limit.xi", "off-diagonal entries exist"),
            (("diagonal_limit.ark",), ("family", "cnn"), "diagonal_limit.ark", "the network is an MLP"),
            (
                ("diagonal_limit.ark",),
                ("input_growth", "fixed"),
                "diagonal_limit.ark",
                "grows with the hidden",
            ),
        ],
    )
    def test_a_pin_outside_the_scope_is_refused(self, names, pin, claim, premise):
        with pytest.raises(BadPlan) as raised:
            plan(*names, pins=held(**dict([pin])))
        message = str(raised.value)
        assert message.startswith(f"--axis {pin[0]}={pin[1]}: outside the scope of {claim}, which assumes ")
        assert premise in message and "$" not in message
        assert message.endswith("choose another value or leave the claim out")

    def test_the_same_pin_is_fine_without_that_claim(self):
        found = plan("ark_positive_definiteness.gram_psd", pins=held(outputs=80))
        assert {s.outputs for s in at_points(found)} == {80}

    @pytest.mark.parametrize(
        ("name", "axis"),
        [
            ("diagonal_limit.ntk", "width"),
            ("diagonal_limit.ark_fixed_input", "width"),
            ("diagonal_limit.ntk", "input_width"),
        ],
    )
    def test_a_pinned_width_contradicts_a_sweep(self, name, axis):
        expected = (
            f"--axis {axis}=64: {name} runs over a sweep that chooses {axis} itself; use --sweep width=..."
        )
        with pytest.raises(BadPlan, match=f"^{re.escape(expected)}$"):
            plan(name, pins=held(depth=2, **{axis: 64}))

    def test_a_width_beyond_memory_is_refused_with_numbers(self):
        with pytest.raises(BadPlan) as raised:
            plan("diagonal_limit.ntk", sweeps=widths(64, 128, 256, 2**17), memory=2 * 2**30)
        found = re.match(
            r"joint_limit at (.*): one seed needs about ([\d.]+) GiB, 1 GiB are allowed \(2 run at once\);",
            str(raised.value),
        )
        assert found and planning.CONCURRENT == 2
        # The hidden weight matrix alone has 2^34 entries of 8 bytes.
        assert float(found[2]) >= 128
        for fix in ("--sweep width=", "--memory", "--jobs"):
            assert fix in str(raised.value)

    def test_at_most_half_of_the_machine_is_allowed_by_default(self, monkeypatch):
        wide = {"sweeps": widths(64, 128, 256, 8192), "defaults": data("gaussian")}
        monkeypatch.setattr(planning, "usable_memory", lambda: 2 * 2**30)
        with pytest.raises(BadPlan) as raised:
            plan("diagonal_limit.ntk", **wide)
        found = re.search(r"about ([\d.]+) GiB, ([\d.]+) GiB are allowed", str(raised.value))
        assert found
        # Half of 2 GiB, for two networks.
        assert float(found[2]) == 0.5 < float(found[1])
        plan("diagonal_limit.ntk", **wide, memory=2**36)  # what is said goes
        monkeypatch.setattr(planning, "usable_memory", lambda: 2**40)
        plan("diagonal_limit.ntk", **wide)

    @pytest.mark.parametrize(
        ("request_", "reason"),
        [
            ({"sweeps": widths(64, 128, 256, 8192)}, "8192"),  # wider than the finest digit image
            ({"defaults": data("nowhere")}, "--data nowhere"),
            ({"defaults": data("/nowhere.npz")}, "/nowhere.npz"),
        ],
    )
    def test_data_that_cannot_be_had_are_refused(self, request_, reason):
        with pytest.raises(BadData, match=reason):
            plan("diagonal_limit.ntk", memory=2**40, **request_)

    @pytest.mark.parametrize("axis", ["sigma_w", "samples", "radius"])
    def test_a_sweep_that_nothing_makes_is_refused(self, axis):
        with pytest.raises(BadPlan) as raised:
            plan("diagonal_limit.ntk", sweeps={axis: (("1", "2", "3", "4"), f"--sweep {axis}=1,2,3,4")})
        assert str(raised.value) == (
            f"--sweep {axis}=1,2,3,4: none of the selected claims sweeps over {axis}; they sweep over width"
        )

    def test_points_are_refused_where_nothing_sweeps(self):
        with pytest.raises(BadPlan, match=r"^--widths 8,16,32,64: none of .*; they sweep over nothing$"):
            plan("ark_positive_definiteness.rank", sweeps=widths(8, 16, 32, 64))

    @pytest.mark.parametrize(
        ("points", "reason"),
        [
            ((64, 128, 256), "64,128,256: a rate needs at least 4 different values"),
            ((64,), "64: a rate needs at least 4 different values"),
            ((64, 64, 128, 256, 512), "64,64,128,256,512: a value stands twice; leave one out"),
            ((0, 64, 128, 256), "width must be at least 1"),
            ((-64, 64, 128, 256), "width must be at least 1"),
            ((64, 128, 256, 2**21), "width must be at most"),
            ((64, 128, 256, "wide"), "'wide' is not a value for width (int)"),
            ((64, 128, 256, 512.5), "'512.5' is not a value for width (int)"),
            ((64, 128, 256, ""), "'' is not a value for width (int)"),
        ],
    )
    def test_points_that_are_none(self, points, reason):
        given = ",".join(map(str, points))
        with pytest.raises(BadPlan) as raised:
            plan("diagonal_limit.ntk", sweeps=widths(*points))
        assert str(raised.value).startswith(f"--widths {given}: {reason}")

    @pytest.mark.parametrize("points", [(2, 64, 128, 256), (256, 64, 2, 128)])
    def test_points_are_measured_in_rising_order(self, points):
        found = plan("diagonal_limit.ntk", sweeps=widths(*points), defaults=data("gaussian"))
        assert found.checks[0].scenarios
        for one in found.checks[0].scenarios:
            assert [at.point for at in one.points] == [2, 64, 128, 256]
        assert found.trials == RATE.quick.scenarios * 4 * RATE.quick.seeds

    @pytest.mark.parametrize(
        ("pin", "reason"),
        [
            (Pin("colour", "red", "--axis colour=red"), "'colour'"),
            (Pin("depth", "0", "--axis depth=0"), "depth must be at least 1"),
            (Pin("depth", "1.5", "--axis depth=1.5"), "'1.5' is not a value for depth (int)"),
            (Pin("sigma_w", "nan", "--axis sigma_w=nan"), "sigma_w must be finite"),
            (Pin("activation", "swish", "--axis activation=swish"), "activation must be one of: erf"),
            (Pin("implementation", "krylov", "--implementation krylov"), "'implementation'"),
        ],
    )
    def test_pins_that_mean_nothing_are_refused(self, pin, reason):
        with pytest.raises(BadPlan) as raised:
            plan("diagonal_limit.ntk", pins=(pin,))
        assert str(raised.value).startswith(f"{pin.said}: ") and reason in str(raised.value)

    @pytest.mark.parametrize("soft", [False, True])
    def test_contradictory_pins_are_refused_with_both_sides_named(self, soft):
        one, other = Pin("data", "gaussian", "--data gaussian"), Pin("data", "sphere", "--axis data=sphere")
        given = {"defaults": (one,), "pins": (other,)} if soft else {"pins": (one, other)}
        with pytest.raises(BadPlan) as raised:
            plan("diagonal_limit.ntk", **given)
        assert "--data gaussian" in str(raised.value) and "--axis data=sphere" in str(raised.value)
        equal = replace(other, raw="gaussian")
        given = {"defaults": (one,), "pins": (equal,)} if soft else {"pins": (one, equal)}
        assert {s.data for s in at_points(plan("diagonal_limit.ntk", **given))} == {"gaussian"}

    @pytest.mark.parametrize("writings", [("2", "2.0"), ("0.1", "1e-1"), ("1", "01")])
    def test_one_value_in_two_writings_contradicts_nothing(self, writings):
        pins = tuple(Pin("sigma_w", raw, f"--axis sigma_w={raw}") for raw in writings)
        found = plan("diagonal_limit.ntk", pins=pins)
        assert {s.sigma_w for s in at_points(found)} == {float(writings[0])}

    def test_a_default_counts_only_where_an_axis_is_not_sampled(self):
        """As `--data`, which leaves alone what samples its own data."""
        sampling = plan("diagonal_limit.ntk", defaults=(Pin("depth", "2", "--default depth=2"),))
        assert {s.depth for s in at_points(sampling)} == {1, 2, 3}


class TestCosts:
    """What a run takes is settled before anything is loaded, compiled or made."""

    @pytest.mark.parametrize(
        ("names", "pins"),
        [
            (("ark_positive_definiteness.gram_psd",), {"samples": 1500, "outputs": 10}),
            (("ark_positive_definiteness.limit_kernel",), {"samples": 200_000}),
            (("closed_form",), {"outputs": 1_000_000}),
            (("adv_ntk.solver",), {"samples": 500_000}),
            (("adv_ntk.robustness_gain",), {"outputs": 1_000_000, "samples": 10_000}),
            (("linearization_equivalence",), {"outputs": 1_000_000}),
            (("xi_fading.lyapunov",), {"samples": 100_000}),
            (("xi_fading.robust_overfitting",), {"samples": 300_000}),
            (("lazy_training",), {"outputs": 1_000_000}),
            (("lazy_training",), {"samples": 1_000_000}),
        ],
    )
    def test_memory_of_every_trial(self, names, pins):
        with pytest.raises(BadPlan, match=r"one seed needs about .* GiB, .* GiB are allowed"):
            plan(*names, pins=held(**pins), memory=2**34)

    @pytest.mark.parametrize("name", ["diagonal_limit.ntk", "closed_form", "lazy_training"])
    def test_depths_that_compile_for_ever(self, name):
        words = r"L=50.* takes about \d+ minutes .*, 20 are allowed; .*--max-minutes"
        with pytest.raises(BadPlan, match=words):
            plan(name, pins=held(depth=50))
        assert plan(name, pins=held(depth=50), minutes=1e4).checks

    @pytest.mark.parametrize(
        "profile", ["quick", "standard", pytest.param("thorough", marks=pytest.mark.evidence)]
    )
    def test_no_profile_is_refused_for_its_own_costs(self, profile):
        pairs = CATALOGUE.select(
            ("closed_form", "diagonal_limit", "linearization_equivalence", "lazy_training")
        )
        assert make_plan(Request(PROFILES[profile]), pairs, CATALOGUE.modules).checks

    def test_noise_on_labels_of_a_single_class(self):
        with pytest.raises(BadData, match=r"label_noise = 1\.0 needs at least 2 classes"):
            plan("closed_form.search", pins=held(label_noise=1, outputs=1))
