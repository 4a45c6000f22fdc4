"""Wrong theories and wrong implementations of lazy training."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from falsehood import Falsehood, as_stated, instead, refuted_by
from wrong_theories import decide, restate

import advntk.theories.lazy_training as lazy_training
from advntk import Rate, RateDecider
from advntk.theories.lazy_training import dynamics, first_order, measurements, trials

LINEARIZATION, KERNEL = "lazy_training.linearization", "lazy_training.kernel_change"
PARAMETERS, FIRST_ORDER = "lazy_training.parameters", "lazy_training.first_order"
BESIDE, REACH = "lazy_training.linearized_parameters", "lazy_training.reach"
COPIES, ZERO = "lazy_training.two_copies", "lazy_training.uncentred_limit"
LASTING = "lazy_training.lasting_gap"
SIMPLE = {"activation": "tanh", "depth": 1, "samples": 4, "outputs": 1, "data_seed": 0}
FLOW = {**SIMPLE, "time": 1.0}


def subtracted(monkeypatch, output):
    """Networks are `output` of (net, w, x), less what that is at the start."""

    def model(net, start):
        return lambda w, x: output(net, w, x) - output(net, start, x)

    monkeypatch.setattr(dynamics.CentredMLP, "model", model)


@refuted_by(LINEARIZATION, FLOW, also=(BESIDE, REACH), spares=(PARAMETERS,))
def loss_divided_by_alpha_once(monkeypatch):
    """The loss is divided by alpha, not by its square: networks are trained alpha times as fast."""

    def faster(honest, model, start, x, targets, alpha, times, *rest):
        return honest(model, start, x, targets, alpha, alpha * times, *rest)

    instead(monkeypatch, dynamics, "flow", faster)


@refuted_by(LINEARIZATION, FLOW, also=(KERNEL, PARAMETERS))
def centring_dropped(monkeypatch):
    """Outputs at the start are not taken away."""
    monkeypatch.setattr(dynamics.CentredMLP, "model", lambda net, _: net._plain)


@refuted_by(LINEARIZATION, FLOW, also=(KERNEL, BESIDE), spares=(PARAMETERS,))
def linearized_elsewhere(monkeypatch):
    """The linear model touches the network at parameters that are five percent larger."""

    def elsewhere(honest, model, w, x):
        return honest(model, 1.05 * w, x)._replace(outputs=model(w, x))

    instead(monkeypatch, dynamics, "tangent", elsewhere)


@refuted_by(FIRST_ORDER, FLOW, spares=(LINEARIZATION, PARAMETERS))
def linearized_at_the_end(monkeypatch):
    """The linear model touches the network where its training ends, and so does the kernel compared with."""

    def at_the_end(honest, scenario, keys):
        course = honest(scenario, keys)
        ends = course.start.w + course.fine.displacement[:, -1] / course.alpha

        def one(w, end, outputs):
            model = course.net.model(w)
            return dynamics.tangent(model, end, course.situation.x)._replace(outputs=outputs)

        tangent = jax.vmap(one)(course.start.w, ends, course.start.tangent.outputs)
        return course._replace(start=course.start._replace(tangent=tangent))

    instead(monkeypatch, measurements, "run", at_the_end)


@refuted_by(FIRST_ORDER, FLOW, spares=(LINEARIZATION, PARAMETERS))
def alpha_twice(monkeypatch):
    """Outputs are scaled by alpha twice."""

    def twice(honest, model, start, x, targets, alpha, *rest):
        return honest(model, start, x, targets, alpha**2, *rest)

    instead(monkeypatch, dynamics, "flow", twice)


@refuted_by(LINEARIZATION, FLOW, also=(BESIDE,), spares=(KERNEL, PARAMETERS))
def linear_model_trained_longer(monkeypatch):
    """The linear model is trained for a tenth longer."""

    def longer(honest, at_start, targets, alpha, times):
        return honest(at_start, targets, alpha, 1.1 * times)

    instead(monkeypatch, first_order, "linearized", longer)


@refuted_by(LINEARIZATION, FLOW, spares=(KERNEL, PARAMETERS), by=("gap_training", "gap_unseen"))
def output_without_its_scale(monkeypatch):
    """Networks are trained on alpha f and looked at through f."""

    def unscaled(honest, model, start, x, targets, alpha, *rest):
        found = honest(model, start, x, targets, alpha, *rest)
        return found._replace(outputs=found.outputs / alpha)

    instead(monkeypatch, dynamics, "flow", unscaled)


@refuted_by(PARAMETERS, FLOW, also=(KERNEL,))
def displacement_without_its_scale(monkeypatch):
    """The way of the parameters is taken for alpha times as long as it is."""

    def unscaled(honest, model, start, x, targets, alpha, *rest):
        found = honest(model, start, x, targets, alpha, *rest)
        return found._replace(displacement=alpha * found.displacement)

    instead(monkeypatch, dynamics, "flow", unscaled)


@refuted_by(FIRST_ORDER, FLOW, spares=(LINEARIZATION,), by=("gap_beyond_first",))
def first_gap_of_a_model_that_is_not_curved(monkeypatch):
    """The first correction takes account of how Jacobians move, not of how outputs curve."""

    def moved_alone(third):
        return jnp.einsum("kji->ijk", third[:, : len(third), :])

    monkeypatch.setattr(first_order, "_curved", moved_alone)


@refuted_by(FIRST_ORDER, FLOW, spares=(LINEARIZATION, KERNEL), by=("kernel_beyond_first",))
def kernel_that_moves_on_one_side(monkeypatch):
    """Only one of the two Jacobians in a kernel moves, to first order."""

    def half(honest, third, coefficients):
        return honest(third, coefficients) / 2

    instead(monkeypatch, first_order, "kernel_slope", half)


@refuted_by(FIRST_ORDER, FLOW, spares=(LINEARIZATION,), by=("gap_beyond_first",))
def first_gap_of_the_other_sign(monkeypatch):
    """The first correction has the other sign."""
    instead(monkeypatch, first_order, "first_gap", lambda honest, *given: -honest(*given))


@refuted_by(LINEARIZATION, FLOW)
def linearization_to_second_order(monkeypatch):
    """The gap to the linearization is claimed to fall like alpha^-2, however the start is centred."""
    restate(monkeypatch, lazy_training, LINEARIZATION, rate=Rate(2.0, "alpha"))
    deciders = [RateDecider("gap_training", 2.0), RateDecider("gap_unseen", 2.0)]
    decide(monkeypatch, trials, "scaled_flow", LINEARIZATION, deciders)


@refuted_by(COPIES, FLOW)
def copies_with_starts_of_their_own(monkeypatch):
    """The two copies start apart, and their difference at the start is subtracted."""
    monkeypatch.setattr(
        dynamics.CentredMLP, "start", lambda net, key: jax.random.normal(key, (net.parameters,))
    )
    subtracted(monkeypatch, lambda net, w, x: net._difference(w, x))


@refuted_by(COPIES, FLOW)
def copies_of_one_sign(monkeypatch):
    """The two copies are added, and their sum at the start is subtracted."""

    def added(net, w, x):
        one, other = jnp.split(w, 2)
        return (net._plain(one, x) + net._plain(other, x)) / jnp.sqrt(2.0)

    subtracted(monkeypatch, added)


@refuted_by(REACH, FLOW)
def reach_of_half_the_loss(monkeypatch):
    """The way is claimed to be at most sqrt(t/4) |r_0| / alpha."""

    def shorter(honest, course):
        found = honest(course)
        return {**found, "reach": jnp.sqrt(2.0) * found["reach"]}

    instead(monkeypatch, measurements, "measured", shorter)


@refuted_by(ZERO, FLOW)
def uncentred_limit_that_fits_something(monkeypatch):
    """Without a centred start the flow is claimed to tend to one that fits targets of one, not zero."""

    def fitting(honest, net, start, x, targets, *rest):
        return honest(net, start, x, jnp.where((targets == 0).all(), 1.0, targets), *rest)

    instead(monkeypatch, measurements, "trained", fitting)


@refuted_by(LASTING, SIMPLE)
def gap_at_the_training_points(monkeypatch):
    """The gap that is claimed to last is taken at the training points."""

    def seen(honest, start, flow, targets, alpha):
        found = honest(start, flow, targets, alpha)
        m = len(targets)
        linear = jax.vmap(lambda s: first_order.linearized(s.tangent, targets, alpha, s.times[-1:]).outputs)(
            start
        )
        gap = flow.outputs[:, -1] - linear[:, 0]
        other = flow.outputs.at[:, -1, m:].add(gap[:, :m] - gap[:, m:])
        off = honest(start, flow._replace(outputs=other), targets, alpha)["off_lasting_gap"]
        return {**found, "off_lasting_gap": off}

    instead(monkeypatch, measurements, "_at_the_end", seen)


UNCENTRED = Falsehood(
    "lazy whatever the start is",
    "Scaling is claimed to linearize a network that does not start at zero.",
    "lazy_training.uncentred",
    as_stated,
    FLOW,
)
OVER_TIME = Falsehood(
    "lazy after long training",
    "Longer training is claimed to bring a network back to its linearization at unseen points.",
    "lazy_training.over_time",
    as_stated,
    SIMPLE,
)
