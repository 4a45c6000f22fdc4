r"""The infinite-width predictor of adversarial training at many times, and its input gradient.

    f_t(x) = Theta(x, X) p_t,    p_t = Xi^{1/2} phi_1(-S) Xi^{1/2} y,    S = Xi^{1/2} Theta Xi^{1/2},

the mean of the limit process (theory: section 3), phi_1(z) = (e^z - 1)/z.  Strengths that are constant
in time give Xi(t) = t E, and one eigendecomposition of E^{1/2} Theta E^{1/2} serves every t.  As
t -> infinity p_t tends to Theta^{-1} y, the NTK regression of training without AT.

The NTK here is that of a ReLU MLP, written out layer by layer: with u_l the angle between two inputs
in layer l and q_l, q'_l their variances there,

    K_{l+1}     = sigma_w^2/2 sqrt(q_l q'_l) (sin u_l + (pi - u_l) cos u_l)/pi + sigma_b^2,
    Theta_{l+1} = K_{l+1} + sigma_w^2/2 (1 - u_l/pi) Theta_l,    Theta_1 = K_1.

`infinite_kernels` is the slow reference.  An attack needs tens of gradients of it per time, hence the
fused path.
Source: Fu & Wang, ICLR 2024 (arXiv 2310.06112), theorem 3; Cho & Saul, NeurIPS 2009, for the angles.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from implementations.arc_cosine import angular
from implementations.networks.architecture import Architecture


def relu_ntk(arch: Architecture, x: Float[Array, "k d"], other: Float[Array, "m d"]) -> Float[Array, "k m"]:
    """NTK of an infinite ReLU MLP between two sets of inputs.

    Where two inputs coincide the NTK has a cusp: the derivative along the angle is set to 0 there, the
    mean of the one-sided ones.  Close to it, values lose half their digits (an angle u is known to
    eps/u); `relu_ntk_gram` is exact on the diagonal.

    Raises:
      ValueError: `arch` is not a ReLU MLP in NTK parameterisation.
    """
    _relu_mlp_only(arch)
    half = arch.sigma_w**2 / 2
    size, other_size = (
        arch.sigma_w**2 * jnp.sum(inputs**2, axis=1) / x.shape[1] + arch.sigma_b**2 for inputs in (x, other)
    )
    nngp = ntk = arch.sigma_w**2 * (x @ other.T) / x.shape[1] + arch.sigma_b**2
    for _ in range(arch.depth):
        scale = jnp.sqrt(size)[:, None] * jnp.sqrt(other_size)[None, :]
        slope, value = angular(nngp / scale)
        nngp = half * scale * value + arch.sigma_b**2
        ntk = nngp + half * slope * ntk
        size, other_size = half * size + arch.sigma_b**2, half * other_size + arch.sigma_b**2
    return ntk


def relu_ntk_gram(arch: Architecture, x: Float[Array, "m d"]) -> Float[Array, "m m"]:
    """NTK of an infinite ReLU MLP over one set of inputs; the diagonal, where all angles are 0, exact."""
    ntk = relu_ntk(arch, x, x)
    half = arch.sigma_w**2 / 2
    size = diagonal = arch.sigma_w**2 * jnp.sum(x**2, axis=1) / x.shape[1] + arch.sigma_b**2
    for _ in range(arch.depth):
        size = half * size + arch.sigma_b**2
        diagonal = size + half * diagonal
    here = jnp.arange(len(x))
    return ((ntk + ntk.T) / 2).at[here, here].set(diagonal)


def weights_along_time(
    ntk: Float[Array, "m m"], growth: Float[Array, " m"], y: Float[Array, "m c"], times: Float[Array, " t"]
) -> Float[Array, "t m c"]:
    """Weights p_t at all `times` for Xi(t) = t diag(growth), growth_i = exp(eta_i S Theta_x(x_i, x_i))."""
    root = jnp.sqrt(growth)[:, None]
    values, vectors = jnp.linalg.eigh(root * ntk * root.T)
    in_basis = vectors.T @ (root * y)
    exponents = times[:, None] * jnp.maximum(values, 0)[None, :]
    safe = jnp.where(exponents > 0, exponents, 1.0)
    # t phi_1(-t s) for each eigenvalue s: the time integral of its decaying residual.
    passed = times[:, None] * jnp.where(exponents > 0, -jnp.expm1(-safe) / safe, 1.0)
    return jax.vmap(lambda integral: root * (vectors @ (integral[:, None] * in_basis)))(passed)


def ntk_regression(ntk: Float[Array, "m m"], y: Float[Array, "m c"]) -> Float[Array, "m c"]:
    """Weights Theta^{-1} y of the predictor without AT, by Cholesky; NaN if Theta is not positive."""
    return jax.scipy.linalg.cho_solve(jax.scipy.linalg.cho_factor(ntk), y)


def loss_gradient(
    arch: Architecture,
    x: Float[Array, "k d"],
    targets: Float[Array, "k c"],
    training: Float[Array, "m d"],
    weights: Float[Array, "m c"],
) -> Float[Array, "k d"]:
    """Input gradient of 1/2 ||f(x_i) - y_i||^2 for each sample, f(x) = Theta(x, training) weights."""

    def loss(at: Array) -> Array:
        return jnp.sum((relu_ntk(arch, at, training) @ weights - targets) ** 2) / 2

    return jax.grad(loss)(x)


def _relu_mlp_only(arch: Architecture) -> None:
    found = (arch.family, arch.activation, arch.parameterization)
    if found != ("mlp", "relu", "ntk"):
        raise ValueError(
            f"family, activation, parameterization = {found} has no closed-form angles; "
            "use ('mlp', 'relu', 'ntk') here, infinite_kernels for the others"
        )
