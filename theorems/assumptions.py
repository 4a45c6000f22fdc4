"""Premises that several theorems share, over the shared axes of networks, data and dynamics."""

from __future__ import annotations

from advntk.theorems.vocabulary import Assumption

SMOOTH = ("erf", "tanh", "gelu", "softplus", "sigmoid")
NON_SMOOTH = ("relu", "leaky_relu")
ACTIVATIONS = (*SMOOTH, *NON_SMOOTH)

SMOOTH_ACTIVATION = Assumption(
    "smooth activation",
    r"$\phi$ is smooth and Lipschitz",
    lambda s: s.activation in SMOOTH,
    ("activation",),
)
BOUNDED_INPUTS = Assumption(
    "bounded inputs",
    r"$\|x\|^2/d = O(1)$ (all data are scaled so)",
    lambda s: s.input_width >= 1,
    ("input_width",),
)
JOINT_GROWTH = Assumption(
    "joint limit",
    r"the input width $n_0 = d$ grows with the hidden widths",
    lambda s: s.input_growth == "joint",
    ("input_growth",),
)
FIXED_INPUT_WIDTH = Assumption(
    "fixed input width",
    r"$d$ is fixed and only the hidden widths grow",
    lambda s: s.input_growth == "fixed",
    ("input_growth",),
)
ADMISSIBLE = Assumption(
    "admissible strengths",
    r"every $\eta_i(t) \geq 0$ is continuous",
    lambda s: s.strength >= 0,
    ("strength",),
)
DISTINCT_INPUTS = Assumption(
    "distinct inputs",
    r"no input occurs twice, so that $\Theta_\theta$ is not singular",
    lambda s: s.arrangement != "duplicate",
    ("arrangement",),
)
FULLY_CONNECTED = Assumption(
    "fully connected",
    "the network is an MLP",
    lambda s: s.family == "mlp",
    ("family",),
)
MLP_OR_SMOOTH = Assumption(
    "a derivative of the limit kernel",
    r"the network is an MLP, whose limit needs no second derivative, or $\phi$ is smooth",
    lambda s: s.family == "mlp" or s.activation in SMOOTH,
    ("family", "activation"),
)
SEVERAL_OUTPUTS = Assumption(
    "several outputs",
    r"$c \geq 2$, so that off-diagonal entries exist",
    lambda s: s.outputs >= 2,
    ("outputs",),
)
NOISY_LABELS = Assumption(
    "label noise",
    r"some training labels are wrong",
    lambda s: s.label_noise > 0,
    ("label_noise",),
)
CLEAN_LABELS = Assumption(
    "clean labels",
    r"no training label is known to be wrong",
    lambda s: s.label_noise == 0,
    ("label_noise",),
)
