r"""Diagonal limit: at initialization the empirical kernels of wide networks become diagonal."""

from __future__ import annotations

from advntk.theorems.assumptions import (
    ADMISSIBLE,
    BOUNDED_INPUTS,
    FIXED_INPUT_WIDTH,
    FULLY_CONNECTED,
    JOINT_GROWTH,
    MLP_OR_SMOOTH,
    SEVERAL_OUTPUTS,
    SMOOTH_ACTIVATION,
)
from advntk.theorems.sources import derived_in, fu_wang
from advntk.theorems.vocabulary import Claim, Kind, Rate, Step, Theorem, Verdict

_PAPER = fu_wang("section 4.2, kernel limits at initialization; the exponent is derived here")
_OURS = derived_in("diagonal_limit")

_JOINT = (FULLY_CONNECTED, SMOOTH_ACTIVATION, BOUNDED_INPUTS, JOINT_GROWTH, SEVERAL_OUTPUTS)
# By value, smoothness plays no part: means of kinked activations have limits as well.
_BY_VALUE = (BOUNDED_INPUTS,)
_FIXED = (FULLY_CONNECTED, SMOOTH_ACTIVATION, BOUNDED_INPUTS, FIXED_INPUT_WIDTH, SEVERAL_OUTPUTS)


def _price() -> list:
    """d/dq E[f(u) g(v)] = E[f'(u) g'(v)], checked on all monomials up to degree 4."""
    import sympy as sp

    q, p, r, x, y = sp.symbols("q p r x y", positive=True)

    def moment(expression: sp.Expr) -> sp.Expr:
        """E of a polynomial in u = sqrt(p) x and v = q/sqrt(p) x + sqrt(r - q^2/p) y."""
        u = sp.sqrt(p) * x
        v = q / sp.sqrt(p) * x + sp.sqrt(r - q**2 / p) * y
        poly = sp.Poly(sp.expand(expression.subs({_U: u, _V: v}, simultaneous=True)), x, y)
        standard = lambda k: 0 if k % 2 else sp.factorial2(k - 1) if k else 1  # noqa: E731
        return sp.simplify(sum(c * standard(i) * standard(j) for (i, j), c in poly.terms()))

    _U, _V = sp.symbols("u v")
    return [
        sp.simplify(sp.diff(moment(_U**i * _V**j), q) - moment(sp.diff(_U**i, _U) * sp.diff(_V**j, _V)))
        for i in range(1, 5)
        for j in range(1, 5)
    ]


def _product_form() -> list:
    """Chain rule through two hidden layers: dK/dq = sigma_w^6 Kdot_1 Kdot_2, by Price's theorem."""
    import sympy as sp

    q, w, b, t, p = sp.symbols("q sigma_w sigma_b t p", positive=True)
    # Two different duals: that of erf at variance p, and an exponential one.
    dual_1, dual_2 = 2 / sp.pi * sp.asin(2 * t / (1 + 2 * p)), sp.exp(t)
    k1 = w**2 * q + b**2
    k2 = w**2 * dual_1.subs(t, k1) + b**2
    k3 = w**2 * dual_2.subs(t, k2) + b**2
    layers = sp.diff(dual_1, t).subs(t, k1) * sp.diff(dual_2, t).subs(t, k2)
    return [sp.simplify(sp.diff(k3, q) - w**6 * layers)]


def _trace_form() -> list:
    """tr d_x d_x' K = K_q + (K_qq q + 2 K_qp' p' + 2 K_qp p + 4 K_pp' q)/d, for d = 3."""
    import sympy as sp

    d = 3
    xs, ys = sp.symbols(f"x:{d}"), sp.symbols(f"y:{d}")
    q = sum(a * b for a, b in zip(xs, ys, strict=True)) / d
    p, r = sum(a * a for a in xs) / d, sum(b * b for b in ys) / d
    a, b, c = sp.symbols("a b c")
    # A polynomial with all second-order couplings stands for K(q, p, p').
    kernel = a**3 + a**2 * b + a * b * c + 2 * b**2 * c**2 + a * c**2 + a * b**3
    at = {a: q, b: p, c: r}
    trace = sum(sp.diff(kernel.subs(at), x, y) for x, y in zip(xs, ys, strict=True))
    slope = sp.diff(kernel, a)
    correction = (
        sp.diff(kernel, a, 2) * a
        + 2 * sp.diff(kernel, a, c) * c
        + 2 * sp.diff(kernel, a, b) * b
        + 4 * sp.diff(kernel, b, c) * a
    )
    return [sp.expand(trace - (slope + correction / d).subs(at))]


def _spread() -> list:
    """g, h iid N(0, Sigma): Var |g|^2 = 2 tr Sigma^2 and Var g.h = tr Sigma^2 (eigenbasis, d = 3)."""
    import sympy as sp

    eigen = sp.symbols("s1:4", positive=True)
    # z iid N(0,1), g_k = sqrt(s_k) z_k: E z^2 = 1, E z^4 = 3, independent across k.
    mean = sum(eigen)
    second = sum(3 * s**2 for s in eigen) + sum(
        s * t for i, s in enumerate(eigen) for j, t in enumerate(eigen) if i != j
    )
    square = sum(s**2 for s in eigen)
    of_product = sum(s * s for s in eigen)  # E (sum s z z')^2, cross terms have mean 0
    return [sp.expand(second - mean**2 - 2 * square), sp.expand(of_product - square)]


def _xi_perturbation() -> list:
    """First order: exp(s (a I + e N)) = e^{sa} (I + s e N), so Xi inherits the ARK's exponent."""
    import sympy as sp

    s, a, e = sp.symbols("s a epsilon", positive=True)
    n = sp.Matrix(2, 2, sp.symbols("n11 n12 n12 n22"))
    # a I commutes with everything: exp(s(aI + eN)) = e^{sa} exp(s e N).
    series = sum(((s * e * n) ** k / sp.factorial(k) for k in range(4)), sp.zeros(2, 2))
    first = (sp.exp(s * a) * series).applyfunc(lambda t: sp.diff(t, e).subs(e, 0))
    return list((first - s * sp.exp(s * a) * n).applyfunc(sp.simplify))


THEOREM = Theorem(
    id="diagonal_limit",
    title="Diagonal limit of the kernels at initialization",
    statement=(
        r"As $\min(n_0, n_1, \dots, n_L) \to \infty$, $\hat\Theta_\theta \to \Theta_\theta \otimes I_c$ "
        r"and $\hat\Theta_x \to \Theta_x \otimes I_c$ in probability, with deterministic limits, so that "
        r"$\hat\Xi(t) = \int_0^t \exp(\eta(\tau) S \hat\Theta_x(x_i, x_i))\, d\tau$ becomes diagonal. "
        r"In the joint limit $\Theta_x(x, x') = \sigma_w^{2(L+1)} \prod_{l=1}^{L} "
        r"\mathbb{E}[\phi'(u_l)\phi'(u'_l)]$. The limit is joint: with $n_0 = d$ fixed the diagonal "
        r"keeps a spread $\sqrt{2\,\mathrm{tr}\,\Sigma^2}$ and the off-diagonal one of "
        r"$\sqrt{\mathrm{tr}\,\Sigma^2}$, where $\Sigma = \partial_x \partial_{x'} K(x, x')$ at $x' = x$."
    ),
    source=_PAPER,
    claims=(
        Claim(
            "diagonal_limit.ntk",
            r"$\|\hat\Theta_\theta - \Theta_\theta \otimes I_c\|_F / \|\Theta_\theta \otimes I_c\|_F"
            r" = O(n^{-1/2})$ as all widths $n$ grow",
            Kind.LIMIT,
            _PAPER,
            _JOINT,
            Rate(0.5),
        ),
        Claim(
            "diagonal_limit.ark",
            r"$\|\hat\Theta_x - \Theta_x \otimes I_c\|_F / \|\Theta_x \otimes I_c\|_F = O(n^{-1/2})$ "
            r"as all widths, input width included, grow; $\Theta_x$ in product form",
            Kind.LIMIT,
            _PAPER,
            _JOINT,
            Rate(0.5),
        ),
        Claim(
            "diagonal_limit.xi",
            r"$\|\hat\Xi - \Xi\|_F / \|\Xi\|_F = O(n^{-1/2})$, and so is the ratio of off-diagonal "
            r"to diagonal entries of $\hat\Xi$, as all widths grow",
            Kind.LIMIT,
            _PAPER,
            (*_JOINT, ADMISSIBLE),
            Rate(0.5),
        ),
        Claim(
            "diagonal_limit.nngp_value",
            r"$\mathbb{E} f_a(x) f_a(x') \to K(x, x')$ as hidden widths grow: the mean over networks is the "
            r"predicted number, of MLPs, CNNs and residual networks",
            Kind.LEVEL,
            _OURS,
            _BY_VALUE,
        ),
        Claim(
            "diagonal_limit.ntk_value",
            r"$\mathbb{E} \hat\Theta_\theta(x, x')_{aa} \to \Theta_\theta(x, x')$ as hidden widths grow: the "
            r"mean over networks is the predicted number, of MLPs, CNNs and residual networks",
            Kind.LEVEL,
            _OURS,
            _BY_VALUE,
        ),
        Claim(
            "diagonal_limit.ark_value",
            r"$\mathbb{E} \hat\Theta_x(x, x')_{aa} \to \Theta_x(x, x')$: the mean over networks is the "
            r"predicted number, the product form as all widths of an MLP grow, "
            r"$\mathrm{tr}\,\partial_x\partial_{x'}K$ as the channels of CNNs and residual networks do",
            Kind.LEVEL,
            _OURS,
            (*_BY_VALUE, MLP_OR_SMOOTH),
        ),
        Claim(
            "diagonal_limit.xi_value",
            r"$\mathbb{E} \hat\Xi(t)_{ii,aa} \to \int_0^t \exp(\eta_i(\tau) S \Theta_x(x_i, x_i))\, d\tau$ "
            r"as all widths of an MLP grow: the mean over networks is the predicted number",
            Kind.LEVEL,
            _OURS,
            (FULLY_CONNECTED, *_BY_VALUE, JOINT_GROWTH, ADMISSIBLE),
        ),
        Claim(
            "diagonal_limit.ark_fixed_input",
            r"With $d$ fixed, as hidden widths grow, the spread of $\hat\Theta_x(x, x)$ tends to "
            r"$\sqrt{2\,\mathrm{tr}\,\Sigma^2}$ on the diagonal and $\sqrt{\mathrm{tr}\,\Sigma^2}$ off it",
            Kind.LEVEL,
            _OURS,
            _FIXED,
        ),
        Claim(
            "diagonal_limit.ark_fixed_input_value",
            r"With $d$ fixed, as hidden widths grow, the mean of $\hat\Theta_x(x, x')$ tends to "
            r"$\mathrm{tr}\,\partial_x\partial_{x'}K(x, x')$ and the squares of its spread to "
            r"$2\,\mathrm{tr}\,\Sigma^2$ on the diagonal and $\mathrm{tr}\,\Sigma^2$ off it: they are the "
            r"predicted numbers",
            Kind.LEVEL,
            _OURS,
            (FULLY_CONNECTED, SMOOTH_ACTIVATION, BOUNDED_INPUTS, FIXED_INPUT_WIDTH),
        ),
        Claim(
            "diagonal_limit.ark_fixed_input_converges",
            r"With $d$ fixed, $\|\hat\Theta_x - \Theta_x \otimes I_c\|_F / \|\Theta_x \otimes I_c\|_F"
            r" = O(n^{-1/2})$ as hidden widths grow",
            Kind.LIMIT,
            _OURS,
            _FIXED,
            Rate(0.5),
            expected=Verdict.REFUTED,
            note="A control: the limit needs the input width to grow as well.",
        ),
    ),
    derivation=(
        Step(
            r"Price's theorem, the step behind the product form: "
            r"$\partial_q \mathbb{E}[f(u)g(v)] = \mathbb{E}[f'(u)g'(v)]$",
            _price,
        ),
        Step(
            r"Product form: $\partial_q K = \sigma_w^{2(L+1)} \prod_l \dot K_l$ (two hidden layers)",
            _product_form,
        ),
        Step(
            r"Trace form: $\mathrm{tr}\,\partial_x\partial_{x'}K = K_q + O(1/d)$, with the $1/d$ term",
            _trace_form,
        ),
        Step(
            r"Spread with $d$ fixed: variances $2\,\mathrm{tr}\,\Sigma^2$ and $\mathrm{tr}\,\Sigma^2$",
            _spread,
        ),
        Step(r"$\hat\Xi$ inherits the exponent of $\hat\Theta_x$ (first order)", _xi_perturbation),
    ),
)
