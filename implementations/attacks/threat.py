r"""What an attack may do: move an input within a ball around it and within the box of valid inputs.

The projection onto ball and box together, m = moved, x = clean, delta = m - x, is the KKT point of
min |z - m|^2/2 subject to both.  Since x lies in the box, the multiplier s or u of the ball leaves

    l2:  z - x = clip(s delta, low - x, high - x),                    0 <= s <= 1,
    l1:  z - x = clip(sign(delta) (|delta| - u)_+, low - x, high - x),   u >= 0,

whose norm is monotone in the multiplier and, between breakpoints that one sort finds, quadratic in s
or linear in u: solved exactly, without iteration.
Source: own derivation; Croce & Hein, ICML 2021 (arXiv 2103.01208), section 3, for the l1 case.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

Scalar = float | int | Float[Array, ""]
Keys = Key[Array, ""] | Key[Array, " k"]
NORMS = ("linf", "l2", "l1")


@dataclass(frozen=True)
class ThreatModel:
    """A ball of `radius` in `norm` around each sample, within the box [low, high] of each coordinate.

    All in the units of the data; the norm is that of a whole sample.  Radius 0 allows the clean input
    only.  `radius`, `low` and `high` may be traced by JAX (then unchecked); `norm` is static.

    Raises:
      ValueError: an unknown norm, a radius that is negative, infinite or NaN, or an empty box.
    """

    norm: str
    radius: Scalar
    low: Scalar = -math.inf
    high: Scalar = math.inf

    def __post_init__(self) -> None:
        if self.norm not in NORMS:
            raise ValueError(f"norm = {self.norm!r} is unknown; choose one of: {', '.join(NORMS)}")
        for name in ("radius", "low", "high"):
            value = getattr(self, name)
            if isinstance(value, str | complex | None) or (hasattr(value, "ndim") and value.ndim):
                raise ValueError(f"{name} = {str(value)[:40]} must be a single number")
        if _known(self.radius) and not 0 <= self.radius < math.inf:
            raise ValueError(f"radius = {self.radius} must be a finite number of at least 0")
        if _known(self.low) and _known(self.high) and not self.low < self.high:
            raise ValueError(f"low, high = {self.low}, {self.high} is no box; choose low < high")


jax.tree_util.register_dataclass(ThreatModel, data_fields=["radius", "low", "high"], meta_fields=["norm"])


def size(threat: ThreatModel, delta: Float[Array, "k *shape"]) -> Float[Array, " k"]:
    """Norm of each sample of `delta`."""
    return jnp.linalg.norm(_flat(delta), {"linf": jnp.inf, "l2": 2, "l1": 1}[threat.norm], axis=1)


def project(
    threat: ThreatModel, clean: Float[Array, "k *shape"], moved: Float[Array, "k *shape"]
) -> Float[Array, "k *shape"]:
    """The point nearest (Euclidean) to each sample of `moved` in both the ball around `clean` and the box.

    `clean` must lie in the box.  The result is in the box exactly, in the ball up to rounding.
    """
    radius, low, high = threat.radius, threat.low, threat.high
    if threat.norm == "linf":
        return jnp.clip(moved, jnp.maximum(clean - radius, low), jnp.minimum(clean + radius, high))
    delta = _flat(moved - clean)
    # How far each coordinate may go the way it went, before it meets the box.
    room = jnp.maximum(jnp.where(delta > 0, high - _flat(clean), _flat(clean) - low), 0)
    nearest = _nearest_l2 if threat.norm == "l2" else _nearest_l1
    length = nearest(jnp.abs(delta), room, jnp.asarray(radius, delta.dtype))
    return jnp.clip(clean + (jnp.sign(delta) * length).reshape(clean.shape), low, high)


def random_start(threat: ThreatModel, key: Keys, x: Float[Array, "k *shape"]) -> Float[Array, "k *shape"]:
    """A point drawn uniformly from each sample's ball, then clipped to the box (which keeps it in the ball).

    `key` is one key, or one per sample: then a sample's start depends on no other sample.
    """
    d = math.prod(x.shape[1:])

    def drawn(key: Array) -> Array:
        first, second = jax.random.split(key)
        if threat.norm == "linf":
            return jax.random.uniform(first, (d,), x.dtype, -1, 1)
        # Uniform on the sphere of the norm, and the radius of uniform volume.
        if threat.norm == "l2":
            of = jax.random.normal(first, (d,), x.dtype)
            surface = of / jnp.linalg.norm(of)
        else:
            of = jax.random.laplace(first, (d,), x.dtype)
            surface = of / jnp.sum(jnp.abs(of))
        return surface * jax.random.uniform(second, (), x.dtype) ** (1 / d)

    moved = x + threat.radius * jax.vmap(drawn)(per_sample(key, len(x))).reshape(x.shape)
    return jnp.clip(moved, threat.low, threat.high)


def per_sample(key: Keys, samples: int) -> Key[Array, " k"]:
    """One key per sample: those given, or as many split from the one given."""
    return key if key.ndim else jax.random.split(key, samples)


def fold_in(keys: Key[Array, " k"], number: int | Int[Array, ""]) -> Key[Array, " k"]:
    """The keys of draw `number`, one per sample."""
    return jax.vmap(jax.random.fold_in, (0, None))(keys, number)


def spread(values: Float[Array, " k"] | Array, like: Float[Array, "k *shape"]) -> Array:
    """One value per sample, shaped to broadcast over the sample's coordinates."""
    return values.reshape((-1,) + (1,) * (like.ndim - 1))


def _nearest_l2(
    length: Float[Array, "k d"], room: Float[Array, "k d"], radius: Float[Array, ""]
) -> Float[Array, "k d"]:
    """min(s length, room) of l2 norm at most `radius`, s <= 1 as large as can be."""
    meets = jnp.where(length > room, room / jnp.where(length > 0, length, 1), 1)
    order = jnp.argsort(meets, axis=1)
    squares = jnp.take_along_axis(meets, order, 1) ** 2
    # The squared norm grows by `free` per unit of s^2: the coordinates that have not met the box.
    free = jnp.cumsum(jnp.take_along_axis(length, order, 1)[:, ::-1] ** 2, axis=1)[:, ::-1]
    norms = jnp.cumsum(free * jnp.diff(squares, axis=1, prepend=0), axis=1)
    at = jnp.argmax(norms >= radius**2, axis=1, keepdims=True)
    back, slope = (jnp.take_along_axis(one, at, 1) for one in (norms, free))
    square = jnp.take_along_axis(squares, at, 1) - (back - radius**2) / jnp.where(slope > 0, slope, 1)
    inside = norms[:, -1:] <= radius**2
    return jnp.minimum(jnp.where(inside, 1, jnp.sqrt(jnp.maximum(square, 0))) * length, room)


def _nearest_l1(
    length: Float[Array, "k d"], room: Float[Array, "k d"], radius: Float[Array, ""]
) -> Float[Array, "k d"]:
    """min((length - u)_+, room) of sum at most `radius`, u >= 0 as small as can be."""
    # As u falls a coordinate starts to grow at u = length and meets the box at u = length - room.
    starts, meets = length, jnp.maximum(length - room, 0)
    events, change = jnp.hstack([starts, meets]), jnp.hstack([jnp.ones_like(starts), -jnp.ones_like(meets)])
    order = jnp.argsort(-events, axis=1)
    events, growing = (jnp.take_along_axis(one, order, 1) for one in (events, change))
    growing = jnp.pad(jnp.cumsum(growing, axis=1), ((0, 0), (1, 0)))[:, :-1]
    sums = jnp.cumsum(growing * -jnp.diff(events, axis=1, prepend=events[:, :1]), axis=1)
    at = jnp.argmax(sums >= radius, axis=1, keepdims=True)
    event, over, slope = (jnp.take_along_axis(one, at, 1) for one in (events, sums, growing))
    multiplier = event + (over - radius) / jnp.maximum(slope, 1)
    inside = sums[:, -1:] <= radius
    return jnp.minimum(jnp.maximum(length - jnp.where(inside, 0, multiplier), 0), room)


def _flat(values: Float[Array, "k *shape"]) -> Float[Array, "k d"]:
    return values.reshape(len(values), -1)


def _known(value: object) -> bool:
    # What JAX rebuilds a threat model from may be anything.
    if isinstance(value, jax.Array | np.ndarray):
        return not isinstance(value, jax.core.Tracer) and not value.ndim
    return isinstance(value, int | float | np.number)
