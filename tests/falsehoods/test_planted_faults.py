"""Wrong code must be noticed: each fault, planted by hand, turns the right claim REFUTED."""

from __future__ import annotations

from dataclasses import replace

import jax.numpy as jnp
import pytest

import checks.trials.ark_positive_definiteness as definiteness
import checks.trials.diagonal_limit as diagonal_limit
from checks.scenario import Scenario

# One simple architecture: a fault does not need many scenarios to show.
SIMPLE = {
    "depth": 1,
    "activation": "erf",
    "sigma_w": 1.5,
    "parameterization": "ntk",
    "samples": 4,
    "outputs": 3,
}


def verdicts(summary):
    return {claim["id"]: claim["verdict"] for claim in summary["claims"]}


def test_without_a_fault_the_same_runs_hold(measure):
    found = verdicts(measure(["diagonal_limit.ntk", "diagonal_limit.ark", "diagonal_limit.xi"], SIMPLE))
    assert set(found.values()) == {"HOLDS"}, found


def test_a_product_form_without_sigma_w_is_refuted(measure, monkeypatch):
    honest = diagonal_limit.mlp_limits

    def without(arch, *rest):
        found = honest(arch, *rest)
        return found._replace(ark=found.ark / arch.sigma_w ** (2 * arch.depth + 2))

    monkeypatch.setattr(diagonal_limit, "mlp_limits", without)
    found = verdicts(measure(["diagonal_limit.ntk", "diagonal_limit.ark"], SIMPLE))
    assert found == {"diagonal_limit.ntk": "HOLDS", "diagonal_limit.ark": "REFUTED"}


def test_one_lost_factor_of_sigma_w_squared_is_refuted(measure, monkeypatch):
    honest = diagonal_limit.mlp_limits

    def without(arch, *rest):
        found = honest(arch, *rest)
        return found._replace(ark=found.ark / arch.sigma_w**2)

    monkeypatch.setattr(diagonal_limit, "mlp_limits", without)
    assert verdicts(measure(["diagonal_limit.ark"], SIMPLE)) == {"diagonal_limit.ark": "REFUTED"}


def test_an_input_width_kept_fixed_is_refuted_for_the_ark_alone(measure, monkeypatch):
    monkeypatch.setattr(Scenario, "at_width", lambda self, width: replace(self, width=width, input_width=64))
    found = verdicts(measure(["diagonal_limit.ntk", "diagonal_limit.ark"], SIMPLE))
    assert found == {"diagonal_limit.ntk": "HOLDS", "diagonal_limit.ark": "REFUTED"}


@pytest.mark.parametrize(
    "axes", [(0, 1, 4, 3, 2), (0, 3, 2, 1, 4)], ids=["outputs swapped", "inputs swapped"]
)
def test_a_transposed_kernel_is_refuted(measure, monkeypatch, axes):
    """Swapping the outputs (or the inputs) alone leaves a symmetric matrix that is no Gram matrix."""
    honest = definiteness.kernels_at_initialisation

    def transposed(*arguments):
        found = honest(*arguments)
        return found._replace(ark=jnp.transpose(found.ark, axes))

    monkeypatch.setattr(definiteness, "kernels_at_initialisation", transposed)
    pins = {"family": "mlp", "depth": 2, "activation": "erf", "outputs": 3, "samples": 8}
    summary = measure(["ark_positive_definiteness.gram_psd"], pins)
    assert verdicts(summary) == {"ark_positive_definiteness.gram_psd": "REFUTED"}
    assert [f["kind"] for f in summary["claims"][0]["findings"]] == ["counterexample"]


def test_a_kernel_of_parameters_in_place_of_inputs_breaks_the_rank(measure, monkeypatch):
    honest = definiteness.kernels_at_initialisation
    monkeypatch.setattr(
        definiteness, "kernels_at_initialisation", lambda *a: honest(*a)._replace(ark=honest(*a).ntk)
    )
    pins = {"family": "mlp", "depth": 2, "activation": "erf", "outputs": 3, "samples": 8}
    assert verdicts(measure(["ark_positive_definiteness.rank"], pins)) == {
        "ark_positive_definiteness.rank": "REFUTED"
    }


def test_one_dead_output_breaks_the_diagonal_blocks(measure, monkeypatch):
    honest = definiteness.kernels_at_initialisation

    def dead(*arguments):
        found = honest(*arguments)
        return found._replace(ark=found.ark.at[:, :, 0].set(0).at[:, :, :, :, 0].set(0))

    monkeypatch.setattr(definiteness, "kernels_at_initialisation", dead)
    pins = {"family": "mlp", "depth": 2, "activation": "erf", "outputs": 3}
    found = measure(["ark_positive_definiteness.diagonal_blocks"], pins)
    assert verdicts(found) == {"ark_positive_definiteness.diagonal_blocks": "REFUTED"}


def test_a_limit_kernel_that_ignores_the_bias_is_refuted(measure, monkeypatch):
    honest = definiteness.mlp_limits
    monkeypatch.setattr(
        definiteness, "mlp_limits", lambda arch, *rest: honest(arch.with_scales(arch.sigma_w, 0.0), *rest)
    )
    pins = {"activation": "erf", "sigma_b": 0.3, "arrangement": "antipodal"}
    summary = measure(["ark_positive_definiteness.limit_kernel"], pins)
    assert verdicts(summary) == {"ark_positive_definiteness.limit_kernel": "REFUTED"}


def test_a_certificate_that_promises_too_much_is_refuted(measure, monkeypatch):
    honest = definiteness.certified_spread
    monkeypatch.setattr(definiteness, "certified_spread", lambda ntk: 4 * honest(ntk))
    summary = measure(["ark_positive_definiteness.transformed_margin"], {"activation": "relu"})
    assert verdicts(summary) == {"ark_positive_definiteness.transformed_margin": "REFUTED"}


def test_a_spread_without_its_factor_two_is_refuted(measure, monkeypatch):
    honest = diagonal_limit.input_gradient_covariance
    monkeypatch.setattr(
        diagonal_limit,
        "input_gradient_covariance",
        # Twice Sigma keeps nothing but scale: a prediction four times too large in squares.
        lambda arch, x: 2 * honest(arch, x),
    )
    pins = {"depth": 1, "activation": "erf", "sigma_w": 1.5, "input_width": 8}
    summary = measure(["diagonal_limit.ark_fixed_input"], pins)
    assert verdicts(summary) == {"diagonal_limit.ark_fixed_input": "REFUTED"}


def test_a_trial_that_raises_is_an_error_of_its_claims_and_the_run_goes_on(measure, monkeypatch):
    def broken(*_):
        raise FloatingPointError("the kernel exploded")

    monkeypatch.setattr(definiteness, "activation", broken)
    pins = {"activation": "erf", "depth": 1}
    found = measure(
        ["ark_positive_definiteness.limit_kernel", "ark_positive_definiteness.transformed_margin"], pins
    )
    assert verdicts(found) == {
        "ark_positive_definiteness.limit_kernel": "ERROR",
        "ark_positive_definiteness.transformed_margin": "HOLDS",
    }
    assert "the kernel exploded" in found["claims"][0]["reason"]


def test_a_counterexample_is_shrunk_on_request(measure, monkeypatch):
    honest = definiteness.mlp_limits
    monkeypatch.setattr(
        definiteness, "mlp_limits", lambda arch, *rest: honest(arch.with_scales(arch.sigma_w, 0.0), *rest)
    )
    summary = measure(["ark_positive_definiteness.limit_kernel"], {"activation": "tanh"}, shrink=True)
    (found,) = [f for f in summary["claims"][0]["findings"] if f["kind"] == "counterexample"]
    # Simplest of all axes: one hidden layer, and the first arrangement that tanh is degenerate on.
    assert (found["scenario"]["depth"], found["scenario"]["arrangement"]) == (1, "antipodal")
