r"""Closed-form dynamics of the linearized network under adversarial training, and their limit."""

from __future__ import annotations

from typing import Any

from advntk.theorems.assumptions import (
    ADMISSIBLE,
    BOUNDED_INPUTS,
    FULLY_CONNECTED,
    JOINT_GROWTH,
    SMOOTH_ACTIVATION,
)
from advntk.theorems.sources import derived_in, fu_wang
from advntk.theorems.vocabulary import Assumption, Claim, Kind, Source, Step, Theorem, Verdict

_PAPER = fu_wang("theorem 3 (closed-form AT dynamics) and its infinite-width corollary")
_OURS = derived_in("closed_form")
_MAGNUS = Source(
    "W. Magnus, Comm. Pure Appl. Math. 7 (1954); the defect is derived in theorems/closed_form.py",
    "second term of the expansion",
)

CONSTANT_STRENGTHS = Assumption(
    "constant strengths",
    r"every $\eta_i$ is constant in time (equal across samples or not)",
    lambda s: s.schedule == "constant",
    ("schedule",),
)
VARYING_STRENGTHS = Assumption(
    "strengths that vary in time",
    r"$\eta_i(t)$ varies with $t$, and samples or their ARK blocks differ",
    lambda s: s.schedule != "constant" and s.samples * s.outputs > 1 and s.strength != 0,
    ("schedule", "samples", "outputs", "strength"),
)


def _search_as_function() -> list:
    """Perturbation J'(JJ')^{-1}(e^{uJJ'} - I) r has residual e^{uJJ'} r: term by term, J of any shape."""
    import sympy as sp

    u, last = sp.Symbol("u", real=True), 5
    jacobian, jacobian_t, r = sp.symbols("J J_t r", commutative=False)
    square = jacobian * jacobian_t
    moved = jacobian_t * sum(u ** (k + 1) / sp.factorial(k + 1) * square**k for k in range(last)) * r
    grown = sum(u**k / sp.factorial(k) * square**k for k in range(last)) * r
    residual = sp.expand(r + jacobian * moved)
    differences = residual - grown, sp.diff(moved, u) - jacobian_t * residual
    return [sp.expand(sp.expand(e).coeff(u, k)) for e in differences for k in range(last)]


def _adjoint_identities() -> list:
    """Identities of Xi^{1/2} and exp(-Theta Xi) on power series, term by term, for matrices of any size."""
    import sympy as sp

    root, theta = sp.symbols("R Theta", commutative=False)
    xi, similar = root**2, root * theta * root
    power = [
        (theta * xi) ** k - root**-1 * similar**k * root for k in range(6)
    ]  # exp(-Theta Xi) = Xi^{-1/2} exp(-S) Xi^{1/2}
    weights = [
        theta**-1 * (theta * xi) ** (k + 1) - root * similar**k * root for k in range(6)
    ]  # Theta^{-1}(I - exp(-Theta Xi)) = Xi^{1/2} phi_1(-S) Xi^{1/2}
    return [sp.expand(e) for e in (*power, *weights)]


def _commuting() -> list:
    """d/dt exp(-Theta E t) r = -Theta E exp(-Theta E t) r: constant E of any size, series to sixth order."""
    import sympy as sp

    t = sp.Symbol("t", positive=True)
    theta, growth = sp.symbols("Theta E", commutative=False)
    generator = -theta * growth
    series = sum(generator**k * t**k / sp.factorial(k) for k in range(7))
    defect = sp.expand(sp.diff(series, t) - generator * series)
    return [sp.expand(defect.coeff(t, k)) for k in range(6)]


def _second_magnus() -> list:
    """Integrating r' = (A + t B) r by Picard to t^3: exp(O_1 + O_2), O_2 = -t^3/12 [A, B]; any size."""
    import sympy as sp

    t, s = sp.symbols("t s", positive=True)
    a, b = sp.symbols("A B", commutative=False)

    def integrated(inner: Any) -> Any:
        powers = sp.expand(inner)
        return sum(powers.coeff(s, k) * t ** (k + 1) / (k + 1) for k in range(9))

    solution = sp.Integer(1)
    for _ in range(3):
        solution = 1 + integrated((a + s * b) * sp.expand(solution).subs(t, s))
    first = a * t + b * t**2 / 2
    inner = first.subs(t, s)
    second = integrated((a + s * b) * inner - inner * (a + s * b)) / 2
    total = first + second
    exponential = 1 + total + total * total / 2 + total * total * total / 6
    difference = sp.expand(solution - exponential)
    commutator = sp.expand(second + (a * b - b * a) * t**3 / 12)
    return [sp.expand(difference.coeff(t, k)) for k in range(4)] + [commutator]


def _limit_law() -> list:
    """Mean and covariance of an affine map of a Gaussian, f - A (f_X - y), for any numbers of points."""
    import sympy as sp

    a, a_t, y, k, k_x, k_x_t, k_xx = sp.symbols("A A_t y K K_x K_x_t K_XX", commutative=False)
    f, f_t, x, x_t = sp.symbols("f f_t X X_t", commutative=False)  # centred: their means are 0
    mean = (f - a * (x - y)).subs({f: 0, x: 0})
    spread = sp.expand((f - a * x) * (f_t - x_t * a_t))
    moments = {f * f_t: k, f * x_t: k_x, x * f_t: k_x_t, x * x_t: k_xx}
    wanted = k - a * k_x_t - k_x * a_t + a * k_xx * a_t
    return [sp.expand(mean - a * y), sp.expand(spread.subs(moments) - wanted)]


THEOREM = Theorem(
    id="closed_form",
    title="Closed-form dynamics of adversarial training",
    statement=(
        r"The linearized network under adversarial training has, after every search, the residual "
        r"$\exp(\eta_i S \hat\Theta_x)(f - y_i)$, and is "
        r"$f_t(x) = f_0(x) - \hat\Theta_\theta(x, X) \hat\Theta_\theta^{-1} "
        r"(I - e^{-\hat\Theta_\theta \hat\Xi(t)})(f_0(X) - y)$ with "
        r"$\hat\Xi(t) = \int_0^t \exp(\eta(\tau) S \hat\Theta_x) d\tau$ whenever the matrices "
        r"$\hat\Theta_\theta E(t)$ commute in time. Else the defect is, to leading order, that of the "
        r"commutator $\frac12 \int_0^t [\hat\Theta_\theta E, \hat\Theta_\theta \hat\Xi](\tau) d\tau$. As "
        r"widths grow $f_t$ tends to a Gaussian process with mean "
        r"$A y$, $A = \Theta_\theta(x, X)\Theta_\theta^{-1}(I - e^{-\Theta_\theta \Xi(t)})$, and covariance "
        r"$K(x, x') - A K(X, x') - K(x, X) A^\top + A K(X, X) A^\top$."
    ),
    source=_PAPER,
    claims=(
        Claim(
            "closed_form.search",
            r"After the search the residual of the linearized network is "
            r"$\exp(\eta_i S \hat\Theta_x(x_i, x_i)) (f(x_i) - y_i)$, to a relative error of $10^{-9}$",
            Kind.EXACT,
            _PAPER,
            (FULLY_CONNECTED, ADMISSIBLE),
        ),
        Claim(
            "closed_form.commuting",
            r"When the matrices $\hat\Theta_\theta E(t)$ commute (all $\eta_i$ constant, or $E$ scalar), the "
            r"closed form is the integrated flow, to $10^{-9}$ of the initial residual while "
            r"$\lambda_{\max}(\hat\Theta_\theta) \|\hat\Xi\| \leq 10^6$",
            Kind.EXACT,
            _PAPER,
            (FULLY_CONNECTED, ADMISSIBLE),
            note=(
                "Held against the integrated flow, at the accuracy of that, and against its exact value at "
                "the same floats, in balls."
            ),
        ),
        Claim(
            "closed_form.non_commuting",
            r"The closed form is the integrated flow, to $10^{-9}$ of the initial residual, for $\eta_i$ "
            r"that vary in time",
            Kind.EXACT,
            _OURS,
            (FULLY_CONNECTED, ADMISSIBLE, VARYING_STRENGTHS),
            expected=Verdict.REFUTED,
            note=(
                "The published theorem states it for every continuous strength. Unequal samples, or unequal "
                "ARK blocks, do not commute in time: a time-ordered exponential would be needed."
            ),
        ),
        Claim(
            "closed_form.magnus",
            r"The closed form's defect is the commutator's to leading order: up to a share of at most "
            r"$\frac12 t/t_1$ of the largest defect so far, while $t \leq t_1$, the time at which "
            r"$\lambda_{\max}(\hat\Theta_\theta) \|\hat\Xi\|$ reaches one",
            Kind.EXACT,
            _MAGNUS,
            (FULLY_CONNECTED, ADMISSIBLE, VARYING_STRENGTHS),
        ),
        Claim(
            "closed_form.gaussian_process",
            r"Outputs of networks that were trained adversarially tend, as all widths grow, to the Gaussian "
            r"process of that mean and covariance: means, variances and the characteristic function of "
            r"single outputs and sums of two",
            Kind.LEVEL,
            _PAPER,
            (FULLY_CONNECTED, SMOOTH_ACTIVATION, BOUNDED_INPUTS, JOINT_GROWTH, ADMISSIBLE),
        ),
        Claim(
            "closed_form.gaussian_process_value",
            r"As all widths grow the mean and the covariance of outputs of networks that were trained "
            r"adversarially tend to those of the Gaussian process: they are the predicted numbers",
            Kind.LEVEL,
            _PAPER,
            (FULLY_CONNECTED, SMOOTH_ACTIVATION, BOUNDED_INPUTS, JOINT_GROWTH, ADMISSIBLE),
        ),
    ),
    derivation=(
        Step(
            r"Search of a network linear in $x$: perturbation "
            r"$J^\top \hat\Theta_x^{-1}(e^{uS\hat\Theta_x} - I)r$",
            _search_as_function,
        ),
        Step(
            r"Without an inverse: $e^{-\Theta\Xi} = \Xi^{-1/2} e^{-S} \Xi^{1/2}$ and "
            r"$\Theta^{-1}(I - e^{-\Theta\Xi}) = \Xi^{1/2} \varphi_1(-S) \Xi^{1/2}$ with "
            r"$S = \Xi^{1/2}\Theta\Xi^{1/2}$ (series)",
            _adjoint_identities,
        ),
        Step(r"Constant strengths: $e^{-\Theta E t} r$ solves the flow (series)", _commuting),
        Step(
            r"Second Magnus term: $\frac12\int_0^t[A(a), \int_0^a A]\,da = -\frac{t^3}{12}[A, B]$ for "
            r"$A + tB$, exact to $t^3$",
            _second_magnus,
        ),
        Step(r"Mean and covariance of the limiting process", _limit_law),
    ),
)
