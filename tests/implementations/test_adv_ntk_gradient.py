"""The gradient of the Adv-NTK weights in the strengths: many digits, differences, conventions."""

from __future__ import annotations

import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

from advntk.implementations.adv_ntk import as_published, krylov, reference
from advntk.implementations.adv_ntk.contract import IMPLEMENTATIONS
from advntk.implementations.data.images import digits
from advntk.implementations.kernels.closed_form_ntk import mlp_ntk_gram
from advntk.implementations.networks.architecture import Architecture

SOLVERS = {name: made() for name, made in IMPLEMENTATIONS.items()}
EPS = np.finfo(float).eps


def kernel(eigenvalues, seed=0):
    """A symmetric matrix with these eigenvalues and random eigenvectors."""
    g = np.random.default_rng(seed)
    q = np.linalg.qr(g.standard_normal((len(eigenvalues), len(eigenvalues))))[0]
    matrix = (q * np.asarray(eigenvalues)) @ q.T
    return jnp.asarray((matrix + matrix.T) / 2)


def normal(*shape, seed=1):
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape))


def singular():
    points = np.random.default_rng(5).standard_normal((3, 5))
    points[2] = points[0]
    return jnp.asarray(points @ points.T)


KERNELS = {
    "well-conditioned": kernel([0.5, 1.0, 5.0]),
    "cond 1e10": kernel([1e-10, 1e-3, 1.0]),
    "duplicates": singular(),
}
STRENGTHS = {
    "ordinary": jnp.array([0.7, -1.3, 0.2]),
    "per class": normal(3, 2),
    "some zero": jnp.array([0.0, 1.0, -2.0]),
    "tiny": 1e-12 * normal(3),
    "large": jnp.full(3, 1e6),
    "large and unequal": 1e6 * normal(3, 2),
}


def exact_gradient(ntk, strengths, y, cotangent):
    """G' int_0^1 exp(-(1-s) D Theta) e_i e_i' exp(-s Theta D) ds Y: a block of a larger exponential."""
    m, classes = y.shape
    each = np.zeros((m, classes))
    with mpmath.workdps(60):
        theta = mpmath.matrix(np.asarray(ntk).tolist())
        for c in range(classes):
            w = np.asarray(strengths if strengths.ndim == 1 else strengths[:, c])
            d = mpmath.diag([float(v) for v in np.abs(w)])
            g, h = mpmath.matrix(cotangent[:, c].tolist()), mpmath.matrix(y[:, c].tolist())
            for i in range(m):
                block = mpmath.zeros(2 * m)
                block[:m, :m], block[m:, m:] = -d * theta, -theta * d
                block[i, m + i] = 1
                grown = mpmath.expm(block)
                each[i, c] = float((g.T * grown[:m, m:] * h)[0]) * (-1 if w[i] < 0 else 1)
    return each if strengths.ndim == 2 else each.sum(axis=1)


def largest_eigenvalue(ntk, strengths):
    return float(np.linalg.norm(ntk, 2) * np.abs(strengths).max())


def relative(found, wanted):
    wanted = np.asarray(wanted, np.float64)
    return float(np.linalg.norm(np.asarray(found, np.float64) - wanted) / np.linalg.norm(wanted))


@pytest.mark.parametrize("strengths", STRENGTHS.values(), ids=STRENGTHS)
@pytest.mark.parametrize("ntk", KERNELS.values(), ids=KERNELS)
def test_reference_and_krylov_against_many_digits(ntk, strengths):
    y, cotangent = normal(3, 2, seed=2), normal(3, 2, seed=3)
    wanted = exact_gradient(ntk, strengths, y, cotangent)
    # An error eps lambda_max(S) in the exponents, for r and for q.
    rounding = 64 * EPS * (1 + largest_eigenvalue(ntk, strengths))
    rounding *= float(jnp.linalg.norm(y) * jnp.linalg.norm(cotangent))
    found = reference.weights_gradient(ntk, strengths, y, cotangent)
    assert found.shape == strengths.shape
    np.testing.assert_allclose(found, wanted, rtol=0, atol=rounding)
    fast = krylov.weights_gradient(ntk, strengths, y, cotangent, 1e-12)
    assert fast.converged
    np.testing.assert_allclose(fast.value, wanted, rtol=0, atol=rounding)


@pytest.mark.parametrize("shape", [(12,), (12, 2)])
def test_reference_is_the_derivative_of_the_reference_weights(shape):
    ntk, y, cotangent = kernel(np.linspace(0.2, 3, 12)), normal(12, 2, seed=2), normal(12, 2, seed=3)
    w, along = normal(*shape, seed=4), normal(*shape, seed=5)
    gradient = reference.weights_gradient(ntk, w, y, cotangent)
    step = 1e-4 * float(jnp.abs(w).min())
    ends = [jnp.sum(cotangent * reference.weights(ntk, w + h * along, y)) for h in (step, -step)]
    slope = float(ends[0] - ends[1]) / (2 * step)
    # Third derivatives are at most |Theta|^2 = 9 times the sizes, of which step^2/6 counts; rounding/step.
    size = float(jnp.linalg.norm(cotangent) * jnp.linalg.norm(y) * jnp.linalg.norm(along) ** 3)
    assert abs(slope - float(jnp.sum(gradient * along))) <= 9 * size * step**2 / 6 + 64 * EPS * size / step


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("shape", [(3,), (3, 2)])
def test_at_zero_the_gradient_is_labels_times_cotangent(name, shape):
    """The convention d|w|/dw = 1 there, without which no training would ever leave 0."""
    y, cotangent = normal(3, 2, seed=2), normal(3, 2, seed=3)
    wanted = y * cotangent if len(shape) == 2 else (y * cotangent).sum(axis=1)
    found = SOLVERS[name].vjp(KERNELS["well-conditioned"], jnp.zeros(shape), y, cotangent)
    accuracy = 1e-5 if name == "as_published" else 8 * EPS
    np.testing.assert_allclose(found.value, wanted, rtol=accuracy, atol=accuracy)


@pytest.mark.parametrize("name", SOLVERS)
def test_the_sign_of_a_strength_is_the_sign_of_its_derivative(name):
    ntk, y, cotangent, w = (
        KERNELS["well-conditioned"],
        normal(3, 2),
        normal(3, 2, seed=3),
        normal(3, 2, seed=4),
    )
    found, mirrored = (SOLVERS[name].vjp(ntk, at, y, cotangent).value for at in (w, -w))
    np.testing.assert_allclose(found, -mirrored, rtol=1e-6)


@pytest.mark.parametrize("name", SOLVERS)
def test_shared_strengths_collect_the_gradients_of_all_classes(name):
    ntk, y, cotangent, w = KERNELS["well-conditioned"], normal(3, 2), normal(3, 2, seed=3), normal(3, seed=4)
    each = SOLVERS[name].vjp(ntk, jnp.stack([w, w], axis=1), y, cotangent).value
    shared = SOLVERS[name].vjp(ntk, w, y, cotangent).value
    accuracy = 1e4 * float(jnp.finfo(each.dtype).eps)
    np.testing.assert_allclose(each.sum(axis=1), shared, rtol=0, atol=accuracy * float(jnp.abs(each).max()))


SPECTRA = {
    "flat": np.linspace(0.5, 2, 60),
    "polynomial": 300 / np.arange(1, 61.0) ** 2,
    "exponential": 50 * 0.6 ** np.arange(60.0),
    "one large": np.r_[3000, np.linspace(0.1, 5, 59)],
    "low rank": np.r_[np.linspace(1, 20, 5), np.zeros(55)],
}


@pytest.mark.parametrize("shape", [(60,), (60, 3)])
@pytest.mark.parametrize("tolerance", [1e-3, 1e-8])
@pytest.mark.parametrize("spectrum", SPECTRA.values(), ids=SPECTRA)
def test_krylov_keeps_its_tolerance(spectrum, tolerance, shape):
    """Together and one after the other; the estimate may be wrong by the growth that it neglects."""
    ntk, y, cotangent = kernel(spectrum), normal(60, 3, seed=3), normal(60, 3, seed=5)
    w = normal(*shape, seed=4)
    wanted = reference.weights_gradient(ntk, w, y, cotangent)
    together = krylov.weights_gradient(ntk, w, y, cotangent, tolerance)
    solved, pull_back = krylov.weights_and_pull_back(ntk, w, y, tolerance)
    size = jnp.linalg.norm(y) * jnp.linalg.norm(cotangent) / jnp.linalg.norm(wanted)
    rounding = 64 * EPS * (1 + largest_eigenvalue(ntk, w)) * float(size)
    for found in (together, pull_back(cotangent)):
        assert found.converged and found.statistics["error_estimate"] <= tolerance
        assert relative(found.value, wanted) <= 10 * found.statistics["error_estimate"] + rounding
    assert solved.converged


def test_an_unfinished_gradient_says_so():
    ntk, y, w = kernel(SPECTRA["one large"]), normal(60, 3, seed=3), 10 * normal(60, seed=4)
    found = krylov.weights_gradient(ntk, w, y, normal(60, 3, seed=5), 1e-10, max_steps=6)
    assert (
        not found.converged
        and found.statistics["error_estimate"] > 1e-10
        and found.statistics["products"] == 6
    )
    wanted = reference.weights_gradient(ntk, w, y, normal(60, 3, seed=5))
    assert relative(found.value, wanted) > 1e-10


def test_one_call_gives_value_weights_and_gradient_of_a_loss():
    ntk, y, w = kernel(SPECTRA["polynomial"]), normal(60, 3, seed=3), normal(60, 3, seed=4)
    there, wanted_there = normal(5, 60, seed=6), normal(5, 3, seed=7)

    def loss(p):
        return jnp.sum((there @ p - wanted_there) ** 2) / 2

    value, solved, found = krylov.value_and_gradient(ntk, w, y, loss, 1e-9)
    p = reference.weights(ntk, w, y)
    gradient = reference.weights_gradient(ntk, w, y, there.T @ (there @ p - wanted_there))
    # The loss is quadratic: an error 1e-9 |p| of the weights is one of |there|^2 |p| in the cotangent.
    amplified = float(
        jnp.linalg.norm(there) ** 2
        * jnp.linalg.norm(p)
        / jnp.linalg.norm(loss_gradient := there @ p - wanted_there)
    )
    assert solved.converged and found.converged
    assert abs(float(value) - float(loss(p))) <= 1e-9 * (1 + amplified) * float(jnp.sum(loss_gradient**2))
    assert relative(found.value, gradient) <= 1e-8 * (1 + amplified)


def test_samples_in_another_order_have_the_same_gradient():
    ntk, y, w = kernel(SPECTRA["polynomial"]), normal(60, 3, seed=3), normal(60, seed=4)
    cotangent, order = normal(60, 3, seed=5), np.random.default_rng(6).permutation(60)
    found = krylov.weights_gradient(ntk, w, y, cotangent, 1e-8)
    there = krylov.weights_gradient(ntk[order][:, order], w[order], y[order], cotangent[order], 1e-8)
    # Twice the tolerance, and what rounding in another order leaves.
    assert relative(there.value, found.value[order]) <= 2e-8 + 1e4 * EPS * largest_eigenvalue(ntk, w)


@pytest.mark.parametrize("scale", [0.1, 1.0])
def test_single_precision_on_digits(scale):
    """Rounding relative to Y and G grows with lambda_max(S), up to 1e4 here; what is published is worse."""
    images, labels = digits()
    ntk = mlp_ntk_gram(
        Architecture("mlp", 5, "relu", 1.76, 0.18), jnp.asarray(images[:300].reshape(300, 64) / 16 - 0.5)
    )
    y, cotangent, w = (
        jnp.asarray(np.eye(10)[labels[:300]] - 0.1),
        normal(300, 10, seed=2),
        scale * normal(300),
    )
    wanted = reference.weights_gradient(ntk, w, y, cotangent)
    found = krylov.weights_gradient(*(a.astype(jnp.float32) for a in (ntk, w, y, cotangent)))
    error = relative(found.value, wanted)
    # Measured 3e-5 at scale 1.
    assert error <= 1e-4
    assert error < relative(as_published.weights_gradient(ntk, w, y, cotangent), wanted)
