"""Adversarial training of finite networks: the flow against brute force, descent against the flow."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from scipy.special import erf

from advntk.implementations.dynamics.adversarial_training import Points, train, train_seeds, training_memory
from advntk.implementations.dynamics.discrete_training import GradientDescent, descend_seeds, gradient_descent
from advntk.implementations.dynamics.schedules import Schedule, schedule
from advntk.implementations.networks.activations import ACTIVATIONS
from advntk.implementations.networks.architecture import architecture
from advntk.implementations.networks.finite import (
    apply,
    fan_in,
    forward_pass,
    initialize,
    initialize_seeds,
    weight_shapes,
)
from advntk.implementations.results import Result

EPS = float(np.finfo(float).eps)
# One set of sizes, so that nearly all tests share one compiled program.
WIDTH, INPUTS, OUTPUTS, TRAINED, SHARES, SEEDS = 8, 6, 2, 3, 3, 2
TIMES = jnp.linspace(0.0, 0.4, 5)
SCALE = np.array([0.02, 0.05, 0.08, 0.05, 0.08])
RATE = np.array([0.5, 2.0, 1.0, 1.0, 2.0])


def network(activation_name="erf"):
    """Forward pass and the parameters of `SEEDS` networks of depth 2."""
    arch = architecture(activation_name=activation_name)
    parameters = initialize_seeds(arch, jax.random.split(jax.random.key(0), SEEDS), (INPUTS,), WIDTH, OUTPUTS)
    return forward_pass(arch, weight_shapes(arch, (INPUTS,), WIDTH, OUTPUTS)), parameters


def data(strength=1.0, rng_seed=0):
    """Three trained and two unseen points, with unequal and growing strengths."""
    g = np.random.default_rng(rng_seed)
    x, y = g.standard_normal((5, INPUTS)), g.standard_normal((5, OUTPUTS))
    varying = schedule("growing", jnp.asarray(strength * SCALE), jnp.asarray(RATE))
    return Points(jnp.asarray(x), jnp.asarray(y), varying)


def flow(net, points, times=TIMES, tolerance=1e-6, **batching):
    return train_seeds(*net, points, TRAINED, times, SHARES, tolerance, **batching)


def numbers(parameters, seed):
    return [(np.asarray(w[seed]), np.asarray(b[seed])) for w, b in parameters]


def half_squares(outputs, y):
    """The training loss of every point."""
    return 0.5 * ((np.asarray(outputs) - np.asarray(y)) ** 2).sum(-1)


@jax.jit
def outputs_at(forward, theta, x):
    return forward(theta, x)


@jax.jit
def jacobians(forward, theta, x):
    return jax.jacobian(forward, (0, 1))(theta, x)


def slopes(net, seed, x):
    """Derivatives of all outputs at x by the parameters and by all inputs, as two matrices."""
    forward, parameters = net
    by_theta, by_x = jacobians(forward, [(w[seed], b[seed]) for w, b in parameters], x)
    rows = len(x) * OUTPUTS
    flat = [np.asarray(leaf).reshape(rows, -1) for leaf in jax.tree.leaves(by_theta)]
    return np.concatenate(flat, 1), np.asarray(by_x).reshape(rows, -1)


def kept_to(net, points, found, tolerance):
    """What the outputs of a flow may be off by, per seed.

    A training step errs by `tolerance` sqrt(T) |f_0 - y| in the parameters, hence by |d_theta f| times
    that in the outputs, and a search lets that grow by at most e^{eta S |d_x f|^2}.  The errors of the
    search are smaller and its steps fewer than ten.
    """
    start = found.outputs[:, 0, 0, :TRAINED] - points.y[None, :TRAINED]
    reach = np.sqrt(TIMES[-1]) * np.sqrt((np.asarray(start) ** 2).sum((1, 2)))
    strongest = points.schedule.strengths(TIMES[-1]).max()
    gains = []
    for seed in range(SEEDS):
        by_theta, by_x = slopes(net, seed, points.x)
        gains.append(np.linalg.norm(by_theta, 2) * np.exp(strongest * np.linalg.norm(by_x, 2) ** 2))
    return tolerance * reach * np.asarray(found.steps) * np.array(gains)


PHI_AND_SLOPE = {
    "erf": (erf, lambda z: 2 / np.sqrt(np.pi) * np.exp(-(z**2))),
    "tanh": (np.tanh, lambda z: np.cosh(z) ** -2.0),
}


class Slow:
    """The two flows in numpy, derivatives by hand: classical Runge-Kutta steps, all of one size."""

    def __init__(self, activation_name, points, searching=True):
        self.phi, self.slope = PHI_AND_SLOPE[activation_name]
        self.x, self.y = np.asarray(points.x), np.asarray(points.y)
        self.searching = searching

    def layers(self, theta, x):
        """(input, outcome) of every layer, x of shape (m, d)."""
        tape = []
        for w, b in theta:
            a = self.phi(tape[-1][1]) if tape else x
            tape.append((a, 1.5 / np.sqrt(w.shape[1]) * a @ w.T + 0.1 * b))
        return tape

    def gradients(self, theta, x, y):
        """Gradients of the losses (by W and b of every layer, summed over points) and by x."""
        tape = self.layers(theta, x)
        back, by_theta = tape[-1][1] - y, []
        for (w, _), (a, _), below in zip(theta[::-1], tape[::-1], [*tape[-2::-1], None], strict=True):
            by_theta.append((1.5 / np.sqrt(w.shape[1]) * back.T @ a, 0.1 * back.sum(0)))
            back = 1.5 / np.sqrt(w.shape[1]) * back @ w
            back = back if below is None else back * self.slope(below[1])
        return by_theta[::-1], back

    def search(self, theta, t, count, steps, share=1.0):
        strengths = share * self.searching * (SCALE * (1 + RATE * t))[:count, None]
        y = self.y[:count]
        return runge_kutta(
            lambda _, x: [strengths * self.gradients(theta, x[0], y)[1]], [self.x[:count]], 0.0, 1.0, steps
        )[0]

    def train(self, theta, per_interval, search_steps):
        """Outputs[time, share, point, output] at `TIMES`."""

        def downhill(t, flat):
            theta = list(zip(flat[::2], flat[1::2], strict=True))
            moved = self.search(theta, t, TRAINED, search_steps)
            by_theta, _ = self.gradients(theta, moved, self.y[:TRAINED])
            return [-leaf for layer in by_theta for leaf in layer]

        flat, outputs, start = [leaf for layer in theta for leaf in layer], [], 0.0
        for end in np.asarray(TIMES):
            flat = runge_kutta(downhill, flat, start, end, per_interval)
            theta, start = list(zip(flat[::2], flat[1::2], strict=True)), end
            searched = [self.search(theta, end, 5, search_steps, share) for share in (0.0, 0.5, 1.0)]
            outputs.append([self.layers(theta, x)[-1][1] for x in searched])
        return np.array(outputs)


def runge_kutta(slope, state, start, end, steps):
    def along(h, slopes):
        return [leaf + h * move for leaf, move in zip(state, slopes, strict=True)]

    h = (end - start) / steps
    for t in start + h * np.arange(steps):
        a = slope(t, state)
        b = slope(t + h / 2, along(h / 2, a))
        c = slope(t + h / 2, along(h / 2, b))
        d = slope(t + h, along(h, c))
        state = along(h / 6, [p + 2 * q + 2 * r + s for p, q, r, s in zip(a, b, c, d, strict=True)])
    return state


@pytest.mark.parametrize(("family", "readout"), [("mlp", "flatten"), ("cnn", "flatten"), ("cnn", "pool")])
def test_one_compiled_forward_pass_is_apply_for_every_activation_and_parameterization(family, readout):
    traced = []

    @jax.jit
    def compiled(forward, parameters, x):
        traced.append(1)
        return forward(parameters, x)

    shape = (5,) if family == "mlp" else (3, 4, 2)
    x = jnp.asarray(np.random.default_rng(1).standard_normal((2, *shape)))
    seen = []
    for name in ACTIVATIONS:
        for parameterization in ("ntk", "standard"):
            arch = architecture(family, 2, name, 1.3, 0.4, parameterization, readout)
            parameters = initialize(arch, jax.random.key(2), shape, 3, OUTPUTS)
            shapes = weight_shapes(arch, shape, 3, OUTPUTS)
            wanted = jnp.stack([apply(arch, parameters, each) for each in x])
            # Every layer sums fan-in products in another order; each rounding reaches the outputs times O(1).
            allowed = 8 * EPS * sum(map(fan_in, shapes)) * max(1.0, float(jnp.abs(wanted).max()))
            found = compiled(forward_pass(arch, shapes), parameters, x)
            np.testing.assert_allclose(found, wanted, rtol=0, atol=allowed)
            if parameterization == "ntk":
                seen.append(np.asarray(found))
    assert len(traced) == 1
    assert all(np.abs(a - b).max() > 1e-3 for i, a in enumerate(seen) for b in seen[:i])


@pytest.mark.parametrize("activation_name", ["erf", "tanh"])
def test_the_flow_is_the_brute_force_one_with_unequal_and_varying_strengths(activation_name):
    net, points = network(activation_name), data()
    found = flow(net, points)
    assert not found.result.any()
    allowed = kept_to(net, points, found, 1e-6)
    for seed in range(SEEDS):
        theta = numbers(net[1], seed)
        coarse, fine = (Slow(activation_name, points).train(theta, n, k) for n, k in ((7, 3), (14, 6)))
        # Order four: what the fine one is off by is a fifteenth of the difference.
        off = np.abs(fine - coarse).max()
        assert off <= allowed[seed], "the reference is too coarse to decide"
        np.testing.assert_allclose(found.outputs[seed], fine, rtol=0, atol=allowed[seed] + off)
        # The comparison sees the search: without it in training, clean outputs end elsewhere.
        unsearched = Slow(activation_name, points, searching=False).train(theta, 6, 1)
        assert np.abs(unsearched - fine)[-1, 0].max() > 10 * (allowed[seed] + off)


def linear_case():
    """ReLU networks with biases so large that all units are on: linear in x around the points.

    Returns the network of one seed (twice), points whose residuals are of order one, and residual and
    d_x f d_x f' of every point.
    """
    forward, parameters = network("relu")
    parameters = [
        (jnp.stack([w[0]] * SEEDS), jnp.stack([b[0] + shift] * SEEDS))
        for (w, b), shift in zip(parameters, (1e4, 1e5, 0.0), strict=True)
    ]
    points = data(2.0)
    at_points = outputs_at(forward, [(w[0], b[0]) for w, b in parameters], points.x)
    points = points._replace(y=at_points - points.y)
    by_x = slopes((forward, parameters), 0, points.x)[1].reshape(5, OUTPUTS, 5, INPUTS)
    kernels = [by_x[i, :, i] @ by_x[i, :, i].T for i in range(5)]
    return (forward, parameters), points, list(zip(np.asarray(at_points - points.y), kernels, strict=True))


# Outputs there are sums of terms below 1e5, at inputs that took some dozens of steps.
CANCELLED = 64 * EPS * 1e5


def test_searching_a_network_that_is_linear_in_its_inputs_is_an_exponential():
    """f - y grows as exp(u eta S d_x f d_x f'), at every searched share u."""
    net, points, cases = linear_case()
    found = flow(net, points, times=jnp.zeros(5))
    assert not found.result.any()
    growths = []
    for point, (residual, kernel) in enumerate(cases):
        for share in range(SHARES):
            growth = scipy.linalg.expm(share / (SHARES - 1) * 2 * SCALE[point] * kernel)
            growths.append(np.linalg.norm(growth, 2))
            # At most 16 steps for each share, 1e-7 in x each, seen through |d_x f|, grown by the search.
            allowed = (share * 16 * 1e-7 * np.linalg.norm(kernel, 2) ** 0.5 + CANCELLED) * growths[-1]
            moved = found.outputs[0, 0, share, point] - points.y[point]
            np.testing.assert_allclose(moved, growth @ residual, rtol=0, atol=allowed)
    assert max(growths) > 3, "the searches are too weak to tell exponentials from lines"


def test_discrete_searching_of_a_linear_network_is_a_power():
    """f - y grows as (1 + eta S d_x f d_x f' / K)^K in K steps: exact, up to rounding."""
    net, points, cases = linear_case()
    found = descend_seeds(*net, points, TRAINED, jnp.zeros(5, int), gradient_descent(0.1, 4))
    for point, (residual, kernel) in enumerate(cases):
        growth = np.linalg.matrix_power(np.eye(OUTPUTS) + 2 * SCALE[point] / 4 * kernel, 4)
        moved = found[0, 0, 1, point] - points.y[point]
        allowed = CANCELLED * np.linalg.norm(growth, 2)
        np.testing.assert_allclose(moved, growth @ residual, rtol=0, atol=allowed)


def test_without_strength_searched_outputs_are_the_clean_ones_and_training_lowers_the_loss():
    found, points = flow(network(), data(0.0)), data(0.0)
    for share in range(SHARES):
        # The same forward pass, compiled twice: rounding alone.
        np.testing.assert_allclose(found.outputs[:, :, share], found.outputs[:, :, 0], rtol=0, atol=64 * EPS)
    losses = half_squares(found.outputs[:, :, 0, :TRAINED], points.y[:TRAINED]).sum(-1)
    assert (np.diff(losses, axis=1) < -1e-3).all()


def test_searching_raises_the_loss_of_every_point():
    points = data()
    losses = half_squares(flow(network(), points).outputs, points.y)
    assert (np.diff(losses, axis=2) > 0).all()


def test_unseen_points_are_searched_but_do_not_influence_training():
    net, points, others = network(), data(), data(rng_seed=1)
    mixed = points._replace(
        x=points.x.at[TRAINED:].set(others.x[TRAINED:]), y=points.y.at[TRAINED:].set(others.y[TRAINED:])
    )
    one, other = flow(net, points), flow(net, mixed)
    np.testing.assert_array_equal(one.outputs[:, :, 0, :TRAINED], other.outputs[:, :, 0, :TRAINED])
    # They share the steps of the last search, hence its error, which is a tenth of the tolerance.
    allowed = kept_to(net, points, one, 1e-6)[:, None, None, None, None]
    assert (np.abs(one.outputs - other.outputs)[:, :, :, :TRAINED] <= allowed).all()
    assert (np.abs(one.outputs - other.outputs)[:, :, :, TRAINED:].max((0, 1, 2, 4)) > 0.1).all()
    np.testing.assert_array_equal(one.steps, other.steps)
    steps = descend_seeds(*net, points, TRAINED, 4 * jnp.arange(5), gradient_descent(0.025, 4))
    same = descend_seeds(*net, mixed, TRAINED, 4 * jnp.arange(5), gradient_descent(0.025, 4))
    # Explicit steps have no common size: nothing is shared between points.
    np.testing.assert_array_equal(steps[..., :TRAINED, :], same[..., :TRAINED, :])


def test_a_loop_over_seeds_and_one_batch_agree():
    net, points = network(), data()
    loop, batch = flow(net, points), flow(net, points, batching="vmap")
    np.testing.assert_array_equal(loop.steps, batch.steps)
    np.testing.assert_array_equal(loop.result, batch.result)
    # The same steps; sums are taken in another order, and every step passes its rounding on.
    rounding = kept_to(net, points, loop, 64 * EPS)[:, None, None, None, None]
    assert (np.abs(loop.outputs - batch.outputs) <= rounding).all()
    assert np.abs(loop.outputs[0] - loop.outputs[1]).max() > 0.1


def test_a_smaller_tolerance_is_a_smaller_error():
    net, points = network(), data()
    best = flow(net, points, tolerance=1e-8)
    before = np.full(SEEDS, np.inf)
    for tolerance in (1e-4, 1e-5, 1e-6):
        found = flow(net, points, tolerance=tolerance)
        off = np.abs(found.outputs - best.outputs).max((1, 2, 3, 4))
        assert (off <= kept_to(net, points, found, tolerance)).all()
        # Steps of order five: an error per step ten times smaller, of not twice as many steps.
        assert (off <= before / 4).all()
        before = off


def test_what_blows_up_says_so_and_raises_nothing():
    """Strengths that move inputs of ReLU networks by more than the largest double; a single interval."""
    times = jnp.array([0.0, 0.1, 0.1, 0.1, 0.1])
    found = flow(network("relu"), data(1e4), times=times)
    assert (found.result == Result.max_steps_reached).all()
    forward, parameters = network()
    broken = jax.tree.map(lambda leaf: leaf.at[1:].set(jnp.nan), parameters)
    found = flow((forward, broken), data(0.1), times=times).result.tolist()
    assert found == [Result.successful] + [Result.not_finite] * (SEEDS - 1)


def test_a_tolerance_that_was_not_kept_is_said():
    """Without a search the loss can only fall; with intervals too long for the steps allowed it rose."""
    points = data(0.0)
    found = flow(network(), points, times=50 * TIMES, tolerance=1e-3)
    losses = half_squares(found.outputs[:, :, 0, :TRAINED], points.y[:TRAINED]).sum(-1)
    risen = (np.diff(losses, axis=1) > 1e-2).any(1)
    np.testing.assert_array_equal(risen & (np.asarray(found.result) == 0), False)


def errors_of_descent(net, points, wanted, rates, plant=None):
    """Largest difference to the flow, per seed and share, at learning rates 0.1/n with n search steps."""
    found = []
    for n in rates:
        how = gradient_descent(0.1 / n, n)
        how = how if plant is None else GradientDescent(plant * how.learning_rate, how.search_steps)
        outputs = descend_seeds(*net, points, TRAINED, n * jnp.arange(5), how)
        found.append(np.abs(outputs - wanted).max((1, 3, 4)))
    return np.array(found)


def test_gradient_descent_tends_to_the_flow_at_first_order():
    net, points, rates = network(), data(), (8, 16, 32, 64)
    wanted = flow(net, points, tolerance=1e-8).outputs[:, :, ::2]
    errors = errors_of_descent(net, points, wanted, rates)
    orders = np.log2(errors[:-1] / errors[1:])
    assert ((orders >= 0.8) & (orders <= 1.25)).all(), orders

    # A sign error in training, in the search, or a search without its schedule tends to something else.
    uphill = errors_of_descent(net, points, wanted, rates[-2:], plant=-1.0)
    backwards = points._replace(schedule=Schedule.of("growing", jnp.asarray(-SCALE), jnp.asarray(RATE)))
    constant = points._replace(schedule=schedule("constant", jnp.asarray(SCALE)))
    others = (errors_of_descent(net, wrong, wanted, rates[-2:]) for wrong in (backwards, constant))
    for planted in (uphill, *others):
        assert (np.log2(planted[0] / planted[1])[:, 1] < 0.8).all()


def test_discrete_training_that_diverges_ends_in_numbers_that_are_not_finite():
    outputs = descend_seeds(*network("relu"), data(), TRAINED, 64 * jnp.arange(5), gradient_descent(100.0, 4))
    assert np.isfinite(outputs[:, 0]).all()
    assert not np.isfinite(outputs[:, -1]).any()


@pytest.mark.parametrize("rate", [0.0, -0.1, float("inf"), float("nan")])
def test_settings_of_gradient_descent_are_checked(rate):
    with pytest.raises(ValueError, match=rf"learning_rate = {rate} must be positive"):
        gradient_descent(rate, 4)
    for steps in (0, -3):
        with pytest.raises(ValueError, match=rf"search_steps = {steps} must be at least 1.*strengths to 0"):
            gradient_descent(0.1, steps)


@pytest.mark.parametrize(("width", "depth"), [(32, 1), (128, 1), (32, 2), (128, 2)])
def test_memory_estimated_covers_what_is_allocated(width, depth):
    arch = architecture(depth=depth)
    shapes = weight_shapes(arch, (width,), width, OUTPUTS)
    parameters = [(jnp.zeros(s), jnp.zeros(s[0])) for s in shapes]
    points = Points(jnp.zeros((6, width)), jnp.zeros((6, OUTPUTS)), schedule("constant", jnp.ones(6)))
    forward = forward_pass(arch, shapes)
    program = jax.jit(lambda theta: train(forward, theta, points, 4, TIMES, 2))
    found = program.lower(parameters).compile().memory_analysis()
    taken = found.temp_size_in_bytes + found.argument_size_in_bytes + found.output_size_in_bytes
    estimate = training_memory(arch, (width,), width, 6, OUTPUTS)
    # An upper estimate, and not one that would halve the number of seeds that fit.
    assert taken <= estimate <= 2 * taken
