"""The door of all attacks: shapes, dtypes, box, labels and numbers that fit, or one line that says why not.

Values are looked at wherever they are known: within a compiled function only shapes and dtypes are.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Shaped

from advntk.exceptions import UsageError
from advntk.implementations.attacks.threat import Keys, Scalar, ThreatModel

# What comes in is judged here, and not by its annotation.
Samples = Shaped[Array, "..."] | Shaped[np.ndarray, "..."]
Labels = Shaped[Array, "..."] | Shaped[np.ndarray, "..."]


class BadAttack(UsageError):
    """Arguments of an attack that do not fit; the message names the argument, its value and the fix."""


def checked_samples(
    x: Samples, low: Scalar, high: Scalar, name: str = "x", box: bool = True
) -> Float[Array, "k *shape"]:
    """`x` as an array of JAX, if it is one or more samples of float32 or float64 within the box.

    Args:
      x: samples, (k, *shape).
      low: lower end of the box.
      high: upper end.
      name: of the argument, for messages.
      box: whether values must be finite and lie in the box, up to rounding.

    Raises:
      BadAttack: they are not.
    """
    if is_known(low) and is_known(high) and not _number("low", low) < _number("high", high):
        raise BadAttack(f"low, high = {low}, {high} is no box; choose low < high")
    found = jnp.asarray(x)
    if found.dtype not in (jnp.float32, jnp.float64):
        raise BadAttack(
            f"{name} has dtype {found.dtype}; scale it to the box and convert it to float32 or float64"
        )
    if not found.ndim or not found.size:
        raise BadAttack(f"{name} has shape {found.shape}, no samples; give at least one, (k, *shape)")
    if not box or not is_known(found):
        return found
    here = np.asarray(found)
    if not np.isfinite(here).all():
        first = tuple(map(int, np.argwhere(~np.isfinite(here))[0]))
        raise BadAttack(f"{name}{list(first)} is {here[first]}; remove or repair samples that are not finite")
    if is_known(low) and is_known(high):
        smallest, largest = float(here.min()), float(here.max())
        # Scaling rounds once, converting to single precision once more.
        slack = 4 * float(jnp.finfo(jnp.float32).eps) * max(map(abs, _finite(low, high)), default=0.0)
        if smallest < float(low) - slack or largest > float(high) + slack:
            raise BadAttack(
                f"{name} runs from {smallest:g} to {largest:g}, outside the box [{float(low):g}, "
                f"{float(high):g}]; scale the samples, or give the box that they lie in"
            )
    return found


def checked_labels(labels: Labels, samples: int, classes: int | None) -> Int[Array, " k"]:
    """`labels` as an array of JAX, if it holds one class, an integer from 0, for each sample.

    Args:
      labels: (k,).
      samples: k.
      classes: how many there are, if that is known.

    Raises:
      BadAttack: it does not.
    """
    found = jnp.asarray(labels)
    if found.shape != (samples,):
        fix = "; labels.argmax(axis=1) if they are one-hot" if found.ndim == 2 else ""
        raise BadAttack(
            f"labels has shape {found.shape}, x {samples} samples; give one class per sample{fix}"
        )
    if not jnp.issubdtype(found.dtype, jnp.integer):
        raise BadAttack(f"labels has dtype {found.dtype}; give classes as integers 0, 1, ...")
    if classes is not None and is_known(found):
        smallest, largest = int(found.min()), int(found.max())
        if smallest < 0 or largest >= classes:
            raise BadAttack(
                f"labels run from {smallest} to {largest}, outputs has {classes} classes; "
                f"give classes from 0 to {classes - 1}"
            )
    return found


def checked_threat(threat: ThreatModel, like: Float[Array, "k *shape"]) -> ThreatModel:
    """The threat model in the dtype of the samples, so that nothing is promoted on the way.

    Raises:
      BadAttack: it is none.
    """
    if not isinstance(threat, ThreatModel):
        raise BadAttack(f"threat = {threat!r} is no ThreatModel; give ThreatModel(norm, radius, low, high)")
    return ThreatModel(threat.norm, *(settled(one, like) for one in (threat.radius, threat.low, threat.high)))


def checked_predictor(outputs: Callable[[Any], Any], x: Float[Array, "k *shape"]) -> int:
    """How many classes a predictor has, by its outputs for `x`; nothing is computed.

    Raises:
      BadAttack: it does not map (k, *shape) to floats (k, c) with at least 2 classes.
    """
    found = _traced("outputs", outputs, x)
    shape = getattr(found, "shape", None)
    if shape is None or len(shape) != 2 or shape[0] != len(x) or shape[1] < 2:
        given = type(found).__name__ if shape is None else f"shape {shape}"
        raise BadAttack(
            f"outputs gives {given} for x of shape {x.shape}; it must give (k, c), one row per sample and "
            "c >= 2 classes"
        )
    if not jnp.issubdtype(found.dtype, jnp.floating):
        raise BadAttack(f"outputs gives dtype {found.dtype}; it must give floating-point numbers")
    return int(shape[1])


def checked_ascent(
    losses_and_gradient: Callable[[Any], Any], x: Float[Array, "k *shape"]
) -> tuple[Callable[[Array], tuple[Array, Array]], jnp.dtype]:
    """The function with gradients in the dtype of `x`, and the dtype of its losses.

    A predictor may compute in another precision than its inputs have.

    Raises:
      BadAttack: it does not give losses (k,) and gradients of the shape of `x`.
    """
    found = _traced("losses_and_gradient", losses_and_gradient, x)
    shapes = tuple(getattr(one, "shape", None) for one in found) if isinstance(found, tuple) else ()
    if shapes != ((len(x),), x.shape):
        raise BadAttack(
            f"losses_and_gradient gives shapes {shapes} for x of shape {x.shape}; it must give "
            f"{((len(x),), x.shape)}: one loss per sample, and their gradients"
        )

    def uphill(at: Array) -> tuple[Array, Array]:
        losses, gradient = losses_and_gradient(at)
        return losses, gradient.astype(x.dtype)

    return uphill, found[0].dtype


def checked(
    outputs: Callable[[Any], Any], x: Samples, labels: Labels, threat: ThreatModel
) -> tuple[Float[Array, "k *shape"], Int[Array, " k"], ThreatModel]:
    """Samples, labels and threat model of an attack on a predictor.

    Args:
      outputs: the function from inputs (k, *shape) to outputs (k, c).
      x: clean inputs, (k, *shape), in the box.
      labels: (k,), classes from 0.
      threat: norm, radius and box, in the units of the data.

    Raises:
      BadAttack: any of them does not fit.
    """
    low, high = getattr(threat, "low", -math.inf), getattr(threat, "high", math.inf)
    samples = checked_samples(x, low, high)
    if samples.ndim < 2:
        raise BadAttack(
            f"x has shape {samples.shape}; reshape it to (k, d) or (k, height, columns, channels)"
        )
    fitting = checked_threat(threat, samples)
    return samples, checked_labels(labels, len(samples), checked_predictor(outputs, samples)), fitting


def checked_claims(claimed: Any, samples: int) -> Bool[np.ndarray, " k"]:
    """Which samples are said to be fooled.

    Raises:
      BadAttack: not one truth value per sample.
    """
    found = np.asarray(claimed)
    if found.shape != (samples,) or found.dtype != bool:
        raise BadAttack(
            f"claimed has shape {found.shape}, dtype {found.dtype}; give a bool for each of {samples}"
        )
    return found


def checked_key(key: Keys | None, samples: int) -> None:
    """Refuse what is no random key, and another number of keys than samples.

    Raises:
      BadAttack: it is neither None, nor one key, nor one per sample.
    """
    if key is None:
        return
    if not is_key(key):
        raise BadAttack(f"key = {str(key)[:40]} is no random key; give jax.random.key(seed)")
    if key.shape not in ((), (samples,)):
        raise BadAttack(f"key has shape {key.shape}; give one key, or one for each of {samples} samples")


def is_key(value: Any) -> bool:
    """Whether this is a random key of JAX, or several; not one of the older kind, a pair of integers."""
    return isinstance(value, jax.Array) and bool(jnp.issubdtype(value.dtype, jax.dtypes.prng_key))


def whole(name: str, value: Any, least: int, words: str = "") -> None:
    """Refuse what is no whole number of at least `least`.

    Args:
      name: of the argument.
      value: what was given.
      least: what it may be.
      words: what the least stands for, for the message.

    Raises:
      BadAttack: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise BadAttack(f"{name} = {value} must be at least {least}{words}, a whole number")


def length(name: str, value: Any, like: Array) -> Scalar:
    """A finite number of at least 0, ready to be used with `like`.

    Args:
      name: of the argument.
      value: what was given.
      like: the samples.

    Raises:
      BadAttack: it is none.
    """
    if is_known(value):
        number = _number(name, value)
        if not 0 <= number < math.inf:
            raise BadAttack(f"{name} = {number:g} must be a finite number of at least 0")
    return settled(value, like)


def settled(value: Any, like: Array) -> Scalar:
    """A scalar that promotes nothing: a plain number, or of the dtype of `like`."""
    return _number("a number of the attack", value) if is_known(value) else value.astype(like.dtype)


def is_known(value: Any) -> bool:
    """Whether a value can be looked at, and is not traced by JAX."""
    return not isinstance(value, jax.core.Tracer)


def _traced(name: str, function: Callable[[Any], Any], x: Array) -> Any:
    """Shapes and dtypes that a function gives; what it raises for arguments that do not fit is one line."""
    try:
        return jax.eval_shape(function, x)
    except UsageError:
        raise
    except jax.errors.JAXTypeError as error:
        raise BadAttack(
            f"{name} cannot be traced by JAX ({type(error).__name__}); compute with jax.numpy, without "
            "conversions to NumPy or Python numbers"
        ) from error
    except (TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:120]
        raise BadAttack(
            f"{name} cannot be evaluated at x of shape {x.shape}, dtype {x.dtype} ({reason}); give it inputs "
            "that it takes"
        ) from error


def _number(name: str, value: Any) -> float:
    try:
        found = np.asarray(value)
        if found.ndim or found.dtype.kind not in "iuf":
            raise TypeError
        return float(found)
    except (TypeError, ValueError):
        raise BadAttack(f"{name} = {str(value)[:40]} must be a single number") from None


def _finite(*values: Any) -> list[float]:
    return [float(value) for value in values if math.isfinite(float(value))]
