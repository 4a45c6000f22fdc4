r"""Networks whose output is scaled by alpha, their gradient flow, and what it is near alpha = infinity.

The loss |alpha f(w) - y|^2 / (2 alpha^2) has the gradient flow w' = -Df(w)^T (alpha f(w) - y) / alpha.  Its
displacement v = alpha (w - w_0) obeys

    v' = -Df(w_0 + v / alpha)^T (alpha f(w_0 + v / alpha) - y),   v(0) = 0,

whose terms keep their size as alpha grows, so that one tolerance means the same at every alpha.

A model is a function (w, x) |-> outputs, a vector with the outputs of the first point first.  Training points
come before unseen ones: with m targets, the first m entries are trained.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import diffrax
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

Model = Callable[[Array, Array], Array]

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "tanh": jnp.tanh,
    "erf": jax.lax.erf,
    "gelu": lambda u: u * (1 + jax.lax.erf(u / jnp.sqrt(2.0))) / 2,
    "softplus": jax.nn.softplus,
}
# Standard deviations of weights and biases, wide of where outputs would all be alike or all be linear.
_WEIGHT, _BIAS = 1.5, 0.3
# Smooth flows over some ten relaxation times need tens of steps; who needs more has lost its way.
_MOST_STEPS = 4096


class CentredMLP(NamedTuple):
    """An MLP in the NTK parameterization, and how its start is centred.

    `centring`: "subtracted" takes the outputs at the start away, "antisymmetric" takes half the difference of
    two copies with equal starts (times sqrt 2, which keeps the kernel), "none" leaves outputs as they are.
    """

    activation: str
    depth: int
    width: int
    inputs: int
    outputs: int
    centring: str

    @property
    def sizes(self) -> tuple[int, ...]:
        """Widths of all layers, inputs and outputs among them."""
        return (self.inputs, *(self.width,) * self.depth, self.outputs)

    @property
    def parameters(self) -> int:
        """Number of parameters, those of a second copy included."""
        one = sum((a + 1) * b for a, b in zip(self.sizes[:-1], self.sizes[1:], strict=True))
        return 2 * one if self.centring == "antisymmetric" else one

    def start(self, key: Array) -> Float[Array, " parameters"]:
        """Standard normal parameters; both copies of an antisymmetric network start alike."""
        if self.centring == "antisymmetric":
            return jnp.tile(jax.random.normal(key, (self.parameters // 2,)), 2)
        return jax.random.normal(key, (self.parameters,))

    def model(self, start: Float[Array, " parameters"]) -> Model:
        """The centred network as a function of parameters and points."""
        if self.centring == "antisymmetric":
            return self._difference
        if self.centring == "subtracted":
            return lambda w, x: self._plain(w, x) - self._plain(start, x)
        return self._plain

    def _difference(self, w: Array, x: Array) -> Array:
        one, other = jnp.split(w, 2)
        return (self._plain(one, x) - self._plain(other, x)) / jnp.sqrt(2.0)

    def _plain(self, w: Float[Array, " parameters"], x: Float[Array, "points inputs"]) -> Array:
        layers = list(zip(self.sizes[:-1], self.sizes[1:], strict=True))
        at = 0
        for number, (size, after) in enumerate(layers):
            weights = w[at : at + size * after].reshape(size, after)
            bias = w[at + size * after : at + (size + 1) * after]
            at += (size + 1) * after
            x = _WEIGHT * x @ weights / jnp.sqrt(size) + _BIAS * bias[None]
            if number < len(layers) - 1:
                x = ACTIVATIONS[self.activation](x)
        return x.ravel()


class Tangent(NamedTuple):
    """A model at its start: outputs of all points, their derivatives, and the kernel of those."""

    outputs: Float[Array, " n"]
    jacobian: Float[Array, "n parameters"]
    kernel: Float[Array, "n n"]


def tangent(model: Model, w: Float[Array, " parameters"], x: Float[Array, "points inputs"]) -> Tangent:
    """The linear model that touches `model` at `w`."""
    jacobian = jacobian_of(model, w, x)
    return Tangent(model(w, x), jacobian, jacobian @ jacobian.T)


def jacobian_of(model: Model, w: Float[Array, " parameters"], x: Float[Array, "points inputs"]) -> Array:
    """Derivatives of all outputs by all parameters, of shape (n, parameters)."""
    outputs, pull = jax.vjp(lambda parameters: model(parameters, x), w)
    return jax.vmap(lambda row: pull(row)[0])(jnp.eye(len(outputs)))


class Flow(NamedTuple):
    """A gradient flow at several times: displacements alpha (w - w_0), and alpha f(w) at all points.

    `result` is 0 where the integrator came to the end, and its own code where not; values are then NaN.
    """

    displacement: Float[Array, "times parameters"]
    outputs: Float[Array, "times n"]
    steps: Int[Array, ""]
    result: Int[Array, ""]


def flow(
    model: Model,
    start: Float[Array, " parameters"],
    x: Float[Array, "points inputs"],
    targets: Float[Array, " m"],
    alpha: Float[Array, ""],
    times: Float[Array, " times"],
    tolerance: Float[Array, ""],
) -> Flow:
    """The flow w' = -Df(w)^T (alpha f(w) - y) / alpha on the first points, integrated.

    Args:
      model: what is trained.
      start: w_0.
      x: training points, then unseen ones.
      targets: y, one number per trained output.
      alpha: scale of the output.
      times: when to look, increasing, the first above 0.
      tolerance: error of a step in the Euclidean norm of v, relative to its reach sqrt(T / 2) |r_0|; no
        displacement exceeds that.
    """
    trained = x[: len(x) * len(targets) // _size(model, start, x)]

    def slope(_: Any, v: Array, __: Any) -> Array:
        outputs, pull = jax.vjp(lambda w: model(w, trained), start + v / alpha)
        return -pull(alpha * outputs - targets)[0]

    residual = alpha * model(start, trained) - targets
    reach = jnp.sqrt(times[-1] / 2 * (residual**2).sum())
    controller = diffrax.PIDController(rtol=0.0, atol=tolerance * reach, norm=_two_norm)
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(slope),
        diffrax.Tsit5(),
        t0=0.0,
        t1=times[-1],
        dt0=times[-1] / 64,
        y0=jnp.zeros_like(start),
        saveat=diffrax.SaveAt(ts=times),
        # Steps end where is looked: interpolation in between would be less exact than the steps.
        stepsize_controller=diffrax.ClipStepSizeController(controller, step_ts=times),
        adjoint=diffrax.ForwardMode(),  # nothing is differentiated through the solution
        max_steps=_MOST_STEPS,
        throw=False,
    )
    assert solution.ys is not None
    arrived = solution.result == diffrax.RESULTS.successful
    v = jnp.where(arrived, solution.ys, jnp.nan)
    outputs = jax.lax.map(lambda at: alpha * model(start + at / alpha, x), v)
    return Flow(v, outputs, solution.stats["num_steps"], jnp.where(arrived, 0, 1))


def _size(model: Model, start: Array, x: Array) -> int:
    return jax.eval_shape(model, start, x).size


def _two_norm(v: Array) -> Array:
    return jnp.sqrt((v**2).sum())
