"""The Adv-NTK weights: the reference against many digits, the Krylov solver against the reference."""

from __future__ import annotations

import inspect

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from jax.extend.core import jaxprs_in_params

from advntk.implementations.adv_ntk import as_published, krylov, reference
from advntk.implementations.adv_ntk.contract import IMPLEMENTATIONS
from advntk.implementations.adv_ntk.lanczos import init, step
from advntk.implementations.adv_ntk.strengths import check
from advntk.implementations.data.images import digits
from advntk.implementations.kernels.closed_form_ntk import mlp_ntk_gram
from advntk.implementations.networks.architecture import Architecture

SOLVERS = {name: made() for name, made in IMPLEMENTATIONS.items()}
EPS = np.finfo(float).eps
DIGITS = 60


def kernel(eigenvalues, seed=0):
    """A symmetric matrix with these eigenvalues and random eigenvectors."""
    g = np.random.default_rng(seed)
    q = np.linalg.qr(g.standard_normal((len(eigenvalues), len(eigenvalues))))[0]
    matrix = (q * np.asarray(eigenvalues)) @ q.T
    return jnp.asarray((matrix + matrix.T) / 2)


def normal(*shape, seed=1):
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape))


def duplicated():
    g = np.random.default_rng(5)
    points = g.standard_normal((4, 6))
    points[3] = points[1]
    return jnp.asarray(points @ points.T)


KERNELS = {
    "well-conditioned": kernel([0.5, 1.0, 2.0, 5.0]),
    "cond 1e10": kernel([1e-10, 1e-4, 0.3, 1.0]),
    "duplicates": duplicated(),
}
STRENGTHS = {
    "ordinary": normal(4),
    "per class": normal(4, 2),
    "some zero": jnp.array([0.0, 1.0, -2.0, 0.0]),
    "tiny": 1e-12 * normal(4),
    "large": jnp.full(4, 1e6),
    "large and unequal": 1e6 * normal(4, 2),
}


def exact_weights(ntk, strengths, y):
    """D int_0^1 exp(-s Theta D) Y ds by the exponential of an augmented matrix: no inverse, no phi."""
    columns = []
    for c in range(y.shape[1]):
        d = np.abs(np.asarray(strengths if strengths.ndim == 1 else strengths[:, c]))
        with mpmath.workdps(DIGITS):
            m = len(y)
            augmented = mpmath.zeros(m + 1)
            for i in range(m):
                augmented[i, m] = mpmath.mpf(float(y[i, c]))
                for j in range(m):
                    augmented[i, j] = -mpmath.mpf(float(ntk[i, j])) * mpmath.mpf(float(d[j]))
            # Squaring the exponential of a matrix of norm 2^k loses some k digits of the 60.
            grown = mpmath.expm(augmented)
            columns.append([float(mpmath.mpf(float(d[i])) * grown[i, m]) for i in range(m)])
    return np.array(columns).T


def largest_eigenvalue(ntk, strengths):
    """lambda_max(S) <= |Theta| max D."""
    return float(np.linalg.norm(ntk, 2) * np.abs(strengths).max())


def relative(found, wanted):
    wanted = np.asarray(wanted, np.float64)
    return float(np.linalg.norm(np.asarray(found, np.float64) - wanted) / np.linalg.norm(wanted))


@pytest.mark.parametrize("strengths", STRENGTHS.values(), ids=STRENGTHS)
@pytest.mark.parametrize("ntk", KERNELS.values(), ids=KERNELS)
def test_reference_against_many_digits(ntk, strengths):
    y = normal(4, 2, seed=2)
    wanted = exact_weights(ntk, strengths, y)
    found = np.asarray(reference.weights(ntk, strengths, y))
    values = np.linalg.eigvalsh(ntk)
    d = np.abs(np.asarray(strengths))
    # An error eps lambda_max of S moves phi_1(-S) by at most half of that, or by its relative size times
    # the condition of S, whichever is less.
    error = EPS * largest_eigenvalue(ntk, strengths) * np.linalg.norm(y) * d.max()
    if values[0] > 0 and d.min() > 0:
        condition = values[-1] / values[0] * d.max() / d.min()
        error = min(error, EPS * condition * np.linalg.norm(wanted))
    rounding = 64 * EPS * np.linalg.norm(wanted) + 16 * error
    np.testing.assert_allclose(found, wanted, rtol=0, atol=rounding)


def test_strengths_per_class_that_are_equal_are_shared_strengths():
    ntk, y, w = KERNELS["well-conditioned"], normal(4, 3, seed=2), STRENGTHS["ordinary"]
    per_class = jnp.stack([w, w, w], axis=1)
    for name, solver in SOLVERS.items():
        shared, each = solver.solve(ntk, w, y).value, solver.solve(ntk, per_class, y).value
        # All solve well-conditioned systems of 4: rounding in their own precision.
        assert relative(each, shared) <= 1e4 * float(jnp.finfo(shared.dtype).eps), name


def test_a_class_depends_on_its_own_strengths_only():
    ntk, y, w = KERNELS["well-conditioned"], normal(4, 2, seed=2), STRENGTHS["per class"]
    changed = w.at[:, 1].add(1.0)
    for name, solver in SOLVERS.items():
        before, after = solver.solve(ntk, w, y).value, solver.solve(ntk, changed, y).value
        np.testing.assert_allclose(before[:, 0], after[:, 0], rtol=1e-6, err_msg=name)
        assert relative(after[:, 1], before[:, 1]) > 0.01, name


@pytest.mark.parametrize("shape", [(4,), (4, 2)])
def test_without_strengths_there_are_no_weights(shape):
    ntk, y = KERNELS["duplicates"], normal(4, 2)
    found = krylov.weights(ntk, jnp.zeros(shape), y)
    assert found.converged and found.statistics["error_estimate"] == 0
    assert not found.value.any() and not reference.weights(ntk, jnp.zeros(shape), y).any()


SPECTRA = {
    "flat": np.linspace(0.5, 2, 60),
    "polynomial": 300 / np.arange(1, 61.0) ** 2,
    "exponential": 50 * 0.6 ** np.arange(60.0),
    "one large": np.r_[3000, np.linspace(0.1, 5, 59)],
    "low rank": np.r_[np.linspace(1, 20, 5), np.zeros(55)],
}


@pytest.mark.parametrize("shape", [(60,), (60, 3)])
@pytest.mark.parametrize("tolerance", [1e-3, 1e-6, 1e-10])
@pytest.mark.parametrize("spectrum", SPECTRA.values(), ids=SPECTRA)
def test_krylov_keeps_its_tolerance_and_its_bound(spectrum, tolerance, shape):
    ntk, y, w = kernel(spectrum), normal(60, 3, seed=3), normal(*shape, seed=4)
    found = krylov.weights(ntk, w, y, tolerance)
    assert found.converged and found.statistics["error_estimate"] <= tolerance
    # The estimate is a bound but for rounding, of some eps lambda_max(S).
    rounding = 64 * EPS * largest_eigenvalue(ntk, w)
    error = relative(found.value, reference.weights(ntk, w, y))
    assert error <= found.statistics["error_estimate"] + rounding
    assert found.value.dtype == jnp.float64


def test_the_bound_holds_before_convergence_too_and_says_so():
    ntk, y, w = kernel(SPECTRA["one large"]), normal(60, 3, seed=3), 10 * normal(60, seed=4)
    wanted = reference.weights(ntk, w, y)
    for steps in (1, 2, 5, 8, 11, 16, 20):
        found = krylov.weights(ntk, w, y, 1e-12, steps)
        error = relative(found.value, wanted)
        assert not found.converged and found.statistics["products"] == steps
        assert 1e-12 < error <= found.statistics["error_estimate"]


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_the_bound_holds_in_any_unit_of_the_kernel(scale):
    """Theta s and D/s have the same exponential, and weights 1/s times as large."""
    ntk, y, w = kernel(SPECTRA["one large"]), normal(60, 3, seed=3), 10 * normal(60, seed=4)
    wanted = reference.weights(ntk * scale, w / scale, y)
    for steps in (2, 5, 8, 11, 16):
        found = krylov.weights(ntk * scale, w / scale, y, 1e-12, steps)
        assert 1e-12 < relative(found.value, wanted) <= found.statistics["error_estimate"]
        assert np.isclose(
            found.statistics["error_estimate"],
            krylov.weights(ntk, w, y, 1e-12, steps).statistics["error_estimate"],
            rtol=1e-3,
        )


def test_more_precision_takes_more_steps():
    ntk, y, w = kernel(SPECTRA["polynomial"]), normal(60, 3, seed=3), normal(60, seed=4)
    steps = [krylov.weights(ntk, w, y, tolerance).statistics["products"] for tolerance in (1e-1, 1e-10)]
    assert steps[0] < steps[1] < 60


@pytest.mark.parametrize("m", [1, 2, 30])
def test_invariant_subspaces_end_the_iteration_without_nan(m):
    """The identity has one step; a class without labels has none."""
    y = normal(m, 3).at[:, 1].set(0.0)
    found = krylov.weights(jnp.eye(m), jnp.full(m, 2.0), y, 1e-12)
    assert found.converged
    np.testing.assert_allclose(found.value, (1 - np.exp(-2)) * y, rtol=0, atol=16 * EPS * float(abs(y).max()))


@pytest.mark.parametrize("rank", [1, 3, 6])
def test_bases_stay_orthonormal_and_end_where_the_space_ends(rank):
    """After more steps than there are dimensions: vectors are orthonormal or zero, and S Q = Q T + ..."""
    ntk, root = kernel(np.r_[np.linspace(1, 9, rank), np.zeros(6 - rank)]), jnp.abs(normal(1, 6)) + 0.1
    (space,) = step(ntk, root, (init(normal(2, 6, seed=3), 16),), 16)
    for q, w, alpha, beta in zip(space.basis, space.products, space.alpha, space.beta, strict=True):
        gram = np.asarray(q @ q.T)
        there = np.round(np.diag(gram))
        np.testing.assert_allclose(gram, np.diag(there), rtol=0, atol=64 * EPS)
        assert rank <= there.sum() <= 6
        t = np.diag(alpha) + np.diag(beta[:-1], 1) + np.diag(beta[:-1], -1)
        beyond = np.zeros((16, 6))
        beyond[-1] = beta[-1] * q[-1]
        image = root * np.asarray(w)
        np.testing.assert_allclose(image, t @ q[:-1] + beyond, rtol=0, atol=64 * EPS * np.linalg.norm(image))


def test_samples_in_another_order_have_the_same_weights():
    ntk, y, w = kernel(SPECTRA["polynomial"]), normal(60, 3, seed=3), normal(60, 3, seed=4)
    order = np.random.default_rng(6).permutation(60)
    found, there = (
        krylov.weights(ntk, w, y, 1e-8),
        krylov.weights(ntk[order][:, order], w[order], y[order], 1e-8),
    )
    allowed = (
        found.statistics["error_estimate"]
        + there.statistics["error_estimate"]
        + 64 * EPS * largest_eigenvalue(ntk, w)
    )
    assert relative(there.value, found.value[order]) <= allowed


def test_the_kernel_is_neither_copied_nor_multiplied_more_than_once_per_step():
    m = 23
    spaces = init(jnp.ones((2, m)), 16), init(jnp.ones((2, m)), 16)
    program = jax.make_jaxpr(lambda ntk: step(ntk, jnp.ones((1, m)), spaces, 8))(jnp.eye(m))
    products = 0

    def walk(jaxpr):
        nonlocal products
        for equation in jaxpr.eqns:
            assert all(getattr(v.aval, "shape", ()) != (m, m) for v in equation.outvars)
            takes = [getattr(v.aval, "shape", ()) == (m, m) for v in equation.invars]
            products += equation.primitive.name == "dot_general" and any(takes)
            for inner in jaxprs_in_params(equation.params):
                walk(inner)

    walk(program.jaxpr)
    # The body of the loop is written once.
    assert products == 1


@pytest.fixture(scope="module")
def of_digits():
    """NTK of an MLP-5 on 300 digits (lambda_max 5e3, condition 1e3), and one-hot labels less 1/10."""
    images, labels = digits()
    x = jnp.asarray(images[:300].reshape(300, 64) / 16 - 0.5)
    ntk = mlp_ntk_gram(Architecture("mlp", 5, "relu", 1.76, 0.18), x)
    return ntk, jnp.asarray(np.eye(10)[labels[:300]] - 0.1)


@pytest.mark.parametrize("scale", [1e-3, 0.1, 1.0])
def test_single_precision_on_digits(of_digits, scale):
    ntk, y = of_digits
    w = scale * normal(300)
    wanted = reference.weights(ntk, w, y)
    found = krylov.weights(*(a.astype(jnp.float32) for a in (ntk, w, y)))
    assert found.value.dtype == jnp.float32
    # Measured 3e-7 to 3e-5; what is published is above 8e-5 at each of the scales.
    error = relative(found.value, wanted)
    assert error <= 1e-4
    assert error < relative(as_published.weights(ntk, w, y), wanted)


def test_as_published_is_right_where_it_is_easy_and_wrong_where_it_is_not():
    y, w = normal(4, 2, seed=2), STRENGTHS["ordinary"]
    for easy, ntk in (("well-conditioned", KERNELS["well-conditioned"]), ("", KERNELS["cond 1e10"])):
        wanted = reference.weights(ntk, w, y)
        error = relative(as_published.weights(ntk, w, y), wanted)
        # float32 has eps 1.2e-7: times the condition 10 and the operations of an exponential, or 1e10.
        assert (error <= 1e-5) if easy else (error >= 1e-2)
        assert relative(krylov.weights(ntk, w, y, 1e-9).value, wanted) <= 1e-9


def test_a_kernel_with_nan_is_reported_not_raised():
    found = krylov.weights(jnp.full((3, 3), jnp.nan), jnp.ones(3), jnp.ones((3, 1)))
    assert not found.converged
    assert not SOLVERS["krylov"].solve(jnp.full((3, 3), jnp.nan), jnp.ones(3), jnp.ones((3, 1))).converged


def test_what_is_impossible_is_refused():
    ntk, y = jnp.eye(3), jnp.ones((3, 2))
    with pytest.raises(ValueError, match="tolerance"):
        krylov.weights(ntk, jnp.ones(3), y, tolerance=0.0)
    with pytest.raises(ValueError, match="max_steps"):
        krylov.weights(ntk, jnp.ones(3), y, max_steps=0)
    with pytest.raises(ValueError, match="float64"):
        reference.weights(ntk.astype(jnp.float32), jnp.ones(3), y)
    # Without the shape checks of the tests, which come first.
    bare = inspect.unwrap(check)
    for arguments, words in [
        ((jnp.eye(2), jnp.ones(3), y), "ntk"),
        ((ntk, jnp.ones(2), y), "strengths"),
        ((ntk, jnp.ones((3, 3)), y), "strengths"),
        ((ntk, jnp.ones(3), y, jnp.ones((3, 1))), "cotangent"),
    ]:
        with pytest.raises(ValueError, match=words):
            bare(*arguments)
