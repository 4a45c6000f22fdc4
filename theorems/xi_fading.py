r"""Fading of Xi: in the long run adversarial training of the linearized network leaves no trace."""

from __future__ import annotations

from advntk.theorems.assumptions import (
    ADMISSIBLE,
    CLEAN_LABELS,
    DISTINCT_INPUTS,
    FULLY_CONNECTED,
    NOISY_LABELS,
)
from advntk.theorems.sources import derived_in, fu_wang
from advntk.theorems.vocabulary import Assumption, Claim, Kind, Step, Theorem, Verdict

_PAPER = fu_wang("section 5.2 (AT degeneration) and the experiments on robust overfitting")
_OURS = derived_in("xi_fading")

NEGATIVE_STRENGTHS = Assumption(
    "negative strengths",
    r"every $\eta_i(t) < 0$: the search lowers the loss",
    lambda s: s.strength < 0,
    ("strength",),
)
TWICE_THE_SAME_INPUT = Assumption(
    "an input that occurs twice",
    r"one input occurs twice with different targets, so that $\Theta_\theta$ is singular",
    lambda s: s.arrangement == "duplicate",
    ("arrangement",),
)
_EXACT = (FULLY_CONNECTED, ADMISSIBLE, DISTINCT_INPUTS)


def _lyapunov() -> list:
    """d/dt r' Theta^{-1} r = -2 r' E r along r' = -Theta E r, for symmetric Theta and E of any size."""
    import sympy as sp

    # Symbols that do not commute: matrices of any size, a transpose each where there is one.
    theta, growth, r, r_t = sp.symbols("Theta E r r_t", commutative=False)
    slope, slope_t = -theta * growth * r, -r_t * growth * theta
    change = slope_t * theta**-1 * r + r_t * theta**-1 * slope
    return [sp.expand(change + 2 * r_t * growth * r)]


def _slowest_rate() -> list:
    """r'r - lambda_min r' Theta^{-1} r is a sum of squares in the eigenbasis of Theta, term by term."""
    import sympy as sp

    small, more, u, v = sp.symbols("lambda delta u v", positive=True)
    value = u**2 / small + v**2 / (small + more)
    return [sp.simplify(u**2 + v**2 - small * value - v**2 * more / (small + more))]


def _weighted_limit() -> list:
    """One input twice: E_1 (f - y_1) + E_2 (f - y_2) = 0 at the weighted mean of labels; any size."""
    import sympy as sp

    total, e1, y1, y2 = sp.symbols("S E1 y1 y2", commutative=False)
    e2 = total - e1
    end = total**-1 * (e1 * y1 + e2 * y2)
    return [sp.expand(e1 * (end - y1) + e2 * (end - y2))]


def _conserved() -> list:
    """z' Theta = 0 makes z' r constant along r' = -Theta E r: two equal inputs, blocks of any size."""
    import sympy as sp

    k, e1, e2, r1, r2 = sp.symbols("K E1 E2 r1 r2", commutative=False)
    slope = -sp.Matrix([[k, k], [k, k]]) * sp.diag(e1, e2) * sp.Matrix([r1, r2])
    return [sp.expand((sp.Matrix([[1, -1]]) * slope)[0])]


def _norm_bound() -> list:
    """|Xi^{-1/2}| |Xi^{1/2}| = sqrt(cond Xi), and v'Sv >= lambda_min(Theta) xi_min |v|^2, for any size."""
    import sympy as sp

    low, more, small = sp.symbols("xi delta lambda", positive=True)
    condition = sp.sqrt((low + more) / low)
    roots = sp.sqrt(low), sp.sqrt(low + more)
    # Theta = lambda I + B'B and Xi = xi I + C'C = R^2: S = R Theta R less its bound is a sum of squares.
    root, b, b_t, c, c_t, v, v_t = sp.symbols("R B B_t C C_t v v_t", commutative=False)
    form = v_t * root * (small + b_t * b) * root * v - small * low * v_t * v
    squares = (v_t * root * b_t) * (b * root * v) + small * (v_t * c_t) * (c * v)
    difference = sp.expand(form - squares).subs(root**2, low + c_t * c)
    return [sp.simplify(roots[1] / roots[0] - condition), sp.expand(difference)]


THEOREM = Theorem(
    id="xi_fading",
    title="Fading of the regularization: adversarial training degenerates",
    statement=(
        r"As $t \to \infty$ the effect of $\hat\Xi(t)$ vanishes: "
        r"$f^{lin}_t(x) \to f_0(x) - \hat\Theta_\theta(x, X)\hat\Theta_\theta^{-1}(f_0(X) - y)$, the limit "
        r"of training without a search, whatever the strengths were. With $\Theta \succ 0$ and "
        r"$\eta_i \geq 0$, $V = r^\top \Theta^{-1} r$ obeys "
        r"$V(t) \leq V(0) e^{-2\lambda_{\min}(\Theta) t}$ for every "
        r"continuous $E(t) \succeq I$: no smallness of the perturbation is needed. So robustness that the "
        r"search brought is lost again: robust overfitting."
    ),
    source=_PAPER,
    claims=(
        Claim(
            "xi_fading.lyapunov",
            r"$V(t) \leq V(0) e^{-2\lambda_{\min}(\hat\Theta_\theta) t}$ for every admissible $\eta$, far "
            r"beyond small perturbations",
            Kind.EXACT,
            _OURS,
            _EXACT,
            note=(
                "Stronger than published: no small strengths and no definite transformed kernel are needed. "
                "What is above the bound is held against the error of integration; mostly V is far below, so "
                "that this tolerance is not used."
            ),
        ),
        Claim(
            "xi_fading.closed_form",
            r"$\|e^{-\hat\Theta_\theta\hat\Xi}\|_2 \leq \sqrt{\mathrm{cond}\,\hat\Xi}\; "
            r"e^{-\lambda_{\min}(\hat\Theta_\theta)\lambda_{\min}(\hat\Xi)}$",
            Kind.EXACT,
            _OURS,
            _EXACT,
            note=(
                "In balls at the kernels as floats, for any positive definite Xi; where strengths are "
                "constant Xi is computed in balls too. Without a search both sides are equal."
            ),
        ),
        Claim(
            "xi_fading.prediction",
            r"At unseen points $\|f^{lin}_t(x) - f^{lin}_\infty(x)\| \leq \|\hat\Theta_\theta(x, X) "
            r"\hat\Theta_\theta^{-1/2}\|_2 \sqrt{V(0)}\, e^{-\lambda_{\min} t}$, with $f^{lin}_\infty$ the "
            r"limit of training without a search",
            Kind.EXACT,
            _OURS,
            _EXACT,
        ),
        Claim(
            "xi_fading.singular",
            r"With an input that occurs twice, $f^{lin}_t$ tends to the limit of training without a search",
            Kind.EXACT,
            _OURS,
            (FULLY_CONNECTED, ADMISSIBLE, TWICE_THE_SAME_INPUT),
            expected=Verdict.REFUTED,
            note=(
                "A control: on a singular kernel the search leaves a trace for ever, since conflicting "
                "targets are weighed by how much each sample's search grows them."
            ),
        ),
        Claim(
            "xi_fading.singular_limit",
            r"With an input that occurs twice and constant strengths, $f^{lin}_t$ tends there to "
            r"$(E_1 + E_2)^{-1}(E_1 y_1 + E_2 y_2)$, and $r_1 - r_2$ never changes",
            Kind.EXACT,
            _OURS,
            (FULLY_CONNECTED, ADMISSIBLE, TWICE_THE_SAME_INPUT),
            note="How the control above breaks.",
        ),
        Claim(
            "xi_fading.negative_eta",
            r"$V(t) \leq V(0) e^{-2\lambda_{\min}(\hat\Theta_\theta) t}$ for negative strengths",
            Kind.EXACT,
            _OURS,
            (FULLY_CONNECTED, NEGATIVE_STRENGTHS, DISTINCT_INPUTS),
            expected=Verdict.REFUTED,
            note="A control: a search that lowers the loss makes $E \\prec I$ and training slower.",
        ),
        Claim(
            "xi_fading.negative_eta_rate",
            r"$V(t) \leq V(0) e^{-2\lambda_{\min}(\hat\Theta_\theta) \int_0^t \lambda_{\min}(E)}$ for "
            r"negative strengths",
            Kind.EXACT,
            _OURS,
            (FULLY_CONNECTED, NEGATIVE_STRENGTHS, DISTINCT_INPUTS),
            note="How the control above breaks: the rate is that of the slowest growth.",
        ),
        Claim(
            "xi_fading.robust_overfitting",
            r"Along $t$ the robust accuracy of the infinite-width AT predictor on digits rises, peaks and "
            r"falls to that of the predictor without a search: by more than 2 points up to a time chosen on "
            r"validation images, by more than 2 points from there on, to within 2 points, while clean "
            r"accuracy falls by at most 2 (medians over splits, test images, $\ell_\infty$ radius 0.15). "
            r"Its course is that of the closed form with $\Xi(t) = tE$, and no attack of the same steps on "
            r"this very predictor does more by a point",
            Kind.EFFECT,
            _PAPER,
            (FULLY_CONNECTED, ADMISSIBLE, NOISY_LABELS),
            note=(
                "With 10 % wrong labels. All inputs of a bias-free ARK of relu grow alike: equal constant "
                "strengths only rescale time; unequal ones are used here."
            ),
        ),
        Claim(
            "xi_fading.robust_overfitting_clean_labels",
            r"The same with clean labels",
            Kind.EFFECT,
            _PAPER,
            (FULLY_CONNECTED, ADMISSIBLE, CLEAN_LABELS),
            expected=None,
            note="Without label noise the fall is small, if any; what is measured is the verdict.",
        ),
        Claim(
            "xi_fading.search_course",
            r"Along $t$ the search moves the distance to the limit, relative to the limit's size, by more "
            r"than 0.05 against training without it (largest over $t$, median over splits, paired)",
            Kind.EFFECT,
            _OURS,
            (FULLY_CONNECTED, ADMISSIBLE, NOISY_LABELS),
        ),
        Claim(
            "xi_fading.search_effect",
            r"The search raises the robust accuracy that early stopping reaches by more than 2 points over "
            r"that of training without it (median over splits, paired)",
            Kind.EFFECT,
            _OURS,
            (FULLY_CONNECTED, ADMISSIBLE, NOISY_LABELS),
            expected=None,
            note=(
                "Constant strengths reweigh samples and time, no more: theory promises no gain, and what is "
                "measured is the verdict."
            ),
        ),
        Claim(
            "xi_fading.stopping_time",
            r"The stopping time is the first at which robust accuracy on validation images is largest, "
            r"whatever the test images and labels are",
            Kind.EXACT,
            _OURS,
            (FULLY_CONNECTED, ADMISSIBLE, NOISY_LABELS),
        ),
    ),
    derivation=(
        Step(r"$\dot V = -2 r^\top E r$ along $\dot r = -\Theta E r$", _lyapunov),
        Step(
            r"$r^\top r \geq \lambda_{\min}(\Theta)\, r^\top \Theta^{-1} r$, so "
            r"$\dot V \leq -2\lambda_{\min} V$",
            _slowest_rate,
        ),
        Step(
            r"$\|e^{-\Theta\Xi}\| \leq \sqrt{\mathrm{cond}\,\Xi}\, "
            r"e^{-\lambda_{\min}(\Theta)\lambda_{\min}(\Xi)}$",
            _norm_bound,
        ),
        Step(r"An input twice: $r_1 - r_2$ is conserved", _conserved),
        Step(r"An input twice: the limit weighs the two targets by $E_1$ and $E_2$", _weighted_limit),
    ),
)
