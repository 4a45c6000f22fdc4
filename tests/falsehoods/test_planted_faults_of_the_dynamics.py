"""Around the falsehoods of the dynamics: the same runs hold without any."""

from __future__ import annotations

import pytest
from wrong_dynamics import xi_from_one_point_in_time

# One simple architecture, as for the falsehoods.
SIMPLE = {
    "depth": 1,
    "activation": "erf",
    "sigma_w": 1.5,
    "sigma_b": 0.1,
    "parameterization": "ntk",
    "data_seed": 0,
}
SEARCH = {**SIMPLE, "outputs": 2}
COMMUTING = {**SIMPLE, "strength": 1.0, "spread": 0.5, "training_time": 2.0}
CONSTANT = {**COMMUTING, "schedule": "constant"}
# E is scalar, so that the matrices commute, and grows in time.
SCALAR = {**COMMUTING, "schedule": "growing"}
VARYING = {**SIMPLE, "samples": 4, "outputs": 2, "strength": 1.0, "spread": 0.5, "training_time": 0.8}
FADING = {**SIMPLE, "width": 64, "schedule": "constant", "strength": 1.0, "spread": 0.5}
TWICE = {name: value for name, value in FADING.items() if name != "parameterization"}


def verdicts(summary):
    return {claim["id"]: claim["verdict"] for claim in summary["claims"]}


@pytest.mark.evidence
@pytest.mark.parametrize(
    ("claims", "pins"),
    [
        (["closed_form.search"], SEARCH),
        (["closed_form.commuting"], CONSTANT),
        (["closed_form.commuting"], SCALAR),
        (["closed_form.magnus"], VARYING),
        (["xi_fading.lyapunov", "xi_fading.closed_form", "xi_fading.prediction"], FADING),
        (["xi_fading.singular_limit"], TWICE),
    ],
    ids=["search", "commuting, constant", "commuting, scalar", "magnus", "fading", "singular"],
)
def test_without_a_fault_the_same_runs_hold(measure, claims, pins):
    found = verdicts(measure(claims, pins))
    assert found == dict.fromkeys(claims, "HOLDS")


def test_a_xi_from_one_point_in_time_is_right_for_constant_strengths(measure, monkeypatch):
    """So that it takes strengths that vary to refute it."""
    xi_from_one_point_in_time.plant(monkeypatch)
    assert verdicts(measure(["closed_form.commuting"], CONSTANT)) == {"closed_form.commuting": "HOLDS"}
