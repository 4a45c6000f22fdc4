"""The commutator term, the search in input space and the least growth, against slow references."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from scipy import integrate

from advntk.implementations.dynamics.closed_form import closed_form, dense_propagator
from advntk.implementations.dynamics.linearized import integrated_search, searched_residual
from advntk.implementations.dynamics.magnus import commutator_term, predicted_defect
from advntk.implementations.dynamics.regularization import least_growth, xi_blocks
from advntk.implementations.dynamics.schedules import Schedule, schedule
from advntk.implementations.kernels.empirical import input_jacobians, kernels_of_seeds
from advntk.implementations.networks.architecture import architecture
from advntk.implementations.networks.finite import forward_pass, initialize_seeds, weight_shapes

EPS = np.finfo(float).eps

# Two samples, one output: theta, the two entries of the ARK, and the residual at the start.
THETA = np.array([[1.3, 0.4], [0.4, 0.9]])
ARK = np.array([0.8, 1.7])
START = np.array([1.0, -0.6])
SCALE, RATE = np.array([1.1, 0.5]), np.array([0.7, 2.0])
SHAPES = {"growing": lambda u: 1 + u, "decaying": lambda u: np.exp(-u)}


def small_system():
    """The same as arrays over samples and outputs."""
    return jnp.asarray(THETA).reshape(2, 1, 2, 1), jnp.asarray(ARK).reshape(2, 1, 1)


def generator(shape, t):
    """A(t) = -Theta E(t), from numpy alone."""
    return -THETA @ np.diag(np.exp(ARK * SCALE * SHAPES[shape](RATE * t)))


def random_system(seed, m=3, c=2):
    g = np.random.default_rng(seed)
    a, b = g.standard_normal((m * c, m * c)), g.standard_normal((m, c, c + 2))
    ntk = a @ a.T / (m * c) + 0.1 * np.eye(m * c)
    ark = b @ b.swapaxes(1, 2) / (c + 2)
    return jnp.asarray(ntk.reshape(m, c, m, c)), jnp.asarray(ark), jnp.asarray(g.standard_normal((m, c)))


@pytest.mark.parametrize("shape", SHAPES)
def test_the_commutator_is_the_nested_integral_of_its_definition(shape):
    """1/2 int_0^t int_0^a [A(a), A(b)] db da, entry by entry, by adaptive quadrature."""
    end = 0.6

    def entry(row, column):
        def inside(b, a):
            later, earlier = generator(shape, a), generator(shape, b)
            return (later @ earlier - earlier @ later)[row, column] / 2

        return integrate.dblquad(inside, 0, end, 0, lambda a: a, epsabs=1e-13, epsrel=1e-12)

    values, errors = np.moveaxis([[entry(i, j) for j in range(2)] for i in range(2)], -1, 0)
    made = schedule(shape, jnp.asarray(SCALE), jnp.asarray(RATE))
    found = commutator_term(*small_system(), made, jnp.asarray(end))
    # Sixteen nodes are exact to rounding for integrands as smooth as these: products of two matrices, which
    # cancel in part, of norms that largest and end bound.
    largest = max(np.linalg.norm(generator(shape, t), 2) for t in np.linspace(0, end, 50))
    assert np.abs(values).max() > 1e-3
    assert np.abs(np.asarray(found) - values).max() <= errors.max() + 64 * EPS * (end * largest) ** 2


@pytest.mark.parametrize("family", ["constant", "scalar"])
def test_there_is_no_commutator_where_the_matrices_commute(family):
    ntk, ark, _ = random_system(0)
    end = 0.7
    if family == "constant":
        made = schedule("constant", jnp.array([0.3, 1.0, 2.0]))
    else:
        ark = jnp.broadcast_to(0.8 * jnp.eye(2), ark.shape)
        made = schedule("growing", jnp.full(3, 1.5))
    found = np.asarray(commutator_term(ntk, ark, made, jnp.asarray(end)))
    theta = np.asarray(ntk).reshape(6, 6)
    growth = np.exp(np.linalg.eigvalsh(np.asarray(ark)).max() * float(made.strengths(end).max()))
    # Two products of three matrices each, of six terms per sum, of which only rounding is left.
    allowed = 32 * 6 * EPS * (np.linalg.norm(theta, 2) * growth * end) ** 2
    assert np.abs(found).max() <= allowed
    # Unequal samples that vary in time leave far more than that.
    varying = schedule("growing", jnp.array([0.3, 1.0, 2.0]))
    assert np.abs(commutator_term(ntk, random_system(0)[1], varying, jnp.asarray(end))).max() > 1e6 * allowed


@pytest.mark.parametrize("shape", SHAPES)
def test_the_predicted_defect_is_the_true_one_to_two_orders_in_time(shape):
    """Time-ordered solution by an adaptive Runge-Kutta of order 8, closed form by scipy's exponential."""
    made = schedule(shape, jnp.asarray(SCALE), jnp.asarray(RATE))

    def defect(end):
        flow = integrate.solve_ivp(
            lambda t, r: generator(shape, t) @ r, (0, end), START, method="DOP853", rtol=3e-14, atol=1e-15
        )
        first = np.stack(
            [
                [
                    integrate.quad(lambda t, i=i, j=j: generator(shape, t)[i, j], 0, end, epsabs=1e-14)[0]
                    for j in range(2)
                ]
                for i in range(2)
            ]
        )
        return flow.y[:, -1] - scipy.linalg.expm(first) @ START

    times = (0.02, 0.04)
    true = [defect(t) for t in times]
    found = [
        np.asarray(
            predicted_defect(*small_system(), jnp.asarray(START)[:, None], made, jnp.asarray(t))
        ).ravel()
        for t in times
    ]
    sizes = [np.linalg.norm(d) for d in true]
    left = [np.linalg.norm(d - f) for d, f in zip(true, found, strict=True)]
    # The defect is of order three in t, what the prediction leaves of order five, each up to a share of t.
    assert np.log2(sizes[1] / sizes[0]) == pytest.approx(3, abs=0.3)
    assert np.log2(left[1] / left[0]) == pytest.approx(5, abs=0.3)
    # Far above the references' own error, a few 1e-14 of |START|, and far below the defect.
    assert 1e-12 < left[0] < sizes[0] / 100


@pytest.mark.parametrize("tolerance", [1e-8, 1e-12])
def test_the_search_in_input_space_ends_where_the_exponential_says(tolerance):
    g = np.random.default_rng(3)
    m, c, d = 3, 2, 7
    jacobians = jnp.asarray(g.standard_normal((m, c, d)) / np.sqrt(d))
    residual = jnp.asarray(g.standard_normal((m, c)))
    strengths = jnp.array([0.0, 0.4, 0.9])
    ark = jnp.einsum("icd,ied->ice", jacobians, jacobians)
    exact = np.asarray(searched_residual(ark, strengths, residual))
    found = np.asarray(integrated_search(jacobians, residual, strengths, tolerance))
    # Steps err by the tolerance times (size of the residual + how far inputs have moved) in the root mean
    # square, which the rest of the search multiplies by e^{eta lambda} at most, and J maps to residuals.
    exponent = float((strengths * jnp.linalg.eigvalsh(ark)[:, -1]).max())
    norm = float(jnp.linalg.norm(jacobians, 2, axis=(1, 2)).max())
    moved = exponent * np.exp(exponent) * np.linalg.norm(residual) / norm
    size = np.sqrt((np.asarray(residual) ** 2).mean()) + moved
    steps = 16  # order 8 needs fewer on [0, 1]
    allowed = norm * steps * np.sqrt(m * d) * tolerance * size * np.exp(exponent)
    assert np.linalg.norm(found - exact) <= allowed + 64 * EPS * np.linalg.norm(exact)
    # A search with strength zero leaves the sample where it is; the others move by far more than allowed.
    np.testing.assert_array_equal(found[0], residual[0])
    assert np.linalg.norm(exact - residual) > 100 * allowed


@pytest.mark.parametrize("sign", [1.0, -1.0], ids=["raises the loss", "lowers the loss"])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_least_growth_is_adaptive_quadrature_of_the_smallest_eigenvalue(shape, sign):
    _, ark, _ = random_system(4)
    scale = sign * np.array([0.4, 0.9, 1.5])
    # Equal rates: the same eigenvalue is the smallest at all times, so that there is no kink to integrate.
    made = Schedule.of(shape, jnp.asarray(scale), jnp.full(3, 0.8))
    end = 1.3
    values = np.linalg.eigvalsh(np.asarray(ark))

    def least(t):
        return np.exp(values * scale[:, None] * SHAPES[shape](0.8 * t)).min()

    wanted, error = integrate.quad(least, 0, end, epsabs=1e-13)
    found = float(least_growth(ark, made, end))
    exponent = np.abs(values * scale[:, None]).max() * SHAPES["growing"](0.8 * end)
    # Eigenvalues are right to a few eps of the largest; the exponential turns that into a relative error.
    assert abs(found - wanted) <= error + 32 * EPS * (1 + exponent) * wanted
    # Below the time itself where the search lowers the loss, above it where it raises it.
    assert sign * (found - end) > 0
    # The smallest eigenvalue is concave: that of Xi, the integral, is at least the integral's.
    smallest = np.linalg.eigvalsh(np.asarray(xi_blocks(ark, made, end))).min()
    assert found <= smallest * (1 + 64 * EPS * (1 + exponent))


def test_input_jacobians_give_the_diagonal_blocks_of_the_ark():
    arch = architecture("mlp", 1, "erf", 1.4, 0.2)
    g = np.random.default_rng(5)
    x = jnp.asarray(g.standard_normal((3, 8)))
    parameters = initialize_seeds(arch, jax.random.split(jax.random.key(0), 2), (8,), 16, 2)
    forward = forward_pass(arch, weight_shapes(arch, (8,), 16, 2))
    jacobians = input_jacobians(forward, parameters, x)
    assert jacobians.shape == (2, 3, 2, 8)
    gram = np.einsum("sicd,sied->sice", jacobians, jacobians)
    ark = np.asarray(kernels_of_seeds(forward, parameters, x).ark)
    blocks = np.stack([ark[:, i, :, i] for i in range(3)], axis=1)
    # Two layers of sums of up to sixteen terms, in different orders.
    np.testing.assert_allclose(gram, blocks, rtol=0, atol=2 * 16 * 16 * EPS * np.abs(blocks).max())
    # Slopes in x, by central differences: not only some Gram matrix.
    step = 1e-5
    shifted = x[None, None] + step * jnp.stack([jnp.eye(8), -jnp.eye(8)])[:, :, None, :]
    outputs = jax.jit(jax.vmap(forward, (0, None)))(parameters, shifted.reshape(-1, 8))
    ahead, behind = jnp.moveaxis(outputs.reshape(2, 2, 8, 3, 2), 1, 0)
    slopes = jnp.moveaxis((ahead - behind) / (2 * step), 1, -1)
    # step^2 f'''/6 with derivatives of order one, and rounding over the step.
    np.testing.assert_allclose(jacobians, slopes, rtol=0, atol=1e-8)


@pytest.mark.parametrize("time", [0.3, 5.0])
def test_the_dense_propagator_moves_the_residual_as_the_closed_form_does(time):
    ntk, ark, residual = random_system(6)
    xi = xi_blocks(ark, schedule("decaying", jnp.array([0.3, 0.9, 1.8])), time)
    dense = dense_propagator(np.asarray(ntk).reshape(6, 6), np.asarray(xi))
    moved = dense @ np.asarray(residual).ravel()
    found = closed_form(ntk, xi, residual).residual
    spectrum = np.linalg.eigvalsh(np.asarray(xi))
    exponent = np.linalg.eigvalsh(np.asarray(ntk).reshape(6, 6))[-1] * spectrum.max()
    # Both err by some eps times the exponent, in bases whose condition is that of Xi^{1/2}.
    allowed = 100 * EPS * (1 + exponent) * np.sqrt(spectrum.max() / spectrum.min())
    assert np.linalg.norm(found.ravel() - moved) <= allowed * np.linalg.norm(residual)
    assert np.linalg.norm(moved) > 1e6 * allowed * np.linalg.norm(residual)
