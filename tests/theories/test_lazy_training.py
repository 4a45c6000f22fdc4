"""Flows of scaled networks, and what they are near alpha = infinity, against independent computations."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from advntk.theories.lazy_training import dynamics, first_order, measurements, trials

EPS = float(np.finfo(np.float64).eps)
TOLERANCE = 1e-9
SAMPLES, POINTS, INPUTS, WIDTH = 3, 5, 2, 5
CENTRINGS = ("subtracted", "antisymmetric", "none")


def small(centring="subtracted", activation="tanh", depth=1, outputs=1):
    """A small network, its start, points and targets."""
    net = dynamics.CentredMLP(activation, depth, WIDTH, INPUTS, outputs, centring)
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((POINTS, INPUTS)), rng.standard_normal(SAMPLES * outputs)
    start = net.start(jax.random.key(5))
    return net.model(start), start, jnp.asarray(x), jnp.asarray(y)


def trained(model, start, x, y, alpha, times, tolerance=TOLERANCE):
    program = jax.jit(partial(dynamics.flow, model))
    return program(start, x, y, jnp.asarray(alpha), jnp.asarray(times), jnp.asarray(tolerance))


def integration_error(model, found, start, x, y, alpha, times):
    """What steps of this tolerance add up to in v at the end.

    v' = -grad of a loss, whose second derivative is J' J + sum_j r_j D^2 f_j / alpha: an error grows at the
    rate of its most negative eigenvalue at most.  That is taken at the start and at all times looked at; 2
    leaves room for what it is in between, and for the way in which the integrator estimates an error.
    """
    m, v = len(y), jnp.concatenate([jnp.zeros((1, len(start))), found.displacement])

    def loss(at):
        return ((alpha * model(start + at / alpha, x)[:m] - y) ** 2).sum() / 2

    curved = jax.jit(jax.hessian(loss))
    lowest = min(float(np.linalg.eigvalsh(curved(at))[0]) for at in v)
    reach = float(jnp.sqrt(times[-1] * loss(v[0])))
    return 2 * int(found.steps) * TOLERANCE * reach * np.exp(max(0.0, -lowest) * times[-1])


def plain_network(w, x):
    """One hidden tanh layer and its Jacobian, by hand in numpy."""
    at = INPUTS * WIDTH
    first, bias, second, last = w[:at].reshape(INPUTS, WIDTH), w[at : at + WIDTH], w[at + WIDTH : -1], w[-1]
    hidden = np.tanh(1.5 * x @ first / INPUTS**0.5 + 0.3 * bias)
    slope = 1.5 * second / WIDTH**0.5 * (1 - hidden**2)
    by_first = 1.5 / INPUTS**0.5 * x[:, :, None] * slope[:, None, :]
    rows = [by_first.reshape(len(x), -1), 0.3 * slope, 1.5 * hidden / WIDTH**0.5, np.full((len(x), 1), 0.3)]
    return 1.5 * hidden @ second / WIDTH**0.5 + 0.3 * last, np.concatenate(rows, 1)


def centred_network(centring, start):
    if centring == "antisymmetric":

        def both(w, x):
            (f, df), (g, dg) = (plain_network(half, x) for half in np.split(w, 2))
            return (f - g) / 2**0.5, np.concatenate([df, -dg], 1) / 2**0.5

        return both
    before = 1.0 if centring == "subtracted" else 0.0
    return lambda w, x: (plain_network(w, x)[0] - before * plain_network(start, x)[0], plain_network(w, x)[1])


@pytest.mark.parametrize("alpha", [1.0, 5.0])
@pytest.mark.parametrize("centring", CENTRINGS)
def test_flow_against_a_dense_reference_in_parameters(centring, alpha):
    """w' = -grad F_alpha(w) itself, by scipy's Runge-Kutta of order 8 on a network written by hand."""
    model, start, x, y = small(centring)
    times = np.linspace(0.2, 1.0, 5)
    w0, network = np.asarray(start), centred_network(centring, np.asarray(start))

    def slope(_, w):
        f, jacobian = network(w, np.asarray(x)[:SAMPLES])
        return -(jacobian.T @ (alpha * f - np.asarray(y))) / alpha

    exact = solve_ivp(slope, (0, 1), w0, "DOP853", times, rtol=1e-13, atol=1e-13 / alpha)
    found = trained(model, start, x, y, alpha, times)
    assert int(found.result) == 0
    allowed = integration_error(model, found, start, x, y, alpha, times)
    np.testing.assert_allclose(found.displacement, alpha * (exact.y.T - w0), rtol=0, atol=allowed)
    outputs = np.stack([alpha * network(w, np.asarray(x))[0] for w in exact.y.T])
    slopes = np.linalg.norm(network(w0, np.asarray(x))[1], 2)
    np.testing.assert_allclose(found.outputs, outputs, rtol=0, atol=2 * slopes * allowed)
    # What is allowed would show a flow that is off by a thousandth.
    assert allowed < 1e-3 * np.abs(found.displacement[-1]).max()


def test_a_linear_model_has_no_gap():
    """Up to the steps' errors, which a linear least-squares flow does not let grow."""
    rng = np.random.default_rng(0)
    features = jnp.asarray(rng.standard_normal((INPUTS, 4, 7)))

    def model(w, x):
        return jnp.einsum("pi,iok,k->po", x, features, w).ravel()

    x, y = jnp.asarray(rng.standard_normal((POINTS, INPUTS))), jnp.asarray(rng.standard_normal(4))
    w, times, alpha = jnp.asarray(rng.standard_normal(7)), jnp.linspace(0.1, 1.0, 4), jnp.asarray(3.0)
    found = trained(model, w, x, y, 3.0, times)
    at = dynamics.tangent(model, w, x)
    linear = first_order.linearized(at, y, alpha, times)
    reach = jnp.sqrt(times[-1] / 2) * jnp.linalg.norm(alpha * at.outputs[:4] - y)
    allowed = float(2 * found.steps * TOLERANCE * reach)
    np.testing.assert_allclose(
        found.displacement, linear.coefficients @ at.jacobian[:4], rtol=0, atol=allowed
    )
    spread = float(jnp.linalg.norm(at.jacobian, 2))
    np.testing.assert_allclose(found.outputs, linear.outputs, rtol=0, atol=spread * allowed)
    assert jnp.abs(first_order.curvature(model, w, x, at, 4)).max() == 0


@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize("activation", dynamics.ACTIVATIONS)
def test_first_correction_against_its_definition(activation, outputs):
    """u_1' and u_2' integrated in parameters with dense second derivatives, at training and unseen points."""
    model, start, x, y = small(activation=activation, depth=2, outputs=outputs)
    m, at = len(y), dynamics.tangent(model, start, x)
    jacobian, hessians = np.asarray(at.jacobian), np.asarray(jax.hessian(lambda w: model(w, x))(start))

    def slope(_, both):
        u1, u2 = np.split(both, 2)
        residual = jacobian[:m] @ u1 - y
        bent = hessians @ u1
        second = jacobian[:m] @ u2 + (bent @ u1)[:m] / 2
        return np.concatenate([-jacobian[:m].T @ residual, -jacobian[:m].T @ second - bent[:m].T @ residual])

    times = np.array([0.1, 0.5, 2.0])
    exact = solve_ivp(slope, (0, 2), np.zeros(2 * len(start)), "DOP853", times, rtol=1e-12, atol=1e-13)
    u1, u2 = np.split(exact.y, 2)
    gap = (jacobian @ u2).T + np.einsum("ipq,pt,qt->ti", hessians, u1, u1) / 2
    third = first_order.curvature(model, start, x, at, m)
    found = first_order.first_gap(at.kernel, third, y, jnp.asarray(times))
    # scipy's tolerance for some hundred steps; all flows contract.
    size = np.abs(gap).max()
    np.testing.assert_allclose(found, gap, rtol=0, atol=1e-9 * size)
    linear = first_order.linearized(at, y, jnp.asarray(1.0), jnp.asarray(times))
    np.testing.assert_allclose(linear.outputs, (jacobian @ u1).T, rtol=0, atol=1e-9)
    moved = np.einsum("ipq,q,jp->ij", hessians[:m], u1[:, -1], jacobian[:m])
    slope_of_kernel = first_order.kernel_slope(third, linear.coefficients[-1])
    np.testing.assert_allclose(slope_of_kernel, moved + moved.T, rtol=0, atol=1e-9 * np.abs(moved).max())


def test_first_correction_at_infinite_time():
    """Where all modes have relaxed, a finite time gives the same; at training points nothing is left."""
    model, start, x, y = small()
    at = dynamics.tangent(model, start, x)
    third = first_order.curvature(model, start, x, at, SAMPLES)
    slowest = float(jnp.linalg.eigvalsh(at.kernel[:SAMPLES, :SAMPLES])[0])
    late, ever = first_order.first_gap(at.kernel, third, y, jnp.asarray([50 / slowest, jnp.inf]))
    # t e^{-50} is left of the slowest mode; sums of some m^2 n terms are rounded.
    size = float(jnp.abs(ever).max())
    np.testing.assert_allclose(late, ever, rtol=0, atol=1e-13 * size)
    assert (ever[:SAMPLES] == 0).all()
    assert size > 0


def test_second_derivatives_along_the_tangent():
    model, start, x, _ = small(depth=2, outputs=2)
    at = dynamics.tangent(model, start, x)
    found = first_order.curvature(model, start, x, at, 4)
    hessians = jax.hessian(lambda w: model(w, x))(start)
    wanted = jnp.einsum("ipq,kp,jq->kij", hessians, at.jacobian[:4], at.jacobian)
    # Sums over pairs of parameters, in another order.
    size = jnp.einsum("ipq,kp,jq->kij", *(jnp.abs(a) for a in (hessians, at.jacobian[:4], at.jacobian)))
    assert (jnp.abs(found - wanted) <= 4 * len(start) * EPS * size).all()
    assert jnp.abs(wanted).max() > 0.01


@pytest.mark.parametrize(
    ("p", "q"), [(1.0, 2.0), (2.0, 1.0), (0.7, 0.7), (0.7, 0.7 + 1e-9), (0.0, 1.5), (0.0, 0.0), (40.0, 0.1)]
)
@pytest.mark.parametrize("t", [1e-6, 0.5, 20.0])
def test_integrals_of_exponentials(p, q, t):
    mpmath.mp.dps = 40
    exact = mpmath.quad(lambda s: mpmath.exp(-mpmath.mpf(p) * (t - s) - mpmath.mpf(q) * s), [0, t])
    found = float(first_order.faded(jnp.asarray(p), jnp.asarray(q), jnp.asarray(t)))
    # Exponents, and their difference, are rounded: relative errors of a few eps times themselves.
    assert found == pytest.approx(float(exact), rel=(8 + 4 * t * max(p, q)) * EPS)
    assert float(first_order.grown(jnp.asarray(q), jnp.asarray(t))) == pytest.approx(
        float(mpmath.quad(lambda s: mpmath.exp(-mpmath.mpf(q) * s), [0, t])), rel=(8 + 4 * t * q) * EPS
    )


@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("centring", CENTRINGS)
def test_networks_use_all_their_parameters_and_start_as_they_say(centring, depth):
    model, start, x, _ = small(centring, depth=depth, outputs=2)
    jacobian = dynamics.jacobian_of(model, start, x)
    net = dynamics.CentredMLP("tanh", depth, WIDTH, INPUTS, 2, centring)
    assert jacobian.shape == (2 * POINTS, net.parameters) == (2 * POINTS, len(start))
    assert (jnp.abs(jacobian).max(0) > 0).all()
    assert bool((model(start, x) == 0).all()) is (centring != "none")


def test_two_copies_keep_the_kernel():
    one, other = (small(centring) for centring in ("none", "antisymmetric"))
    # Copies start alike, as the single network does from the same key.
    assert (jnp.split(other[1], 2)[1] == one[1]).all()
    kernels = [dynamics.tangent(model, start, x).kernel for model, start, x, _ in (one, other)]
    np.testing.assert_allclose(*kernels, rtol=64 * EPS, atol=64 * EPS)


def test_two_copies_are_even_in_alpha():
    """Exchanging the copies turns alpha into -alpha."""
    model, start, x, y = small("antisymmetric")
    times = np.linspace(0.2, 1.0, 3)
    one, mirrored = (trained(model, start, x, y, alpha, times) for alpha in (1.5, -1.5))
    allowed = integration_error(model, one, start, x, y, 1.5, times)
    np.testing.assert_allclose(one.outputs, mirrored.outputs, rtol=0, atol=allowed)
    exchanged = jnp.concatenate(jnp.split(mirrored.displacement, 2, axis=1)[::-1], 1)
    np.testing.assert_allclose(one.displacement, -exchanged, rtol=0, atol=allowed)
    third = first_order.curvature(model, start, x, dynamics.tangent(model, start, x), SAMPLES)
    assert jnp.abs(third).max() < 1e-12  # no second order
    # A single network is not even.
    model, start, x, y = small("subtracted")
    one, mirrored = (trained(model, start, x, y, alpha, times) for alpha in (1.5, -1.5))
    assert jnp.abs(one.outputs - mirrored.outputs).max() > 1e-3


def test_an_integrator_that_gives_up_is_data(monkeypatch):
    monkeypatch.setattr(dynamics, "_MOST_STEPS", 3)
    found = trained(*small(), 2.0, np.array([0.5, 1.0]))
    assert int(found.result) == 1
    assert jnp.isnan(found.displacement).all()
    assert jnp.isnan(found.outputs).all()


def test_what_is_not_resolved_is_no_number():
    value, rougher = jnp.asarray([1.0, 1.0, jnp.nan, 0.0]), jnp.asarray([1.05, 1.2, 1.0, 1e-9])
    np.testing.assert_array_equal(measurements.resolved(value, rougher), [1.0, np.nan, np.nan, np.nan])


def test_a_sweep_over_alpha_or_time_compiles_once():
    """Both are data of one program."""
    scenario = trials.SPACE.scenario(width=4, samples=2)
    keys = jax.random.split(jax.random.key(0), 2)
    jax.clear_caches()
    for values in ({"alpha": 2.0}, {"alpha": 30.0}, {"time": 0.3}):
        course = measurements.run(scenario.replace(**values), keys)
        measurements.measured(course)
    programs = (measurements.begun, measurements.trained, measurements.compared)
    assert [program._cache_size() for program in programs] == [1, 1, 1]


def test_times_are_in_units_of_the_mean_relaxation_time():
    scenario = trials.SPACE.scenario(width=4, samples=3, outputs=2, time=2.5)
    course = measurements.run(scenario, jax.random.split(jax.random.key(0), 2))
    kernels = course.start.tangent.kernel[:, :6, :6]
    mean = jnp.linalg.eigvalsh(kernels).mean(1)
    np.testing.assert_allclose(course.start.times[:, -1] * mean, 2.5, rtol=100 * EPS)
    assert course.situation.x.shape == (3 + measurements.UNSEEN, 8)
    np.testing.assert_allclose((course.situation.x**2).mean(1), 1, rtol=16 * EPS)
    assert float((course.situation.targets**2).mean()) == pytest.approx(1, rel=16 * EPS)
