"""The linearized flow, its closed form, and the limiting process: against each other and brute force."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
import scipy.linalg

from advntk.implementations.dynamics.closed_form import closed_form, limit_operator, limit_process
from advntk.implementations.dynamics.linearized import integrate, lyapunov, outputs, searched_residual
from advntk.implementations.dynamics.regularization import search_growth, xi_blocks, xi_diagonal
from advntk.implementations.dynamics.schedules import schedule
from advntk.implementations.results import Result

EPS = np.finfo(float).eps
SHAPES = ("constant", "growing", "decaying", "oscillating", "early_stopped")

# Three times in every call: one compiled program per shape of schedule.
flow = jax.jit(integrate, static_argnames=("max_steps",))


def system(seed, m=3, c=2, spread=1.0):
    """A random positive definite NTK, positive definite ARK blocks, and a residual."""
    g = np.random.default_rng(seed)
    a = g.standard_normal((m * c, m * c))
    ntk = a @ a.T / (m * c) + 0.1 * np.eye(m * c)
    b = g.standard_normal((m, c, c + 2))
    ark = spread * b @ b.swapaxes(1, 2) / (c + 2)
    residual = g.standard_normal((m, c))
    return jnp.asarray(ntk.reshape(m, c, m, c)), jnp.asarray(ark), jnp.asarray(residual)


def relative(found, wanted):
    return float(jnp.linalg.norm(found - wanted) / jnp.linalg.norm(wanted))


@pytest.mark.parametrize("scale", [0.5, 2.0, 5.0])
def test_closed_form_is_the_flow_when_strengths_are_constant_even_if_unequal(scale):
    """To 1e-9 up to lambda_max(Theta) Xi = 1e6 (integration tolerance 1e-12, of the initial size)."""
    ntk, ark, residual = system(0)
    constant = schedule("constant", scale * jnp.array([1.0, 0.6, 0.2]))
    times = jnp.array([0.3, 1.0, 3.0])
    found = flow(ntk, ark, residual, constant, times, tolerance=1e-12)
    assert found.result == Result.successful
    for i, t in enumerate(times):
        closed = closed_form(ntk, xi_blocks(ark, constant, t), residual)
        assert relative(found.integrals[i], closed.weights) <= 1e-9
        assert jnp.linalg.norm(found.residuals[i] - closed.residual) <= 1e-9 * jnp.linalg.norm(residual)


@pytest.mark.parametrize("shape", SHAPES[1:])
def test_closed_form_is_the_flow_when_the_growth_is_scalar(shape):
    ntk, _, residual = system(1)
    same = jnp.broadcast_to(0.7 * jnp.eye(2), (3, 2, 2))
    shared = schedule(shape, jnp.full(3, 1.5))
    found = flow(ntk, same, residual, shared, jnp.array([0.5, 1.0, 1.5]), tolerance=1e-12)
    closed = closed_form(ntk, xi_blocks(same, shared, 1.5), residual)
    # The kink of early stopping costs the quadrature of Xi up to (1.5/16)^2/8 in one of 16 panels.
    allowed = 1e-4 if shape == "early_stopped" else 1e-9
    assert relative(found.integrals[2], closed.weights) <= allowed


@pytest.mark.parametrize("shape", ["growing", "decaying"])
def test_closed_form_is_not_the_flow_when_unequal_blocks_meet_varying_strengths(shape):
    """The defect is a thousand times the integration error: the family does not commute."""
    ntk, ark, residual = system(2)
    varying = schedule(shape, jnp.full(3, 2.0), jnp.array([0.3, 1.0, 2.0]))
    found = flow(ntk, ark, residual, varying, jnp.array([0.2, 0.5, 1.0]), tolerance=1e-10)
    closed = closed_form(ntk, xi_blocks(ark, varying, 1.0), residual)
    assert relative(found.integrals[2], closed.weights) >= 1e-4


def test_closed_form_against_the_formula_with_inverse_and_dense_exponential():
    ntk, ark, residual = system(3)
    xi = xi_blocks(ark, schedule("growing", jnp.full(3, 0.4)), 0.8)
    theta, flat = np.asarray(ntk).reshape(6, 6), np.asarray(residual).ravel()
    propagator = scipy.linalg.expm(-theta @ scipy.linalg.block_diag(*np.asarray(xi)))
    weights = np.linalg.solve(theta, flat - propagator @ flat)
    found = closed_form(ntk, xi, residual)
    # Conditioning of the comparison's own inverse and of Xi^{1/2}, both below a few hundred.
    bound = 100 * EPS * np.linalg.cond(theta) * np.linalg.cond(scipy.linalg.block_diag(*np.asarray(xi)))
    np.testing.assert_allclose(found.weights.ravel(), weights, rtol=0, atol=bound * np.linalg.norm(weights))
    np.testing.assert_allclose(
        found.residual.ravel(), propagator @ flat, rtol=0, atol=bound * np.linalg.norm(flat)
    )


def test_closed_form_needs_no_inverse_a_singular_kernel_is_no_trouble():
    ntk, ark, residual = system(4)
    matrix = np.array(ntk).reshape(6, 6)
    matrix[:, 0] = matrix[:, 2] = matrix[:, 0]
    matrix = matrix @ matrix.T
    singular = jnp.asarray((matrix + matrix.T) / 2).reshape(ntk.shape)
    found = closed_form(singular, xi_blocks(ark, schedule("constant", jnp.ones(3)), 1.0), residual)
    assert np.isfinite(found.weights).all() and np.isfinite(found.residual).all()
    left = residual - jnp.einsum("iajb,jb->ia", singular, found.weights)
    assert relative(left, found.residual) <= 1e4 * EPS * float(jnp.linalg.norm(singular.reshape(6, 6)))


def test_what_the_integral_says_of_the_residual():
    """Theta int E r = r(0) - r(t), whatever the schedule."""
    ntk, ark, residual = system(5)
    times = jnp.array([0.0, 0.5, 2.0])
    found = flow(ntk, ark, residual, schedule("oscillating", jnp.full(3, 1.0)), times, tolerance=1e-11)
    here = residual + jnp.zeros((3, 2))
    for i in range(3):
        at_training = outputs(here, ntk, found.integrals[i])
        # Both sides are linear in the same integrator's state: rounding, not integration error.
        np.testing.assert_allclose(at_training, found.residuals[i], rtol=0, atol=1e-11)
    assert found.integrals[0] == pytest.approx(0, abs=0)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("shape", SHAPES)
def test_lyapunov_bound_holds_for_every_admissible_schedule(shape, seed):
    """V(t) <= V(0) e^{-2 lambda_min t}, with no smallness of the strengths."""
    ntk, ark, residual = system(10 + seed)
    g = np.random.default_rng(seed)
    some = schedule(shape, jnp.asarray(g.uniform(0, 1.5, 3)), jnp.asarray(g.uniform(0.2, 1.5, 3)))
    times = jnp.array([0.1, 0.5, 1.0])
    found = flow(ntk, ark, residual, some, times, tolerance=1e-9)
    assert found.result == Result.successful
    slowest = float(np.linalg.eigvalsh(np.asarray(ntk).reshape(6, 6))[0])
    start = float(lyapunov(ntk, residual))
    for t, r in zip(times, found.residuals, strict=True):
        # An error of 1e-9 |r_0| in r moves V by at most that times 2 |r_0| / lambda_min.
        slack = 1e-8 * float((residual**2).sum()) / slowest
        assert float(lyapunov(ntk, r)) <= start * np.exp(-2 * slowest * float(t)) + slack


def test_searched_residual_is_the_end_of_the_search_flow():
    """s |-> exp(s eta Theta_x) r solves r' = eta Theta_x r: against exponentials with 30 digits.

    (scipy's expm is off by up to 1e-13 here.)
    """
    _, ark, residual = system(6)
    strengths = jnp.array([0.2, 1.0, 3.0])
    found = searched_residual(ark, strengths, residual)
    for f, r, s, a in zip(found, np.asarray(residual), strengths, np.asarray(ark), strict=True):
        with mpmath.workdps(30):
            exact = mpmath.expm(mpmath.matrix(a.tolist()) * float(s)) * mpmath.matrix(r.tolist())
        # Eigenvalues are accurate to some eps |A|, which the exponent multiplies by s.
        largest = np.exp(float(s) * np.linalg.norm(a, 2)) * np.linalg.norm(r)
        allowed = 16 * EPS * (1 + float(s) * np.linalg.norm(a, 2)) * largest
        np.testing.assert_allclose(f, [float(e) for e in exact], rtol=0, atol=allowed)
    np.testing.assert_allclose(search_growth(ark, jnp.zeros(3)), jnp.stack([jnp.eye(2)] * 3), atol=8 * EPS)


def test_an_integrator_that_stops_early_says_why():
    ntk, ark, residual = system(7)
    found = flow(
        ntk, ark, residual, schedule("constant", jnp.full(3, 3.0)), jnp.array([1.0, 3.0, 5.0]), max_steps=5
    )
    assert found.result == Result.max_steps_reached


def test_limit_process_starts_at_the_prior_and_ends_at_the_regression():
    g = np.random.default_rng(0)
    points = g.standard_normal((7, 5))
    ntk = points @ points.T / 5 + np.eye(7)
    nngp = (points @ points.T / 5) ** 2 / 3 + np.eye(7) / 2
    targets = jnp.asarray(g.standard_normal((4, 2)))
    ntk, nngp = jnp.asarray(ntk), jnp.asarray(nngp)

    def at(xi):
        return limit_process(ntk[:4, :4], nngp[:4, :4], xi, ntk[4:, :4], nngp[4:, :4], nngp[4:, 4:], targets)

    mean, covariance = at(jnp.zeros(4))
    np.testing.assert_allclose(mean, 0, atol=EPS)
    np.testing.assert_allclose(covariance, nngp[4:, 4:], rtol=8 * EPS)
    mean, covariance = at(jnp.array([1e3, 2e3, 4e3, 8e3]))
    np.testing.assert_allclose(
        mean, ntk[4:, :4] @ jnp.linalg.solve(ntk[:4, :4], targets), rtol=1e4 * EPS, atol=1e4 * EPS
    )
    assert np.linalg.eigvalsh(np.asarray(covariance))[0] > 0


def test_limit_process_is_the_law_of_the_closed_form_over_gaussian_starts():
    """Push f_0 ~ N(0, K) through the closed form, sample by sample: exact mean and covariance."""
    g = np.random.default_rng(1)
    points = g.standard_normal((6, 4))
    ntk = jnp.asarray(points @ points.T / 4 + np.eye(6))
    nngp = jnp.asarray((points @ points.T / 4) ** 2 + np.eye(6))
    targets = jnp.asarray(g.standard_normal((4, 1)))
    xi = jnp.array([0.3, 0.7, 1.1, 2.0])

    def trained(start):
        closed = closed_form(ntk[:4, None, :4, None], xi[:, None, None], start[:4, None] - targets)
        return start[4:] - ntk[4:, :4] @ closed.weights[:, 0]

    # The map is affine: its mean and covariance follow from its value at 0 and its Jacobian.
    jacobian = jax.jacfwd(trained)(jnp.zeros(6))
    mean, covariance = limit_process(
        ntk[:4, :4], nngp[:4, :4], xi, ntk[4:, :4], nngp[4:, :4], nngp[4:, 4:], targets
    )
    np.testing.assert_allclose(mean[:, 0], trained(jnp.zeros(6)), rtol=1e3 * EPS)
    np.testing.assert_allclose(covariance, jacobian @ nngp @ jacobian.T, rtol=1e3 * EPS)


def positive_definite(seed, m=5, k=3, rank=None):
    """Theta(X, X) and Theta(x, X) of a kernel between m + k points, singular if its rank is below m."""
    features = np.random.default_rng(seed).standard_normal((m + k, rank or 3 * m))
    whole = features @ features.T / features.shape[1]
    return whole[:m, :m], whole[m:, :m]


def operator_error(ntk, xi, cross) -> float:
    """Rounding of m x m products, and of scipy's exponential, relative to the norm of what is raised.

    In units of |Theta(x, X)| |Xi| |e^{-s Theta Xi}|; the last is Xi^{-1/2} e^{-s S} Xi^{1/2} with S not
    negative, so that its norm is at most the root of the condition of Xi.
    """
    norm = np.linalg.norm(ntk * xi, 2)
    return (
        64 * len(xi) * EPS * (1 + norm) * np.linalg.norm(cross, 2) * xi.max() * np.sqrt(xi.max() / xi.min())
    )


@pytest.mark.parametrize("scale", [1e-3, 1.0, 10.0])
@pytest.mark.parametrize("seed", range(3))
def test_limit_operator_is_theta_over_theta_of_what_an_exponential_leaves(seed, scale):
    ntk, cross = positive_definite(seed)
    xi = scale * np.random.default_rng(100 + seed).uniform(0.3, 3, len(ntk))
    found = limit_operator(jnp.asarray(ntk), jnp.asarray(xi), jnp.asarray(cross))
    left = np.eye(len(ntk)) - scipy.linalg.expm(-ntk @ np.diag(xi))
    expected = cross @ np.linalg.solve(ntk, left)
    # What is solved with amplifies the rounding of the exponential.
    allowed = operator_error(ntk, xi, cross) + 64 * EPS * np.linalg.cond(ntk) * np.abs(expected).max()
    np.testing.assert_allclose(found, expected, rtol=0, atol=allowed)
    assert allowed < 1e-8 * np.abs(expected).max()


@pytest.mark.parametrize("rank", [2, 4])
def test_limit_operator_of_a_singular_kernel_is_an_integral_of_exponentials(rank):
    r"""Theta^{-1} (I - e^{-Theta Xi}) = Xi int_0^1 e^{-s Theta Xi} ds: a block of one larger exponential."""
    ntk, cross = positive_definite(7, rank=rank)
    m = len(ntk)
    xi = np.random.default_rng(8).uniform(0.3, 3, m)
    both = np.zeros((2 * m, 2 * m))
    both[:m, :m], both[:m, m:] = -ntk @ np.diag(xi), np.eye(m)
    expected = cross @ np.diag(xi) @ scipy.linalg.expm(both)[:m, m:]
    found = limit_operator(jnp.asarray(ntk), jnp.asarray(xi), jnp.asarray(cross))
    allowed = operator_error(ntk, xi, cross)
    np.testing.assert_allclose(found, expected, rtol=0, atol=allowed)
    assert allowed < 1e-8 * np.abs(expected).max()


def test_limit_operator_goes_from_nothing_to_the_regression():
    ntk, cross = map(jnp.asarray, positive_definite(9))
    np.testing.assert_array_equal(limit_operator(ntk, jnp.zeros(5), cross), jnp.zeros((3, 5)))
    # e^{-lambda Xi} with the smallest lambda Xi is below rounding.
    late = 50 / float(np.linalg.eigvalsh(np.asarray(ntk))[0])
    regression = cross @ jnp.linalg.inv(ntk)
    allowed = 1e3 * EPS * np.linalg.cond(np.asarray(ntk)) * float(jnp.abs(regression).max())
    np.testing.assert_allclose(
        limit_operator(ntk, jnp.full(5, late), cross), regression, rtol=0, atol=allowed
    )
    # At the training points themselves it is I - e^{-Theta Xi}: 1 along what is learnt.
    np.testing.assert_allclose(limit_operator(ntk, jnp.full(5, late), ntk), jnp.eye(5), rtol=0, atol=allowed)


@pytest.mark.parametrize("shape", SHAPES)
def test_schedules_are_continuous_and_not_negative(shape):
    some = schedule(shape, jnp.array([0.5, 2.0]), jnp.array([1.0, 3.0]))
    t = np.linspace(0, 5, 5001)
    values = np.asarray(jax.vmap(some.strengths)(jnp.asarray(t)))
    assert (values >= 0).all() and values.max() > 0
    # Slopes are at most scale * rate (times e^0 or 1): no step is larger than that, so no jump.
    assert np.abs(np.diff(values, axis=0)).max() <= 2.0 * 3.0 * 1e-3 * (1 + 1e-9)


def test_the_slower_reference_of_xi_is_adaptive_quadrature():
    from scipy.integrate import quad

    some = schedule("decaying", jnp.array([1.5]), jnp.array([2.0]))
    wanted, error = quad(lambda t: np.exp(0.8 * 1.5 * np.exp(-2 * t)), 0, 1.3, epsabs=1e-13)
    found = float(xi_diagonal(jnp.array([[0.8]]), some, 1.3)[0, 0])
    assert abs(found - wanted) <= error + 32 * EPS * wanted


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("constant", jnp.array([1.0, -1.0])), "scale"),
        (("constant", jnp.array([1.0, jnp.nan])), "finite"),
        (("growing", jnp.ones(2), jnp.array([1.0, jnp.inf])), "rate"),
    ],
    ids=["negative", "nan", "infinite"],
)
def test_impossible_schedules_are_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        schedule(*arguments)
