r"""The limit kernels of fully connected networks, in balls: NNGP K, NTK and ARK in product form.

With K^(1) = sigma_w^2 x.x'/d + sigma_b^2 and, for hidden layer l, q = K^(l)(x, x'), p, p' its diagonal,

    K^(l+1)     = sigma_w^2 E[phi phi'] + sigma_b^2,
    NTK^(l+1)   = K^(l+1) + sigma_w^2 E[phi' phi''] NTK^(l)        (NTK parameterization),
    ARK^(l+1)   = sigma_w^2 E[phi' phi''] ARK^(l),  ARK^(1) = sigma_w^2,

where the expectations have closed forms:

    erf     E[phi phi'] = 2/pi asin(2 q / sqrt((1 + 2p)(1 + 2p'))),
            E[phi' phi''] = 4/pi / sqrt((1 + 2p)(1 + 2p') - 4 q^2);
    (leaky) relu of slope a, u the angle of the pair, g = (1 - a)^2 / 2
            E[phi phi'] = a q + g sqrt(p p') (sin u + (pi - u) cos u)/pi,
            E[phi' phi''] = a + g (1 - u/pi).

Sources: C. K. I. Williams, NeurIPS 1996 (erf); Cho & Saul, NeurIPS 2009 (relu); Jacot et al. 2018 (NTK);
Fu & Wang, ICLR 2024 (arXiv 2310.06112), section 4 (ARK).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from flint import arb, arb_mat
from jaxtyping import Float

from advntk.implementations.certificates.balls import (
    Enclosure,
    enclosure,
    greatest,
    matrix,
    over_rounding,
    root,
)
from advntk.implementations.networks.activations import LEAKY_SLOPE

if TYPE_CHECKING:
    from advntk.implementations.networks.architecture import Architecture

# (q, p, p', whether both inputs are one and the same) |-> E[phi phi'], E[phi' phi''].
_Duals = Callable[[arb, arb, arb, bool], tuple[arb, arb]]


class BallKernels(NamedTuple):
    """NNGP, NTK and ARK over one set of inputs, (m, m) balls each."""

    nngp: arb_mat
    ntk: arb_mat
    ark: arb_mat


def has_closed_form(activation: str) -> bool:
    """Whether the kernels of an activation are known in closed form here."""
    return activation in _DUALS


def ball_kernels(
    arch: Architecture,
    x: Float[np.ndarray, "m d"],
    width: float = 1.0,
    rounding: float = 0.0,
) -> BallKernels:
    """All three kernels of an infinite MLP at float inputs, in the precision of the context.

    Args:
      arch: an MLP whose activation has a closed form; its scales are taken as the floats that they are.
      x: inputs, (m, d), float64.
      width: of the hidden layers; matters in the standard parameterization only, as in `mlp_limits`.
      rounding: relative size of an error to add to every covariance and every expectation on the way: then
        the balls contain whatever a program computes in double precision whose steps are that accurate.  An
        inner product of d terms may be off by d eps/2 more (Higham, Accuracy and Stability of Numerical
        Algorithms, section 3.1).

    Returns:
      Enclosures of NNGP, NTK and ARK.

    Raises:
      ValueError: a family or an activation without a closed form; inputs that are not finite.
    """
    if arch.family != "mlp" or not has_closed_form(arch.activation):
        raise ValueError(
            f"family = {arch.family!r}, activation = {arch.activation!r}: closed forms are for MLPs with "
            f"{', '.join(_DUALS)}"
        )
    balls = _entries(matrix(x))
    relative, variance = arb(0, rounding), arb(float(arch.sigma_w)) ** 2
    bias, size = arb(float(arch.sigma_b)) ** 2, range(len(balls))
    standard, duals = arch.parameterization == "standard", _DUALS[arch.activation]
    # Equal inputs have the angle 0, which balls around their covariances do not say.
    same = [[bool((x[i] == x[j]).all()) for j in size] for i in size]

    summed = arb(0, rounding + x.shape[1] * np.finfo(np.float64).eps / 2) if rounding > 0 else relative
    gram = _off_by(balls @ balls.T / arb(x.shape[1]), summed)
    nngp = gram * variance + bias
    ntk = gram * arb(x.shape[1]) + arb(1) if standard else nngp
    ark = np.full_like(gram, variance)
    for _ in range(arch.depth):
        value, slope = np.empty_like(gram), np.empty_like(gram)
        for i in size:
            for j in range(i + 1):
                found = duals(nngp[i, j], nngp[i, i], nngp[j, j], same[i][j])
                value[i, j], slope[i, j] = found
                value[j, i], slope[j, i] = found
        value, slope = _off_by(value, relative), slope * (1 + relative)
        nngp = value * variance + bias
        own = value * arb(width) + arb(1) if standard else nngp
        ntk = own + slope * ntk * variance
        ark = slope * ark * variance
    return BallKernels(*(arb_mat(kernel.tolist()) for kernel in (nngp, ntk, ark)))


def errors_over_rounding(computed: Float[np.ndarray, "m m"], exact: arb_mat, rounded: arb_mat) -> Enclosure:
    """The largest error of a kernel's entries over what `over_rounding` allows each.

    Args:
      computed: a kernel as a program gives it.
      exact: enclosures of its exact entries.
      rounded: enclosures of all that rounded steps may give (`ball_kernels` with `rounding`).
    """
    entries = zip(computed.ravel().tolist(), exact.entries(), rounded.entries(), strict=True)
    return greatest([enclosure(over_rounding(*entry)) for entry in entries])


def _entries(values: arb_mat) -> np.ndarray:
    """Balls as an array of objects, whose arithmetic is entry by entry."""
    found = np.empty((values.nrows(), values.ncols()), dtype=object)
    for i, row in enumerate(values.tolist()):
        for j, value in enumerate(row):
            found[i, j] = value
    return found


def _off_by(covariance: np.ndarray, relative: arb) -> np.ndarray:
    """Covariances with an error relative to the standard deviations that they belong to."""
    deviation = np.array([root(value) for value in np.diagonal(covariance)], dtype=object)
    return covariance + deviation[:, None] * deviation[None, :] * relative


def _erf_duals(q: arb, p: arb, p_other: arb, same: bool) -> tuple[arb, arb]:
    del same
    pi, both = arb.pi(), (1 + 2 * p) * (1 + 2 * p_other)
    # The root of what is left of `both`: at least 1, since q^2 <= p p'.
    left = (both - 4 * q * q).max(arb(1))
    # asin(c) = atan2(c, sqrt(1 - c^2)): defined wherever the balls reach.
    return 2 * arb.atan2(2 * q, left.sqrt()) / pi, 4 / (pi * left.sqrt())


def _kinked_duals(negative_slope: float) -> _Duals:
    a = arb(negative_slope)

    def duals(q: arb, p: arb, p_other: arb, same: bool) -> tuple[arb, arb]:
        gain, pi = (1 - a) ** 2 / 2, arb.pi()
        if same:
            return a * q + gain * q, a + gain if p > 0 else _without_angle(a, p, p_other)
        # sqrt(p p') times the sine of the angle, which Cauchy and Schwarz keep from being imaginary.
        height = root(p * p_other - q * q)
        beyond = 1 - arb.atan2(height, q) / pi
        value = a * q + gain * (height / pi + beyond * q)
        return value, a + gain * beyond if p > 0 and p_other > 0 else _without_angle(a, p, p_other)

    return duals


def _without_angle(a: arb, p: arb, p_other: arb) -> arb:
    """Where a variance may be 0, as that of a zero input without biases: phi' at 0 is that from below."""
    slopes = [a if v == 0 else ((1 + a) / 2 if v > 0 else a.union((1 + a) / 2)) for v in (p, p_other)]
    return slopes[0] * slopes[1]


_DUALS: dict[str, _Duals] = {
    "erf": _erf_duals,
    "relu": _kinked_duals(0.0),
    "leaky_relu": _kinked_duals(LEAKY_SLOPE),
}
