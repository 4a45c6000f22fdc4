"""Around the falsehoods of the library: what holds without any, and what a run makes of a fault."""

from __future__ import annotations

import advntk.checks.trials.ark_positive_definiteness.spectra as definiteness

# One simple architecture, as for the falsehoods.
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


def test_a_trial_that_raises_is_an_error_of_its_claims_and_the_run_goes_on(measure, monkeypatch):
    def broken(*_):
        raise FloatingPointError("the kernel exploded")

    monkeypatch.setattr(definiteness, "null_vector", broken)
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
    honest = definiteness.null_vector
    monkeypatch.setattr(
        definiteness, "null_vector", lambda arch, x: honest(arch.with_scales(arch.sigma_w, 0.0), x)
    )
    summary = measure(["ark_positive_definiteness.limit_kernel"], {"activation": "tanh"}, shrink=True)
    (found,) = [f for f in summary["claims"][0]["findings"] if f["kind"] == "counterexample"]
    # Simplest of all axes: one hidden layer, and the first arrangement that tanh is degenerate on.
    assert (found["scenario"]["depth"], found["scenario"]["arrangement"]) == (1, "antipodal")
