r"""Kernel AT: adversarial training in the limit of infinite hidden widths at a fixed input width.

    d_t f_t(x) = - sum_i Theta(x, z_i(t)) (f_t(z_i(t)) - y_i),    z_i(t) = search of x_i under f_t itself,

Theta the limit NTK.  f_t is f_0 plus a kernel machine, f_t(x) = f_0(x) + Theta(x, Z) w, whose support Z
grows with every step: training has been at inputs that were elsewhere, and f_t keeps what it learned there.

Steps are exponential midpoint rules.  With the searched inputs held at their place Z_h in the middle of a
step of length h, training is linear and solved exactly by the weights -h phi_1(-h Theta(Z_h, Z_h)) r,
r = f(Z_h) - y: stable at any step, of second order, and exact where nothing moves.  A step and two of half
its length are compared at the clean points and where they trained; the two are kept.
Source: theory, section 8.1; Hochbruck & Ostermann, Acta Numerica 19 (2010), for exponential integrators.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from advntk.implementations.dynamics.kernel_search import Search
from advntk.implementations.exponentials import phi1
from advntk.implementations.kernels.ntk import Kernel
from advntk.implementations.results import Result, of_finite

# The share that is taken of the step that the error asks for, and the bounds of a step over the last one.
_SAFETY, _LARGEST_GROWTH, _LEAST_GROWTH = 0.85, 4.0, 0.2
# The first step, in units of 1/mean_i Theta(x_i, x_i): short against everything that moves.
_FIRST = 1e-2


@dataclass(frozen=True)
class KernelFunction:
    """f(x) = f_0(x) + Theta(x, Z) w, a function that can be searched.

    Attributes:
      kernel: Theta.
      start: f_0 of several inputs, registered with JAX, or None for 0.
      support: Z, (n, *shape); places that are not used yet have weight 0.
      weights: w, (n, c).
    """

    kernel: Kernel
    start: Callable[[Any], Any] | None
    support: Any
    weights: Any

    def __call__(self, x: Float[Array, "k *shape"]) -> Float[Array, "k c"]:
        """Outputs at several inputs, (k, c)."""
        found: Array = self.kernel.cross(x, self.support) @ self.weights
        return found if self.start is None else found + self.start(x)

    def ascent(self, x: Float[Array, "k *shape"], y: Float[Array, "k c"]) -> Float[Array, "k *shape"]:
        """Input gradient of 1/2 ||f(x_i) - y_i||^2 of each sample, of the shape of `x`."""
        if self.start is None:
            return self.kernel.loss_gradient(x, y, self.support, self.weights)
        at_start, pull = jax.vjp(self.start, x)
        of_kernel = self.kernel.loss_gradient(x, y - at_start, self.support, self.weights)
        return of_kernel + pull(self.kernel.cross(x, self.support) @ self.weights + at_start - y)[0]

    def plus(self, support: Float[Array, "k *shape"], weights: Float[Array, "k c"]) -> KernelFunction:
        """The sum with Theta(x, support) weights."""
        return replace(
            self,
            support=jnp.concatenate([self.support, support]),
            weights=jnp.concatenate([self.weights, weights]),
        )


jax.tree_util.register_dataclass(
    KernelFunction, data_fields=["kernel", "start", "support", "weights"], meta_fields=[]
)


class KernelFlow(NamedTuple):
    """Kernel AT at the times asked for.

    `outputs` are f_t at the points, clean (0) and searched (1), samples first; `function` is f at the last
    time; `error` the sum of the estimated errors of the steps, in the units of the outputs; unless `result`
    is 0 (`Result.successful`) outputs after it was met are not finite.
    """

    times: Float[Array, " times"]
    outputs: Float[Array, "times 2 p c"]
    function: KernelFunction
    error: Float[Array, ""]
    steps: Int[Array, ""]
    result: Int[Array, ""]


class _Progress(NamedTuple):
    time: Float[Array, ""]
    step: Float[Array, ""]
    support: Float[Array, "n *shape"]
    weights: Float[Array, "n c"]
    taken: Int[Array, ""]
    tried: Int[Array, ""]
    error: Float[Array, ""]
    result: Int[Array, ""]


class _Parts(NamedTuple):
    """What the parts of a step add to f: one slot each, (slots, m, ...)."""

    support: Float[Array, "slots m *shape"]
    weights: Float[Array, "slots m c"]
    found: Bool[Array, ""]


# A step and two half steps, part by part, so that one search is compiled for all.  Each searches under f
# and the slots in its first mask, at a time in units of h; then trains for a length from f and the slots in
# its second mask, and writes a slot: what predicts the middle, the whole step, its first half, its second.
_PREDICTION, _WHOLE, _FIRST_HALF, _SECOND_HALF = range(4)
_PARTS = (
    # under, at, from, for, into
    ((0, 0, 0, 0), 0.0, (0, 0, 0, 0), 0.5, _PREDICTION),
    ((1, 0, 0, 0), 0.5, (0, 0, 0, 0), 1.0, _WHOLE),
    ((0, 0, 0, 0), 0.0, (0, 0, 0, 0), 0.25, _PREDICTION),
    ((1, 0, 0, 0), 0.25, (0, 0, 0, 0), 0.5, _FIRST_HALF),
    ((0, 0, 1, 0), 0.5, (0, 0, 1, 0), 0.25, _PREDICTION),
    ((1, 0, 1, 0), 0.75, (0, 0, 1, 0), 0.5, _SECOND_HALF),
)


@partial(jax.jit, static_argnames=("n_train", "max_steps"))
def train_kernel(
    kernel: Kernel,
    x: Float[Array, "p *shape"],
    y: Float[Array, "p c"],
    search: Search,
    n_train: int,
    times: Float[Array, " times"],
    tolerance: Float[Array, ""] | float = 1e-4,
    max_steps: int = 128,
    start: Callable[[Any], Any] | None = None,
) -> KernelFlow:
    """Kernel AT on the first `n_train` points, searched by `search`.

    >>> flow = train_kernel(kernel, x, y, FlowSearch(schedule), len(x), times)
    >>> flow.function(unseen)

    Args:
      kernel: the limit NTK.
      x: inputs: what is trained on first, then unseen points.
      y: targets, (p, c); unseen points are searched along their own loss.
      search: of all p points (`kernel_search`).
      n_train: how many points are trained on, m.
      times: training times, increasing from 0, in units of 1/Theta.
      tolerance: of the error of one step, in root mean square over points and outputs, relative to the
        initial residual.
      max_steps: accepted steps; the support has at most 2 m max_steps points, on which memory depends.
      start: f_0 of several inputs, registered with JAX; None for 0.

    Returns:
      Outputs at all times with their error, and f at the end.
    """
    seen, targets = x[:n_train], y[:n_train]
    size = 2 * n_train * max_steps
    empty = jnp.broadcast_to(seen[:1], (size, *seen.shape[1:]))
    first = KernelFunction(kernel, start, seen, jnp.zeros_like(targets))
    unit = jnp.sqrt(((first(seen) - targets) ** 2).mean())
    searching = search.take(n_train)

    def here(state: _Progress) -> KernelFunction:
        return KernelFunction(kernel, start, state.support, state.weights)

    def part(state: _Progress, h: Array, done: _Parts, how: tuple) -> tuple[_Parts, None]:
        under, at, base, length, slot = how

        def with_slots(mask: Array) -> KernelFunction:
            weights = (mask[:, None, None] * done.weights).reshape(-1, targets.shape[1])
            return here(state).plus(done.support.reshape(-1, *seen.shape[1:]), weights)

        moved, result = searching(with_slots(under).ascent, seen, targets, state.time + at * h)
        weights = _weights(kernel, with_slots(base), moved, targets, length * h)
        return _Parts(
            done.support.at[slot].set(moved), done.weights.at[slot].set(weights), done.found & (result == 0)
        ), None

    none = _Parts(
        jnp.broadcast_to(seen, (4, *seen.shape)), jnp.zeros((4, *targets.shape), y.dtype), jnp.asarray(True)
    )
    parts = [
        jnp.asarray(column, None if i == 4 else y.dtype) for i, column in enumerate(zip(*_PARTS, strict=True))
    ]

    def tried(state: _Progress, end: Array) -> _Progress:
        h = jnp.minimum(state.step, end - state.time)
        done, _ = jax.lax.scan(lambda so_far, how: part(state, h, so_far, how), none, tuple(parts))
        halves = slice(_FIRST_HALF, _SECOND_HALF + 1)
        support = done.support[halves].reshape(-1, *seen.shape[1:])
        weights = done.weights[halves].reshape(-1, targets.shape[1])
        places = jnp.concatenate([seen, done.support[_SECOND_HALF]])
        whole = kernel.cross(places, done.support[_WHOLE]) @ done.weights[_WHOLE]
        off = kernel.cross(places, support) @ weights - whole
        # The two half steps are four times as exact as the whole one: a third of the difference is left.
        error = jnp.sqrt((off**2).mean()) / 3
        found = done.found & jnp.isfinite(error)
        ratio = jnp.where(found, error / (tolerance * unit), jnp.inf)
        accepted = ratio <= 1
        growth = jnp.clip(_SAFETY * jnp.maximum(ratio, 1e-12) ** (-1 / 3), _LEAST_GROWTH, _LARGEST_GROWTH)
        # A step that was cut short at a time that was asked for says nothing against longer ones.
        cut = accepted & (h < state.step)
        longest = jnp.where(cut, jnp.maximum(state.step, h * growth), h * growth)
        at = [2 * n_train * state.taken] + [jnp.zeros_like(state.taken)] * (seen.ndim - 1)
        return _Progress(
            jnp.where(accepted, state.time + h, state.time),
            longest,
            jnp.where(accepted, jax.lax.dynamic_update_slice(state.support, support, at), state.support),
            jnp.where(accepted, jax.lax.dynamic_update_slice(state.weights, weights, at[:2]), state.weights),
            state.taken + accepted,
            state.tried + 1,
            state.error + jnp.where(accepted, error, 0),
            _ended(state, end, accepted, h, found, max_steps),
        )

    def interval(state: _Progress, end: Array) -> tuple[_Progress, Array]:
        def unfinished(state: _Progress) -> Array:
            return (state.time < end) & (state.result == 0)

        state = jax.lax.while_loop(unfinished, lambda s: tried(s, end), state)
        f = here(state)
        moved, searched = search(f.ascent, x, y, end)
        outputs = jnp.stack([f(x), f(moved)])
        fine = (searched == 0) & jnp.isfinite(outputs).all()
        result = jnp.where(state.result == 0, of_finite(fine), state.result)
        return state._replace(result=result), jnp.where(result == 0, outputs, jnp.nan)

    step = _FIRST / jnp.diagonal(kernel.gram(seen)).mean()
    zero = jnp.zeros((), int)
    begin = _Progress(
        times[0], step, empty, jnp.zeros((size, y.shape[1]), y.dtype), zero, zero, jnp.zeros(()), zero
    )
    end, outputs = jax.lax.scan(interval, begin, times)
    return KernelFlow(times, outputs, here(end), end.error, end.taken, end.result)


def _weights(kernel: Kernel, f: KernelFunction, support: Array, targets: Array, h: Array) -> Array:
    """-h phi_1(-h Theta(Z, Z)) (f(Z) - y): what training at inputs that stay adds in a time h."""
    values, vectors = jnp.linalg.eigh(kernel.gram(support))
    residual = vectors.T @ (f(support) - targets)
    passed = h * phi1(h * jnp.maximum(values, 0))
    return -vectors @ (passed[:, None] * residual)


def _ended(state: _Progress, end: Array, accepted: Array, h: Array, found: Array, max_steps: int) -> Array:
    """Why training cannot go on after a step, or 0."""
    full = accepted & (state.taken + 1 >= max_steps) & (state.time + h < end)
    # As many rejected steps as may be accepted are no integration any more.
    lost = ~accepted & (state.tried - state.taken >= max_steps)
    result = jnp.where(full | lost, int(Result.max_steps_reached), state.result)
    return jnp.where(~found & (h <= jnp.finfo(h.dtype).eps), int(Result.not_finite), result)
