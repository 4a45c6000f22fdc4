r"""Linearization equivalence: wide networks under adversarial training follow their linearization."""

from __future__ import annotations

from advntk.theorems.assumptions import (
    ADMISSIBLE,
    BOUNDED_INPUTS,
    FIXED_INPUT_WIDTH,
    FULLY_CONNECTED,
    JOINT_GROWTH,
    NON_SMOOTH,
    SMOOTH_ACTIVATION,
)
from advntk.theorems.sources import derived_in, fu_wang
from advntk.theorems.vocabulary import Assumption, Claim, Kind, Rate, Step, Theorem, Verdict

_PAPER = fu_wang(
    "theorem 2 (linearization); the exponent 1/2 is the bound of Lee et al. 2019 for training without a "
    "search, carried over"
)
_OURS = derived_in("linearization_equivalence")

KINKED_ACTIVATION = Assumption(
    "activation with a kink",
    r"$\phi$ is relu or leaky relu: Lipschitz, not smooth",
    lambda s: s.activation in NON_SMOOTH,
    ("activation",),
)

_JOINT = (FULLY_CONNECTED, SMOOTH_ACTIVATION, BOUNDED_INPUTS, JOINT_GROWTH, ADMISSIBLE)
_FIXED = (FULLY_CONNECTED, SMOOTH_ACTIVATION, BOUNDED_INPUTS, FIXED_INPUT_WIDTH, ADMISSIBLE)
_KINKED = (FULLY_CONNECTED, KINKED_ACTIVATION, BOUNDED_INPUTS, JOINT_GROWTH, ADMISSIBLE)


def _searched_residual() -> list:
    """r' = eta J J' r along the search of a function linear in x, for a Jacobian of any shape."""
    import sympy as sp

    eta = sp.Symbol("eta", positive=True)
    jacobian, jacobian_t, start, moved, f0, y = sp.symbols("J J_t x z f_0 y", commutative=False)
    residual = f0 + jacobian * (moved - start) - y
    slope_of_x = eta * jacobian_t * residual
    # r is affine in z: its slope is what J makes of that of z.
    slope_of_r = residual.xreplace(dict.fromkeys((f0, y, start), sp.S.Zero) | {moved: slope_of_x})
    return [sp.expand(slope_of_r - eta * jacobian * jacobian_t * residual)]


def _exponential_search() -> list:
    """r(u) = exp(u eta A) r_0 solves r' = eta A r, r(0) = r_0: series to sixth order, A of any size."""
    import sympy as sp

    u, eta = sp.symbols("u eta", real=True)
    block = sp.Symbol("A", commutative=False)
    grown = sum((u * eta) ** k / sp.factorial(k) * block**k for k in range(7))
    difference = sp.expand(sp.diff(grown, u) - eta * block * grown)
    return [sp.expand(difference.coeff(u, k)) for k in range(6)] + [grown.subs(u, 0) - 1]


def _kernel_gradient_flow() -> list:
    """d_t f = -Theta E r for f linear in theta, any numbers of outputs, samples and parameters."""
    import sympy as sp

    gradients, gradients_t, theta, f0, growth, y = sp.symbols("G G_t theta f_0 E y", commutative=False)
    residual = f0 + gradients * theta - y
    slope_of_theta = -gradients_t * growth * residual
    # r is affine in theta: its slope is what the gradients make of that of theta.
    slope_of_f = residual.xreplace({f0: sp.S.Zero, y: sp.S.Zero, theta: slope_of_theta})
    return [sp.expand(slope_of_f + gradients * gradients_t * growth * residual)]


def _order_of_the_remainder() -> list:
    """One hidden layer, one unit's share of J H J: odd in the output weight, so its mean vanishes."""
    import sympy as sp

    a, n, d, slope, curvature, w = sp.symbols("a n d phi1 phi2 w", positive=True)
    # f = n^{-1/2} sum_k a_k phi(d^{-1/2} w_k x): gradient and Hessian of one unit in one coordinate.
    gradient = a * slope * w / sp.sqrt(n * d)
    hessian = a * curvature * w**2 / (sp.sqrt(n) * d)
    term = gradient * hessian * gradient
    return [
        sp.simplify(term.subs(a, -a) + term),
        sp.simplify(term - a**3 * slope**2 * curvature * w**4 / (sp.sqrt(n) ** 3 * d**2)),
    ]


THEOREM = Theorem(
    id="linearization_equivalence",
    title="Linearization equivalence under adversarial training",
    statement=(
        r"Let $f_t$ be trained adversarially: at time $t$ every input is moved for a search time $S$ along "
        r"$\partial_s x_{i,s} = \eta_i(t)\, \partial_x f^\top (f - y_i)$, and the parameters follow the "
        r"gradient flow of the squared loss at the searched inputs. Let $f^{lin}_t$ be its first-order "
        r"expansion at $(\theta_0, x_i)$ in $\theta$ and in $x$, trained likewise. For fixed $S$ and $T$, "
        r"smooth Lipschitz $\phi$ and continuous $\eta_i$, as all widths grow, the input width included, "
        r"$\sup_{t \leq T,\, s \leq S} \|f_t(x_{t,s}) - f^{lin}_t(x^{lin}_{t,s})\| \to 0$, on training and "
        r"on unseen points, clean ($s = 0$) and searched."
    ),
    source=_PAPER,
    claims=(
        Claim(
            "linearization_equivalence.clean",
            r"$\sup_{t \leq T} \|f_t(x) - f^{lin}_t(x)\| = O(n^{-1/2})$ as all widths $n$, input width "
            r"included, grow; at training and at unseen points",
            Kind.LIMIT,
            _PAPER,
            _JOINT,
            Rate(0.5),
            note="The rate is an upper bound; smooth networks are seen to do better, up to 1/n.",
        ),
        Claim(
            "linearization_equivalence.adversarial",
            r"$\sup_{t \leq T,\, s \leq S} \|f_t(x_{t,s}) - f^{lin}_t(x^{lin}_{t,s})\| = O(n^{-1/2})$ as all "
            r"widths $n$, input width included, grow; at training and at unseen points",
            Kind.LIMIT,
            _PAPER,
            _JOINT,
            Rate(0.5),
            note="The rate is an upper bound; smooth networks are seen to do better, up to 1/n.",
        ),
        Claim(
            "linearization_equivalence.fixed_input",
            r"With $d$ fixed, $\sup_{t \leq T,\, s \leq S} \|f_t(x_{t,s}) - f^{lin}_t(x^{lin}_{t,s})\| = "
            r"O(n^{-1/2})$ as hidden widths grow",
            Kind.LIMIT,
            _OURS,
            _FIXED,
            Rate(0.5),
            expected=Verdict.REFUTED,
            note=(
                "A control: an input of fixed width moves by a fixed share of its norm, so that f stays "
                "curved along the search however wide the hidden layers are. The joint limit is needed."
            ),
        ),
        Claim(
            "linearization_equivalence.nonsmooth",
            r"$\sup_{t \leq T,\, s \leq S} \|f_t(x_{t,s}) - f^{lin}_t(x^{lin}_{t,s})\| = O(n^{-1/2})$ for "
            r"relu and leaky relu, as all widths $n$ grow",
            Kind.LIMIT,
            _OURS,
            _KINKED,
            Rate(0.5),
            expected=None,
            note="The theorem assumes a smooth activation; what happens without is measured, not assumed.",
        ),
    ),
    derivation=(
        Step(r"Search of the linearized network: $\partial_s r = \eta\, \hat\Theta_x r$", _searched_residual),
        Step(r"Residual after the search: $\exp(\eta S \hat\Theta_x) r$", _exponential_search),
        Step(
            r"Training of the linearized network: $\dot r = -\hat\Theta_\theta E(t) r$", _kernel_gradient_flow
        ),
        Step(
            r"First neglected term of one hidden layer: odd in the output weights, of order "
            r"$n^{-3/2} d^{-2}$ per unit and coordinate",
            _order_of_the_remainder,
        ),
    ),
)
