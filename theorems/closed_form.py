r"""Closed-form dynamics of the linearized network under adversarial training, and their limit."""

from __future__ import annotations

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
    """Perturbation J'(JJ')^{-1}(e^{uJJ'} - I) r has residual e^{uJJ'} r: one output, two inputs."""
    import sympy as sp

    u, r = sp.symbols("u r", real=True)
    jacobian = sp.Matrix([sp.symbols("j1 j2", real=True)])
    square = (jacobian * jacobian.T)[0]
    moved = jacobian.T * (sp.exp(u * square) - 1) / square * r
    residual = r + (jacobian * moved)[0]
    slope = moved.diff(u) - jacobian.T * residual
    return [sp.simplify(residual - sp.exp(u * square) * r), *slope.applyfunc(sp.simplify)]


def _adjoint_identities() -> list:
    """Xi^{1/2} exp(-Theta Xi)-identities on power series to third order, 2 x 2."""
    import sympy as sp

    a, b = sp.symbols("a b", positive=True)
    root = sp.diag(a, b)
    theta = sp.Matrix(2, 2, sp.symbols("t11 t12 t12 t22"))
    xi, similar = root**2, root * theta * root
    power = [
        (theta * xi) ** k - root.inv() * similar**k * root for k in range(4)
    ]  # exp(-Theta Xi) = Xi^{-1/2} exp(-S) Xi^{1/2}, term by term
    weights = [
        theta.inv() * (theta * xi) ** (k + 1) - root * similar**k * root for k in range(3)
    ]  # Theta^{-1}(I - exp(-Theta Xi)) = Xi^{1/2} phi_1(-S) Xi^{1/2}, term by term
    return [sp.simplify(e) for matrix in (*power, *weights) for e in matrix]


def _commuting() -> list:
    """d/dt exp(-Theta E t) r = -Theta E exp(-Theta E t) r: constant E, series to fourth order."""
    import sympy as sp

    t = sp.Symbol("t", positive=True)
    generator = -sp.Matrix(2, 2, sp.symbols("t11 t12 t12 t22")) * sp.diag(*sp.symbols("e1 e2"))
    series = sum((generator**k * t**k / sp.factorial(k) for k in range(5)), sp.zeros(2, 2))
    defect = (series.diff(t) - generator * series).applyfunc(sp.expand)
    return [sp.expand(e.coeff(t, k)) for e in defect for k in range(4)]


def _second_magnus() -> list:
    """Integrating r' = (A + t B) r by Picard to t^3: exp(O_1 + O_2) with O_2 = -t^3/12 [A, B]."""
    import sympy as sp

    t, s = sp.symbols("t s", positive=True)
    a, b = (sp.Matrix(2, 2, sp.symbols(f"{n}:4")) for n in "ab")
    solution = sp.eye(2)
    for _ in range(3):
        inner = ((a + s * b) * solution.subs(t, s)).applyfunc(sp.expand)
        solution = sp.eye(2) + inner.applyfunc(lambda e: sp.integrate(e, (s, 0, t)))
    first = a * t + b * t**2 / 2
    inner = first.subs(t, s)
    second = ((a + s * b) * inner - inner * (a + s * b)).applyfunc(
        lambda e: sp.integrate(sp.expand(e), (s, 0, t)) / 2
    )
    total = first + second
    exponential = sp.eye(2) + total + total**2 / 2 + total**3 / 6
    difference = (solution - exponential).applyfunc(sp.expand)
    commutator = (second + (a * b - b * a) * t**3 / 12).applyfunc(sp.expand)
    return [sp.expand(e.coeff(t, k)) for e in difference for k in range(4)] + list(commutator)


def _limit_law() -> list:
    """Mean and covariance of an affine map of a Gaussian: f - a (f_X - y), one output, one sample."""
    import sympy as sp

    a, y, k, kx, kxx = sp.symbols("a y k kx kxx", real=True)
    z, w = sp.symbols("z w", real=True)  # f_X = sqrt(kxx) z, f = kx/sqrt(kxx) z + rest w
    at_sample = sp.sqrt(kxx) * z
    there = kx / sp.sqrt(kxx) * z + sp.sqrt(k - kx**2 / kxx) * w
    trained = sp.expand(there - a * (at_sample - y))
    mean = trained.subs({z: 0, w: 0})
    variance = trained.coeff(z, 1) ** 2 + trained.coeff(w, 1) ** 2
    return [sp.simplify(mean - a * y), sp.simplify(variance - (k - 2 * a * kx + a**2 * kxx))]


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
