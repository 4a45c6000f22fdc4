r"""Adv-NTK: the infinite-width AT predictor with strengths that are learnt, and what its programs must do."""

from __future__ import annotations

from typing import Any

from advntk.theorems.assumptions import ADMISSIBLE, CLEAN_LABELS, FULLY_CONNECTED, NOISY_LABELS
from advntk.theorems.sources import derived_in, fu_wang
from advntk.theorems.vocabulary import Claim, Kind, Source, Step, Theorem, Verdict

_PAPER = fu_wang("section 5 (Adv-NTK, algorithm 1) and section 6 (experiments)")
_PROGRAM = Source(
    _PAPER.reference, "behaviour of the program that goes with it, reproduced as as_published", _PAPER.url
)
_OURS = derived_in("adv_ntk")


def _without_inverse() -> list:
    """Theta^{-1}(I - e^{-Theta D}) = D^{1/2} phi_1(-S) D^{1/2}, S = D^{1/2} Theta D^{1/2}, for any size."""
    import sympy as sp

    root, theta = sp.symbols("R Theta", commutative=False)
    similar = root * theta * root
    found = []
    for k in range(6):
        phi = (-similar) ** k / sp.factorial(k + 1)
        decayed = root**-1 * (-similar) ** (k + 1) * root / sp.factorial(k + 1)
        # Term by term: `decayed` is one of exp(-Theta D), similar to exp(-S); then both sides, times Theta.
        found.append((-theta * root**2) ** (k + 1) / sp.factorial(k + 1) - decayed)
        found.append(-decayed - theta * root * phi * root)
    return [sp.expand(entry) for entry in found]


def _gradient_integral() -> list:
    """dp = int_0^1 e^{-s D Theta} dD e^{-(1-s) Theta D} Y ds, to second order in D, for any size.

    For dD the i-th diagonal entry alone, <G, dp> is int_0^1 sum_c r_ic(s) q_ic(1-s) ds.
    """
    import sympy as sp

    s, small, step = sp.symbols("s epsilon h")
    theta, d, change, y = sp.symbols("Theta D dD Y", commutative=False)

    def decayed(time: Any, first: Any, second: Any) -> Any:
        product = small * time * first * second
        return 1 - product + product * product / 2

    def weights(d: Any) -> Any:
        return (d - d * theta * d / 2 + d * theta * d * theta * d / 6) * y

    slope = sp.expand(weights(small * d + step * change)).coeff(step, 1)
    inner = sp.expand(decayed(s, d, theta) * change * decayed(1 - s, theta, d) * y)
    integral = sum(inner.coeff(s, k) / (k + 1) for k in range(9))
    excess = sp.expand(slope - integral)
    return [sp.expand(excess.coeff(small, order)) for order in range(3)]


def _at_zero() -> list:
    """At D = 0 the weights vanish and dl/dD_ii = sum_c Y_ic G_ic: p is D Y to first order, 2 x 2."""
    import sympy as sp

    strengths = sp.symbols("d1 d2", positive=True)
    d, theta = sp.diag(*strengths), sp.Matrix(2, 2, sp.symbols("t11 t12 t12 t22"))
    y, g = sp.Matrix(2, 2, sp.symbols("y1:5")), sp.Matrix(2, 2, sp.symbols("g1:5"))
    weights = (d - d * theta * d / 2) * y
    zero = dict.fromkeys(strengths, 0)
    found = [entry.subs(zero) for entry in weights]
    for i in range(2):
        slope = sum(g[j] * sp.diff(weights[j], strengths[i]) for j in range(4)).subs(zero)
        found.append(sp.simplify(slope - (y[i, 0] * g[i, 0] + y[i, 1] * g[i, 1])))
    return found


def _permuted() -> list:
    """Every term D (Theta D)^k Y of the weights is permuted as the samples are, any number of them."""
    import sympy as sp

    swap, theta, d, y = sp.symbols("P Theta D Y", commutative=False)
    other, moved = swap * theta * swap**-1, swap * d * swap**-1
    found = []
    for k in range(4):
        term, image = d * (theta * d) ** k * y, moved * (other * moved) ** k * swap * y
        found.append(sp.expand(image - swap * term))
    return found


def _mean_of_at() -> list:
    """With f_0 = 0 the closed form's f_0 - Theta(x, X) Theta^{-1}(I - e^{-Theta Xi})(f_0 - y) is f_varpi."""
    import sympy as sp

    k, theta, xi, y, start = sp.symbols("k theta xi y f_0", positive=True)
    operator = (1 - sp.exp(-theta * xi)) / theta
    at = start - k * operator * (start - y)
    return [sp.simplify(at.subs(start, 0) - k * operator * y)]


THEOREM = Theorem(
    id="adv_ntk",
    title="Adv-NTK: an infinite-width predictor with learnt strengths",
    statement=(
        r"The mean of the infinite-width AT predictor, with $\Xi$ replaced by learnt strengths, is "
        r"$f_\varpi(x) = \Theta_\theta(x, X)\, p(\varpi)$, "
        r"$p(\varpi) = \Theta_\theta^{-1}(I - e^{-\Theta_\theta D}) Y$, $D = \mathrm{Diag}(|\varpi|)$. "
        r"Adv-NTK lowers $\mathrm{E}\, \max_{\|x' - x\| \leq \rho} \frac{1}{2}\|f_\varpi(x') - y\|^2$ over "
        r"validation samples by gradient steps from $\varpi = 0$, so that $f_\varpi$ becomes robust."
    ),
    source=_PAPER,
    claims=(
        Claim(
            "adv_ntk.solver",
            r"The weights $p(\varpi)$ equal those of a dense decomposition in double precision to "
            r"$10^{-4}$ and rounding, for every kernel and $\varpi$",
            Kind.EXACT,
            _PAPER,
            (FULLY_CONNECTED,),
            note=(
                "Singular kernels, varpi near 0 and up to lambda_max(S) = 1e6, zeros and both signs, per "
                "sample and per class. An answer that its solver does not stand by fails."
            ),
        ),
        Claim(
            "adv_ntk.gradient",
            r"The gradient in $\varpi$ of a loss of $p$ equals differences of $p(\varpi)$ in double "
            r"precision, where $d|\varpi|/d\varpi = 1$ at 0",
            Kind.EXACT,
            _PAPER,
            (FULLY_CONNECTED,),
        ),
        Claim(
            "adv_ntk.threat_model",
            r"The attack stays within $\rho$ of the clean input and in the box, and takes a gradient at "
            r"every one of its steps",
            Kind.EXACT,
            _PAPER,
            (FULLY_CONNECTED,),
        ),
        Claim(
            "adv_ntk.threat_model_as_published",
            r"The same of the published program's attack on the kernel",
            Kind.EXACT,
            _PROGRAM,
            (FULLY_CONNECTED,),
            expected=Verdict.REFUTED,
            note=(
                "A control: all steps go along one gradient, taken at the random start, and the projection "
                r"is around that start, so that a perturbation may reach $2\rho$."
            ),
        ),
        Claim(
            "adv_ntk.equivariance",
            r"Permuting samples or classes permutes weights and gradients; rotating all inputs leaves "
            r"predictions as they are",
            Kind.EXACT,
            _OURS,
            (FULLY_CONNECTED,),
            note=(
                "Held against what implementations promise of their weights, and the largest change of "
                "predictions that this allows: one that keeps the promise by far leaves the bound loose."
            ),
        ),
        Claim(
            "adv_ntk.batching",
            r"Predictions and input gradients of a batch are those of its parts",
            Kind.EXACT,
            _OURS,
            (FULLY_CONNECTED,),
            note=(
                "Sums may be taken in another order, which costs rounding; an implementation that takes them "
                "in the same order leaves no difference, and the bound loose."
            ),
        ),
        Claim(
            "adv_ntk.zero_start",
            r"At $\varpi = 0$ weights and predictions are exactly 0, and the gradient is "
            r"$\sum_c Y_{ic} G_{ic}$ (per class: $Y_{ic} G_{ic}$)",
            Kind.EXACT,
            _OURS,
            (FULLY_CONNECTED,),
        ),
        Claim(
            "adv_ntk.resume",
            r"Training that goes on from a checkpoint ends exactly where uninterrupted training ends, bit "
            r"by bit",
            Kind.EXACT,
            _OURS,
            (FULLY_CONNECTED,),
        ),
        Claim(
            "adv_ntk.limit_of_at",
            r"With $\varpi = \Xi(t)$ the predictor is the mean of the infinite-width AT predictor at time "
            r"$t$: that of the closed form, and that of the integrated flow where $\Theta E(t)$ commutes in "
            r"time",
            Kind.EXACT,
            _PAPER,
            (FULLY_CONNECTED, ADMISSIBLE),
            note=(
                "Held against what implementations promise of their weights: one that keeps the promise by "
                "far leaves the bound loose."
            ),
        ),
        Claim(
            "adv_ntk.robustness_gain",
            r"On digits the robust test accuracy of Adv-NTK exceeds that of NTK regression by more than 2 "
            r"points (median over splits, $\ell_\infty$ radius 0.15, our own PGD on both)",
            Kind.EFFECT,
            _PAPER,
            (FULLY_CONNECTED, NOISY_LABELS),
            note="With 10 % wrong training labels.",
        ),
        Claim(
            "adv_ntk.robustness_gain_clean_labels",
            r"The same with clean labels",
            Kind.EFFECT,
            _PAPER,
            (FULLY_CONNECTED, CLEAN_LABELS),
            expected=None,
            note="Without label noise there is little to gain; what is measured is the verdict.",
        ),
    ),
    derivation=(
        Step(
            r"$\Theta^{-1}(I - e^{-\Theta D}) = D^{1/2} \varphi_1(-S) D^{1/2}$, "
            r"$S = D^{1/2} \Theta D^{1/2}$: no inverse is needed",
            _without_inverse,
        ),
        Step(
            r"$\partial\ell/\partial D_{ii} = \int_0^1 \sum_c r_{ic}(s)\, q_{ic}(1 - s)\, ds$ with "
            r"$r(s) = e^{-s\Theta D} Y$, $q(s) = e^{-s\Theta D} G$",
            _gradient_integral,
        ),
        Step(
            r"At $D = 0$ (2 by 2): $p = 0$, $\partial\ell/\partial D_{ii} = \sum_c Y_{ic} G_{ic}$", _at_zero
        ),
        Step(r"A permutation of the samples permutes the weights", _permuted),
        Step(r"With $f_0 = 0$ and $D = \Xi(t)$ the closed form of AT is $f_\varpi$", _mean_of_at),
    ),
)
