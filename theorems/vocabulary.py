"""The words in which theorems are stated.  Plain frozen values: no arrays, no JAX, quick to import."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Kind(StrEnum):
    """How a claim can be decided."""

    EXACT = "exact"  # true of every sampled case, up to a derived rounding error
    LIMIT = "limit"  # a statement about growing widths, decided by a rate over several of them
    EFFECT = "effect"  # the median of a statistic over repetitions lies beyond a threshold
    LEVEL = "level"  # a statistic tends to a predicted positive number as widths grow


class Verdict(StrEnum):
    """What the evidence says of a claim."""

    HOLDS = "HOLDS"
    REFUTED = "REFUTED"
    INCONCLUSIVE = "INCONCLUSIVE"  # not enough evidence at the declared error rates
    OUT_OF_SCOPE = "OUT_OF_SCOPE"  # the claim's assumptions were not met
    ERROR = "ERROR"  # something broke while measuring; says nothing of the claim


AS_MEASURED = "as measured"


class Situation(Protocol):
    """What an assumption may look at: one sampled situation, as plain values."""

    @property
    def family(self) -> str: ...  # "mlp" or "cnn"
    @property
    def depth(self) -> int: ...  # hidden layers, L
    @property
    def activation(self) -> str: ...
    @property
    def sigma_w(self) -> float: ...
    @property
    def sigma_b(self) -> float: ...
    @property
    def parameterization(self) -> str: ...  # "ntk" or "standard"
    @property
    def width(self) -> int: ...  # hidden width (channels for a CNN)
    @property
    def input_width(self) -> int: ...  # d
    @property
    def input_growth(self) -> str: ...  # "joint": d grows with the width; "fixed"
    @property
    def samples(self) -> int: ...  # M
    @property
    def outputs(self) -> int: ...  # c
    @property
    def arrangement(self) -> str: ...  # "generic", "parallel", "antipodal", "two_antipodal", "duplicate"
    @property
    def strength(self) -> float: ...  # eta * S * mean of the ARK's diagonal, a pure number
    @property
    def schedule(self) -> str: ...  # how eta varies in time: "constant", "growing", ...
    @property
    def spread(self) -> float: ...  # by which share of its mean eta differs between samples
    @property
    def training_time(self) -> float: ...  # T * mean of the NTK's diagonal, a pure number
    @property
    def label_noise(self) -> float: ...  # share of wrong labels


SMOOTH = ("erf", "tanh", "gelu", "softplus", "sigmoid")
NON_SMOOTH = ("relu", "leaky_relu")
ACTIVATIONS = (*SMOOTH, *NON_SMOOTH)


@dataclass(frozen=True)
class Source:
    """Where a statement comes from."""

    reference: str
    where: str
    url: str = ""


@dataclass(frozen=True)
class Assumption:
    """A premise, as a sentence and as a predicate on a situation."""

    name: str
    statement: str
    holds: Callable[[Situation], bool]


@dataclass(frozen=True)
class Rate:
    """Predicted decay: error ~ (parameter)^(-exponent), e.g. exponent 1/2 in the joint width."""

    exponent: float
    parameter: str = "n"


@dataclass(frozen=True)
class Step:
    """One step of a derivation that sympy can verify.

    `residual()` returns a list of sympy expressions that must all simplify to zero.
    """

    statement: str
    residual: Callable[[], list]


@dataclass(frozen=True)
class Claim:
    """One testable statement.

    `expected` is REFUTED for negative controls, with a `note` that says why, and None where theory
    predicts nothing and whatever is measured is the answer.
    """

    id: str
    statement: str
    kind: Kind
    source: Source
    assumptions: tuple[Assumption, ...] = ()
    rate: Rate | None = None
    expected: Verdict | None = Verdict.HOLDS
    note: str = ""

    @property
    def expectation(self) -> str:
        """The expected verdict in words; "as measured" where there is none."""
        return AS_MEASURED if self.expected is None else str(self.expected)

    def unmet(self, situation: Situation) -> list[Assumption]:
        """The assumptions of this claim that `situation` does not meet."""
        return [a for a in self.assumptions if not a.holds(situation)]


@dataclass(frozen=True)
class Theorem:
    """A theorem: statement in LaTeX (math between $...$), its claims and its derivation."""

    id: str
    title: str
    statement: str
    source: Source
    claims: tuple[Claim, ...]
    derivation: tuple[Step, ...] = ()

    def __post_init__(self) -> None:
        for claim in self.claims:
            if not claim.id.startswith(self.id + "."):
                raise ValueError(f"claim id {claim.id!r} must start with {self.id + '.'!r}")


# Assumptions shared by several theorems.

SMOOTH_ACTIVATION = Assumption(
    "smooth activation",
    r"$\phi$ is smooth and Lipschitz",
    lambda s: s.activation in SMOOTH,
)
BOUNDED_INPUTS = Assumption(
    "bounded inputs",
    r"$\|x\|^2/d = O(1)$ (all data are scaled so)",
    lambda s: s.input_width >= 1,
)
JOINT_GROWTH = Assumption(
    "joint limit",
    r"the input width $n_0 = d$ grows with the hidden widths",
    lambda s: s.input_growth == "joint",
)
FIXED_INPUT_WIDTH = Assumption(
    "fixed input width",
    r"$d$ is fixed and only the hidden widths grow",
    lambda s: s.input_growth == "fixed",
)
ADMISSIBLE = Assumption(
    "admissible strengths",
    r"every $\eta_i(t) \geq 0$ is continuous",
    lambda s: s.strength >= 0,
)
DISTINCT_INPUTS = Assumption(
    "distinct inputs",
    r"no input occurs twice, so that $\Theta_\theta$ is not singular",
    lambda s: s.arrangement != "duplicate",
)
FULLY_CONNECTED = Assumption("fully connected", "the network is an MLP", lambda s: s.family == "mlp")
SEVERAL_OUTPUTS = Assumption(
    "several outputs",
    r"$c \geq 2$, so that off-diagonal entries exist",
    lambda s: s.outputs >= 2,
)
NOISY_LABELS = Assumption(
    "label noise",
    r"some training labels are wrong",
    lambda s: s.label_noise > 0,
)
CLEAN_LABELS = Assumption(
    "clean labels",
    r"no training label is known to be wrong",
    lambda s: s.label_noise == 0,
)
