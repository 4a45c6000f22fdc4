r"""Positive-definiteness of the adversarial regularization kernel (ARK) and what Xi needs of it."""

from __future__ import annotations

from typing import Any

from advntk.theorems.assumptions import FULLY_CONNECTED
from advntk.theorems.sources import derived_in, fu_wang
from advntk.theorems.vocabulary import Assumption, Claim, Kind, Source, Step, Theorem

_PAPER = fu_wang("section 5.1, assumptions on the ARK")
_OURS = derived_in("ark_positive_definiteness")
_JORDAN = Source(
    "G. Strang, Eigenvalues of Jordan products, Amer. Math. Monthly 69 (1962); the angle argument is "
    "derived again in theorems/ark_positive_definiteness.py",
    "definiteness of AB + BA",
)

MORE_ROWS_THAN_INPUTS = Assumption(
    "more rows than inputs",
    r"$Mc > d$, else the bound says nothing",
    lambda s: s.samples * s.outputs > s.input_width,
    ("samples", "outputs", "input_width"),
)
ROOM_FOR_OUTPUTS = Assumption(
    "room for the outputs",
    r"$c \leq \min(d, n_1, \dots, n_L)$: the input Jacobian can have row rank $c$",
    lambda s: s.outputs <= min(s.input_width, s.width),
    ("outputs", "input_width", "width"),
)
NEVER_FLAT = Assumption(
    "slope nowhere zero on an interval",
    r"$\phi' = 0$ on no interval (a ReLU network can be dead at an input)",
    lambda s: s.activation != "relu",
    ("activation",),
)


def _no_degenerate_pair(s: Any) -> bool:
    return s.sigma_b > 0 or s.arrangement == "generic"


NO_COLLINEAR_PAIR = Assumption(
    "bias, or no collinear inputs",
    r"$\sigma_b > 0$, or no two inputs lie on one line through 0",
    _no_degenerate_pair,
    ("sigma_b", "arrangement"),
)


def _gram() -> list:
    """z' (J J') z = |J' z|^2 for a generic 3 x 2 Jacobian, and det(J J') = 0 as 3 > 2."""
    import sympy as sp

    j = sp.Matrix(3, 2, sp.symbols("j:6"))
    z = sp.Matrix(sp.symbols("z:3"))
    gram = j * j.T
    return [sp.expand((z.T * gram * z)[0] - (j.T * z).dot(j.T * z)), sp.expand(gram.det())]


def _parity() -> list:
    """Even phi' (erf, tanh, sigmoid): phi'(-u) = phi'(u); gelu, softplus: phi'(u) + phi'(-u) = 1."""
    import sympy as sp

    u = sp.Symbol("u", real=True)
    gelu = u * (1 + sp.erf(u / sp.sqrt(2))) / 2
    softplus = sp.log(1 + sp.exp(u))
    sigmoid = 1 / (1 + sp.exp(-u))
    even = [sp.diff(f, u) for f in (sp.erf(u), sp.tanh(u), sigmoid)]
    complementary = [sp.diff(f, u) for f in (gelu, softplus)]
    return [sp.simplify((f - f.subs(u, -u)).rewrite(sp.exp)) for f in even] + [
        sp.simplify(f + f.subs(u, -u) - 1) for f in complementary
    ]


def _lifted() -> list:
    """With a bias, lifted inputs (x, b) and (y, b) are collinear only if x = y (cross product, d = 1)."""
    import sympy as sp

    x, y, b = sp.symbols("x y b", positive=True)
    cross = sp.Matrix([[x, b], [y, b]]).det()
    return [sp.simplify(sp.solve(cross, x)[0] - y)]


def _largest_angle() -> list:
    """Largest angle between v and Bv, B positive definite, has sine (k - 1)/(k + 1), k = cond B."""
    import sympy as sp

    k, t = sp.symbols("k t", positive=True)
    # v = (1, t) in the plane of the extreme eigenvectors: tan(angle) = (k - 1) t / (1 + k t^2).
    tangent = (k - 1) * t / (1 + k * t**2)
    best = 1 / sp.sqrt(k)
    top = sp.simplify(tangent.subs(t, best))
    sine_squared = top**2 / (1 + top**2)
    return [
        sp.simplify(sp.diff(tangent, t).subs(t, best)),
        sp.simplify(sine_squared - ((k - 1) / (k + 1)) ** 2),
    ]


def _critical_spread() -> list:
    """The angles add up to a right angle exactly where cond A = ((sqrt k + 1)/(sqrt k - 1))^2."""
    import sympy as sp

    k = sp.Symbol("k", positive=True)
    critical = ((sp.sqrt(k) + 1) / (sp.sqrt(k) - 1)) ** 2
    sines = ((critical - 1) / (critical + 1)) ** 2 + ((k - 1) / (k + 1)) ** 2
    return [sp.simplify(sines - 1)]


THEOREM = Theorem(
    id="ark_positive_definiteness",
    title="Positive-definiteness of the adversarial regularization kernel",
    statement=(
        r"The ARK over $x_1, \dots, x_M$ is a Gram matrix of input gradients: positive semi-definite, "
        r"of rank at most $d$. Its diagonal blocks $\hat\Theta_x(x_i, x_i)$ are positive definite when "
        r"$c \leq \min(d, n_l)$, and the limit kernel $\Theta_x$ is positive definite on pairwise "
        r"distinct inputs for non-polynomial $\phi$ with a bias, or on inputs no two of which are "
        r"collinear. With $A = \lim_{t \to \infty} \Xi(t)/\lambda_{\max}(\Xi(t))$, the transformed kernel "
        r"$\mathrm{sym}(\Theta_\theta A)$ is positive definite as long as "
        r"$\eta S\,(\max_i - \min_i)\,\Theta_x(x_i, x_i) < 2 \ln \frac{\sqrt\kappa + 1}{\sqrt\kappa - 1}$, "
        r"with $\kappa$ the condition number of $\Theta_\theta$."
    ),
    source=_PAPER,
    claims=(
        Claim(
            "ark_positive_definiteness.gram_psd",
            r"The ARK Gram matrix over the inputs is symmetric and positive semi-definite",
            Kind.EXACT,
            _PAPER,
            note=(
                "Of the floats that were computed, in balls: what they lack of an exact Gram matrix is the "
                "rounding of inner products. Where both of two products are summed in the same order no "
                "asymmetry is left, and its bound is not used."
            ),
        ),
        Claim(
            "ark_positive_definiteness.rank",
            r"The ARK Gram matrix has rank at most $d$",
            Kind.EXACT,
            _OURS,
            (MORE_ROWS_THAN_INPUTS,),
        ),
        Claim(
            "ark_positive_definiteness.diagonal_blocks",
            r"Every diagonal block $\hat\Theta_x(x_i, x_i)$ is positive definite",
            Kind.EXACT,
            _PAPER,
            (ROOM_FOR_OUTPUTS, NEVER_FLAT),
            note="By balls around the Jacobians as computed, and a bound of what rounding took from these.",
        ),
        Claim(
            "ark_positive_definiteness.limit_kernel",
            r"$\Theta_x$ is positive definite on pairwise distinct inputs",
            Kind.EXACT,
            _OURS,
            (FULLY_CONNECTED, NO_COLLINEAR_PAIR),
            note=(
                "Smoothness is not enough: without bias, erf and tanh are degenerate on {x, -x}, relu and "
                "leaky relu on parallel inputs; with one hidden layer sigmoid on {x, -x} too, gelu, "
                "softplus, relu and leaky relu on two such pairs. The search for such cases is part of the "
                "check, and exact arithmetic proves each. Erf, relu and leaky relu are certified in balls; "
                "tanh, softplus, sigmoid and gelu by floats with a bound of their rounding."
            ),
        ),
        Claim(
            "ark_positive_definiteness.kernels_in_balls",
            r"The limit kernels of erf, relu and leaky relu (NNGP, NTK and $\Theta_x$) as computed are off "
            r"the exact ones by no more than rounded steps explain, and so is the certified critical scale",
            Kind.EXACT,
            _OURS,
            (FULLY_CONNECTED,),
            note=(
                "Near full correlation of two inputs, relu's slopes cost a square root of the rounding; "
                "the bound allows for it there and nowhere else."
            ),
        ),
        Claim(
            "ark_positive_definiteness.transformed_margin",
            r"$\mathrm{sym}(\Theta_\theta A) \succ 0$ for every $\eta S$ below the certified critical scale",
            Kind.EXACT,
            _JORDAN,
            (FULLY_CONNECTED, NO_COLLINEAR_PAIR),
            note=(
                "In balls at 61 scales for erf, relu and leaky relu; by floats with a bound of their "
                "rounding for the others."
            ),
        ),
    ),
    derivation=(
        Step(
            r"Gram: $z^\top J J^\top z = \|J^\top z\|^2$, and more rows than columns are dependent (3 by 2)",
            _gram,
        ),
        Step(
            r"Degenerate cases: $\phi'$ is even for erf, tanh, sigmoid; "
            r"$\phi'(u) + \phi'(-u) = 1$ for gelu, softplus",
            _parity,
        ),
        Step(r"A bias keeps distinct inputs non-collinear: lifted inputs $(x, b)$", _lifted),
        Step(
            r"The largest angle between $v$ and $Bv$ has sine $(\kappa - 1)/(\kappa + 1)$",
            _largest_angle,
        ),
        Step(
            r"$\mathrm{sym}(BA) \succ 0$ while the two largest angles stay below a right angle in sum: "
            r"$\kappa(A) < ((\sqrt\kappa + 1)/(\sqrt\kappa - 1))^2$",
            _critical_spread,
        ),
    ),
)
