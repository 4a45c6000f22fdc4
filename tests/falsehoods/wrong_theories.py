"""Wrong theories: claims with another exponent or constant, without their assumptions, or false as stated."""

from __future__ import annotations

import sys
from dataclasses import replace

from falsehood import Falsehood, as_stated, instead, refuted_by
from wrong_kernels import SIMPLE, SPREAD, SWEEP

import advntk.checks.trials.ark_positive_definiteness.spectra as definiteness
import advntk.checks.trials.diagonal_limit.kernels as diagonal_limit
import advntk.theorems.ark_positive_definiteness as definiteness_theory
import advntk.theorems.diagonal_limit as diagonal_limit_theory
from advntk.checks.deciders.rate import RateDecider
from advntk.theorems.assumptions import FULLY_CONNECTED
from advntk.theorems.vocabulary import Rate

BLOCKS, LIMIT = "ark_positive_definiteness.diagonal_blocks", "ark_positive_definiteness.limit_kernel"
GRAM = {"family": "mlp", "depth": 2, "activation": "erf", "outputs": 3, "samples": 8, "width": 32}
NARROW = {"family": "mlp", "depth": 2, "outputs": 4, "samples": 8, "width": 8}
UNBIASED = {"activation": "erf", "depth": 1, "sigma_b": 0.0}


def restate(monkeypatch, theory, claim_id, **changes):
    """State a claim of a theorem differently."""
    claims = tuple(replace(c, **changes) if c.id == claim_id else c for c in theory.THEOREM.claims)
    monkeypatch.setattr(theory, "THEOREM", replace(theory.THEOREM, claims=claims))


def decide(monkeypatch, trials, trial, claim_id, deciders):
    """Let other deciders read a trial for a claim."""
    check = getattr(trials, trial)
    changed = replace(check, decides={**check.decides, claim_id: deciders})
    # A package shows the checks of its modules under the same name.
    for module in list(sys.modules.values()):
        if vars(module).get(trial) is check:
            monkeypatch.setattr(module, trial, changed)


def faster(monkeypatch, claim_id, statistics):
    """State that the errors of a kernel's limit fall like 1/n."""
    restate(monkeypatch, diagonal_limit_theory, claim_id, rate=Rate(1.0))
    deciders = [RateDecider(statistic, 1.0) for statistic in statistics]
    decide(monkeypatch, diagonal_limit, "joint_limit", claim_id, deciders)


@refuted_by("diagonal_limit.ntk", SIMPLE, widths=SWEEP)
def ntk_that_converges_like_one_over_n(monkeypatch):
    """The NTK is claimed to be within O(1/n) of its limit."""
    faster(monkeypatch, "diagonal_limit.ntk", ["ntk_gap"])


@refuted_by("diagonal_limit.ark", SIMPLE, widths=SWEEP)
def ark_that_converges_like_one_over_n(monkeypatch):
    """The ARK is claimed to be within O(1/n) of its limit."""
    faster(monkeypatch, "diagonal_limit.ark", ["ark_gap"])


@refuted_by("diagonal_limit.xi", SIMPLE, widths=SWEEP, by=("xi_off_diagonal",))
def xi_off_its_diagonal_like_one_over_n(monkeypatch):
    """Entries of Xi off its diagonal are claimed to fade like 1/n."""
    faster(monkeypatch, "diagonal_limit.xi", ["xi_off_diagonal"])


@refuted_by("diagonal_limit.ark_fixed_input", SPREAD, by=("diagonal_spread",))
def diagonal_that_spreads_like_what_is_off_it(monkeypatch):
    """With d fixed the ARK's diagonal is claimed to spread by sqrt(tr Sigma^2), without the factor two."""

    def without_two(honest, *given):
        found = honest(*given)
        return {**found, "diagonal_spread": 2 * found["diagonal_spread"]}

    instead(monkeypatch, diagonal_limit, "_fixed_input_spread", without_two)


@refuted_by("ark_positive_definiteness.rank", GRAM)
def rank_at_most_d_less_one(monkeypatch):
    """The ARK's rank is claimed to stay below d."""
    instead(monkeypatch, definiteness, "_spectra", lambda honest, ark, d: honest(ark, d - 1))


@refuted_by(LIMIT, {**UNBIASED, "arrangement": "antipodal"}, control={**UNBIASED, "arrangement": "generic"})
def smoothness_is_enough_for_definiteness(monkeypatch):
    """The limit ARK of smooth activations is claimed to be definite on any distinct inputs, bias or not."""
    restate(monkeypatch, definiteness_theory, LIMIT, assumptions=(FULLY_CONNECTED,))


@refuted_by(
    LIMIT,
    {**UNBIASED, "activation": "relu", "arrangement": "parallel"},
    control={**UNBIASED, "activation": "relu", "arrangement": "generic"},
)
def relu_is_definite_on_parallel_inputs(monkeypatch):
    """The limit ARK of relu is claimed to tell parallel inputs apart without a bias."""
    restate(monkeypatch, definiteness_theory, LIMIT, assumptions=(FULLY_CONNECTED,))


@refuted_by(BLOCKS, {**NARROW, "activation": "relu"}, control={**NARROW, "activation": "erf"})
def relu_blocks_are_definite(monkeypatch):
    """Diagonal blocks of narrow relu networks are claimed to be definite, dead units or not."""
    restate(monkeypatch, definiteness_theory, BLOCKS, assumptions=(definiteness_theory.ROOM_FOR_OUTPUTS,))


@refuted_by(BLOCKS, {**GRAM, "outputs": 20, "samples": 2}, control=GRAM)
def blocks_are_definite_for_more_outputs_than_inputs(monkeypatch):
    """Diagonal blocks are claimed to be definite for more outputs than there are inputs."""
    restate(monkeypatch, definiteness_theory, BLOCKS, assumptions=(definiteness_theory.NEVER_FLAT,))


_LINEAR = {
    "depth": 1,
    "activation": "erf",
    "sigma_w": 1.5,
    "sigma_b": 0.1,
    "parameterization": "ntk",
    "data_seed": 0,
    "strength": 1.0,
    "spread": 0.5,
}

AS_PUBLISHED = Falsehood(
    "closed form for every continuous strength",
    "The closed form is claimed to solve the flow for strengths that vary in time, as published.",
    "closed_form.non_commuting",
    as_stated,
    {**_LINEAR, "samples": 4, "outputs": 2, "training_time": 0.8},
    slow=True,
)
_TWICE = {name: value for name, value in _LINEAR.items() if name != "parameterization"}
NO_TRACE = Falsehood(
    "fading on a singular kernel",
    "With an input that occurs twice, adversarial training is claimed to leave no trace.",
    "xi_fading.singular",
    as_stated,
    {**_TWICE, "width": 64},
)
NEGATIVE = Falsehood(
    "the same rate for negative strengths",
    "A search that lowers the loss is claimed not to slow training down.",
    "xi_fading.negative_eta",
    as_stated,
    {**_TWICE, "width": 64, "schedule": "constant", "strength": -1.0},
)
FIXED_INPUT = Falsehood(
    "hidden widths are enough",
    "With the input width fixed the ARK is claimed to converge as hidden widths grow.",
    "diagonal_limit.ark_fixed_input_converges",
    as_stated,
    SPREAD,
)
