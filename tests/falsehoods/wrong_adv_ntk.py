"""Wrong implementations of Adv-NTK: solvers, gradients, attacks, training."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
from falsehood import Falsehood, as_stated, instead, refuted_by

import advntk.checks.trials.adv_ntk.training as learning
import advntk.implementations.adv_ntk.training as training
from advntk.implementations.adv_ntk import reference
from advntk.implementations.adv_ntk.contract import IMPLEMENTATIONS, Krylov
from advntk.implementations.adv_ntk.solution import Solution
from advntk.implementations.attacks.pgd import pgd_linf

SOLVER, GRADIENT, THREAT = "adv_ntk.solver", "adv_ntk.gradient", "adv_ntk.threat_model"
EQUIVARIANCE, BATCHING, ZERO = "adv_ntk.equivariance", "adv_ntk.batching", "adv_ntk.zero_start"
RESUME, LIMIT = "adv_ntk.resume", "adv_ntk.limit_of_at"
# One kernel, so that a falsehood takes seconds; `data_seed` 1 takes differences at lambda_max(S) = 30.
KERNEL = {
    "activation": "erf",
    "depth": 2,
    "sigma_w": 1.5,
    "sigma_b": 0.1,
    "arrangement": "generic",
    "data_seed": 1,
}
MACHINE = {"activation": "relu"}
COURSE = {name: value for name, value in KERNEL.items() if name != "arrangement"}
# Strengths that vary in time and a network whose ARK's diagonal does not vary between samples.
VARYING = {**COURSE, "activation": "relu", "schedule": "growing", "strength": 1.0, "training_time": 2.0}


def under_test(monkeypatch, wrong):
    """Make `wrong`, a class, the implementation that is measured where none is named."""
    monkeypatch.setitem(IMPLEMENTATIONS, "krylov", wrong)


def dense(theta, strengths, y, of):
    """p by any function of Theta, d and a column of Y, in double precision and class by class."""
    magnitudes = np.abs(np.asarray(strengths, np.float64))
    columns = magnitudes.reshape(len(y), -1)
    found = [
        of(np.asarray(theta, np.float64), columns[:, c % columns.shape[1]], np.asarray(y, np.float64)[:, c])
        for c in range(y.shape[1])
    ]
    return jnp.asarray(np.stack(found, axis=1), y.dtype)


def weights_by(monkeypatch, of):
    """Answer with other weights."""

    class Wrong(Krylov):
        def solve(self, ntk, strengths, y):
            return Solution(dense(ntk, strengths, y, of))

    under_test(monkeypatch, Wrong)


def gradient_by(monkeypatch, wrong):
    """Answer with another gradient: `wrong` of the true one and the strengths."""

    class Wrong(Krylov):
        def vjp(self, ntk, strengths, y, cotangent):
            found = super().vjp(ntk, strengths, y, cotangent)
            return Solution(wrong(found.value, strengths), found.result)

    under_test(monkeypatch, Wrong)


def decayed(matrix, column):
    """e^{-A} b by an ordinary eigendecomposition."""
    values, vectors = np.linalg.eig(matrix)
    return np.real(vectors @ (np.exp(-values) * np.linalg.solve(vectors, column)))


@refuted_by(SOLVER, KERNEL, by=("weights_error",))
def strengths_on_the_wrong_side_of_the_kernel(monkeypatch):
    """The weights are Theta^{-1}(I - exp(-D Theta)) Y."""
    weights_by(monkeypatch, lambda t, d, y: np.linalg.solve(t, y - decayed(d[:, None] * t, y)))


@refuted_by(SOLVER, KERNEL, by=("weights_error",))
def weights_without_their_last_root(monkeypatch):
    """The weights are phi_1(-S) D^{1/2} Y: one D^{1/2} is missing."""

    def rootless(theta, d, y):
        root = np.sqrt(d)
        values, vectors = np.linalg.eigh(root[:, None] * theta * root)
        phi = np.where(values > 1e-12, -np.expm1(-values) / np.maximum(values, 1e-12), 1)
        return vectors @ (phi * (vectors.T @ (root * y)))

    weights_by(monkeypatch, rootless)


@refuted_by(SOLVER, KERNEL, by=("weights_error",))
def weights_of_infinite_training(monkeypatch):
    """The weights are Theta^{-1} Y, whatever the strengths."""
    weights_by(monkeypatch, lambda t, d, y: np.linalg.solve(t, y))


@refuted_by(SOLVER, KERNEL, by=("weights_error",))
def kernel_in_half_precision(monkeypatch):
    """The kernel is rounded to float16 on its way into the solver, which declares float32."""

    class Half(Krylov):
        def solve(self, ntk, strengths, y):
            return super().solve(ntk.astype(jnp.float16).astype(ntk.dtype), strengths, y)

    under_test(monkeypatch, Half)


@refuted_by(SOLVER, KERNEL, by=("weights_error",))
def nugget_on_the_kernel(monkeypatch):
    """A thousandth of its mean is added to the kernel's diagonal, for safety."""

    class Safer(Krylov):
        def solve(self, ntk, strengths, y):
            unit = jnp.eye(len(y), dtype=ntk.dtype)
            return super().solve(ntk + 1e-3 * jnp.mean(jnp.diagonal(ntk)) * unit, strengths, y)

    under_test(monkeypatch, Safer)


@refuted_by(SOLVER, KERNEL, by=("weights_error",), also=(GRADIENT, EQUIVARIANCE))
def strengths_of_the_wrong_classes(monkeypatch):
    """Strengths per class are read in the order of the other axis: (c, m) taken for (m, c)."""

    def mixed(strengths):
        return strengths.reshape(strengths.shape[::-1]).T if strengths.ndim == 2 else strengths

    class Mixed(Krylov):
        def solve(self, ntk, strengths, y):
            return super().solve(ntk, mixed(strengths), y)

        def vjp(self, ntk, strengths, y, cotangent):
            return super().vjp(ntk, mixed(strengths), y, cotangent)

    under_test(monkeypatch, Mixed)


@refuted_by(SOLVER, KERNEL, by=("unanswered",))
def solver_that_gives_up_early(monkeypatch):
    """The iteration is limited to four steps, and says itself that this is not enough."""
    under_test(monkeypatch, lambda: _limited(4))


def _limited(steps):
    class Short(Krylov):
        def solve(self, ntk, strengths, y):
            from advntk.implementations.adv_ntk import krylov

            found = krylov.weights(ntk, strengths, y, 1e-5, steps)
            # The error itself is left out of it: the answer is that of the reference.
            exact = reference.weights(*(jnp.asarray(a, jnp.float64) for a in (ntk, strengths, y)))
            return Solution(exact.astype(y.dtype), found.result)

    return Short()


@refuted_by(GRADIENT, KERNEL, by=("gradient_error",), also=(ZERO,))
def no_slope_at_zero(monkeypatch):
    """What is divided by D_ii is taken as 0 where D_ii is 0, so that d|w|/dw(0) = 0."""
    gradient_by(monkeypatch, lambda found, strengths: jnp.where(strengths == 0, 0, found))


@refuted_by(GRADIENT, KERNEL, by=("gradient_error",), spares=(ZERO,))
def sign_of_negative_strengths_lost(monkeypatch):
    """The gradient in |varpi| is taken for that in varpi."""
    gradient_by(monkeypatch, lambda found, strengths: jnp.where(strengths < 0, -found, found))


@refuted_by(GRADIENT, KERNEL, by=("gradient_error",), spares=(ZERO,))
def gradient_as_at_zero(monkeypatch):
    """The gradient is sum_c Y_ic G_ic at all strengths."""

    class Linear(Krylov):
        def vjp(self, ntk, strengths, y, cotangent):
            return super().vjp(ntk, jnp.zeros_like(strengths), y, cotangent)

    under_test(monkeypatch, Linear)


@refuted_by(ZERO, MACHINE, by=("gradient_error",))
def gradient_of_one_class(monkeypatch):
    """The gradient per sample is that of the first class alone."""

    class First(Krylov):
        def vjp(self, ntk, strengths, y, cotangent):
            kept = cotangent if strengths.ndim == 2 else cotangent.at[:, 1:].set(0)
            return super().vjp(ntk, strengths, y, kept)

    under_test(monkeypatch, First)


@refuted_by(ZERO, MACHINE, by=("largest_weight", "largest_prediction"))
def strengths_kept_away_from_zero(monkeypatch):
    """|varpi| is taken as sqrt(varpi^2 + 1e-12), which is smooth."""

    class Smooth(Krylov):
        def solve(self, ntk, strengths, y):
            return super().solve(ntk, jnp.sqrt(strengths**2 + 1e-12), y)

    under_test(monkeypatch, Smooth)


def attack_by(monkeypatch, wrong):
    """Attack otherwise: `wrong` gets the gradient, the inputs, the settings and the key."""

    class Wrong(Krylov):
        def attack(self, predictor, x, targets, settings, key):
            return wrong(lambda at: self.loss_gradient(predictor, at, targets), x, settings, key)

    under_test(monkeypatch, Wrong)


@refuted_by(THREAT, MACHINE, by=("beyond_ball",))
def attack_that_projects_around_its_start(monkeypatch):
    """Iterates are kept around the random start in place of the clean input."""

    def overshooting(gradient, x, s, key):
        start = jnp.clip(x + s.radius * jax.random.uniform(key, x.shape, x.dtype, -1, 1), s.low, s.high)
        at = start
        for _ in range(s.attack_steps):
            at = jnp.clip(at + s.step * jnp.sign(gradient(at)), start - s.radius, start + s.radius)
            at = jnp.clip(at, s.low, s.high)
        return at

    attack_by(monkeypatch, overshooting)


@refuted_by(THREAT, MACHINE, by=("gradients_missing",))
def attack_along_one_gradient(monkeypatch):
    """The gradient is taken once, at the random start, and followed by all steps."""

    def once(gradient, x, s, key):
        start = jnp.clip(x + s.radius * jax.random.uniform(key, x.shape, x.dtype, -1, 1), s.low, s.high)
        sign = jnp.sign(gradient(start))
        lower, upper = jnp.maximum(x - s.radius, s.low), jnp.minimum(x + s.radius, s.high)
        return jnp.clip(start + s.attack_steps * s.step * sign, lower, upper)

    attack_by(monkeypatch, once)


@refuted_by(THREAT, MACHINE, by=("beyond_box",))
def attack_that_leaves_the_box(monkeypatch):
    """The attack keeps to the ball and forgets the box."""

    def boxless(gradient, x, s, key):
        return pgd_linf(gradient, x, s.radius, s.step, s.attack_steps, -1.0, 1.0, key)

    attack_by(monkeypatch, boxless)


@refuted_by(BATCHING, MACHINE, by=("prediction_error",))
def predictions_normalised_over_the_batch(monkeypatch):
    """Predictions are centred over the batch that they are asked for in."""

    class Centred(Krylov):
        def predict(self, predictor, x):
            found = super().predict(predictor, x)
            return found - found.mean(axis=0, keepdims=True)

    under_test(monkeypatch, Centred)


@refuted_by(BATCHING, MACHINE, by=("input_gradient_error",))
def gradients_of_the_mean_loss(monkeypatch):
    """The input gradient is that of the mean over the batch, not sample by sample."""

    class Mean(Krylov):
        def loss_gradient(self, predictor, x, targets):
            return super().loss_gradient(predictor, x, targets) / len(x)

    under_test(monkeypatch, Mean)


@refuted_by(EQUIVARIANCE, MACHINE, by=("permuted_weights", "permuted_gradient"))
def samples_weighed_by_their_place(monkeypatch):
    """Later samples count a thousandth more than the one before."""

    def weighed(strengths):
        shape = (-1,) + (1,) * (strengths.ndim - 1)
        return strengths * (1 + 1e-3 * jnp.arange(len(strengths), dtype=strengths.dtype)).reshape(shape)

    class Placed(Krylov):
        def solve(self, ntk, strengths, y):
            return super().solve(ntk, weighed(strengths), y)

        def vjp(self, ntk, strengths, y, cotangent):
            return super().vjp(ntk, weighed(strengths), y, cotangent)

    under_test(monkeypatch, Placed)


@refuted_by(EQUIVARIANCE, MACHINE, by=("rotated_predictions",))
def predictions_by_the_pixel(monkeypatch):
    """Predictions read the first pixel beside the kernel."""

    class Seeing(Krylov):
        def predict(self, predictor, x):
            return super().predict(predictor, x) * (1 + 0.1 * x[:, :1])

    under_test(monkeypatch, Seeing)


@refuted_by(RESUME, MACHINE)
def batches_drawn_from_what_was_drawn_before(monkeypatch):
    """Batches come from one generator that goes on, so that they do not depend on the iteration alone."""
    generator = np.random.default_rng(0)

    def anywhere(settings, iteration, samples):
        return generator.permutation(samples)[: min(settings.batch, samples)]

    monkeypatch.setattr(training, "batch", anywhere)


@refuted_by(RESUME, MACHINE)
def checkpoint_without_the_momentum(monkeypatch):
    """What the optimizer remembers is not kept: it starts anew."""

    def forgetting(honest, path, samples, settings):
        state = honest(path, samples, settings)
        return state._replace(optimizer_state=training.init(samples, settings).optimizer_state)

    instead(monkeypatch, learning, "load_checkpoint", forgetting)


@refuted_by(RESUME, MACHINE)
def checkpoint_in_half_precision(monkeypatch):
    """Strengths are kept in float16."""

    def rounded(honest, path, samples, settings, state):
        strengths = state.strengths.astype(jnp.float16).astype(state.strengths.dtype)
        return honest(path, samples, settings, state._replace(strengths=strengths))

    instead(monkeypatch, learning, "save_checkpoint", rounded)


@refuted_by(LIMIT, VARYING)
def strengths_of_at_without_the_search_time(monkeypatch):
    """Xi(t) is the integral of exp(Theta_x): eta S is dropped."""

    def without(honest, ark, schedule, time):
        return honest(ark, replace(schedule, scale=jnp.ones_like(schedule.scale)), time)

    instead(monkeypatch, learning, "xi_diagonal", without)


@refuted_by(LIMIT, VARYING)
def strengths_of_at_from_their_beginning(monkeypatch):
    """Xi(t) is t exp(eta(0) S Theta_x): strengths are taken as constant."""

    def at_start(honest, ark, schedule, time):
        return time * jnp.exp(ark * schedule.strengths(0.0)[:, None])

    instead(monkeypatch, learning, "xi_diagonal", at_start)


@refuted_by(
    LIMIT, COURSE | {"schedule": "growing", "strength": 1.0, "spread": 0.5}, by=("closed_form_error",)
)
def closed_form_of_the_other_side(monkeypatch):
    """The closed form's Xi is that of the next sample."""
    instead(
        monkeypatch, learning, "closed_form", lambda honest, ntk, xi, r: honest(ntk, jnp.roll(xi, 1, 0), r)
    )


PUBLISHED_ATTACK = Falsehood(
    "published attack within its radius",
    "The published program's attack is claimed to stay within its radius and to take a gradient per step.",
    "adv_ntk.threat_model_as_published",
    as_stated,
    MACHINE,
)
