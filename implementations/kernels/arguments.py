"""Arguments of kernels: shapes and dtypes that fit, or one line that says what to give."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array

from advntk.implementations.networks.protocol import Network


def checked_inputs(network: Network, x: Array) -> Array:
    """x, if it is a batch of inputs of the network.

    Raises:
      ValueError: naming the argument, what it is and what to give.
    """
    if x.dtype not in (jnp.float32, jnp.float64):
        raise ValueError(f"x has dtype {x.dtype}; convert it to float32 or float64")
    if len(x) == 0:
        raise ValueError(f"x has shape {x.shape}, no inputs; give at least one")
    if x.ndim < 2:
        raise ValueError(f"x has shape {x.shape}; reshape it to (n, d) or (n, height, columns, channels)")
    if x.ndim != 4 and not network.flattens_inputs:
        raise ValueError(
            f"x has shape {x.shape}, a convolutional network needs (n, height, columns, channels); reshape it"
        )
    return x


def fitting(x: Array, x_train: Array, targets: Array | None = None, weights: Array | None = None) -> None:
    """Whether the other arguments of a kernel fit x.

    Raises:
      ValueError: naming the argument, what it is and what to give.
    """
    wanted: list[tuple[str, Array, tuple[int | str, ...]]] = [("x_train", x_train, ("m", *x.shape[1:]))]
    if targets is not None and weights is not None:
        wanted += [
            ("targets", targets, (len(x), "c")),
            ("weights", weights, (len(x_train), *targets.shape[1:])),
        ]
    for name, found, shape in wanted:
        fits = len(found.shape) == len(shape) and all(
            isinstance(w, str) or n == w for n, w in zip(found.shape, shape, strict=True)
        )
        if not fits or len(found) == 0:
            raise ValueError(f"{name} has shape {found.shape}, x {x.shape}; give it the shape {shape}")
        if found.dtype != x.dtype:
            raise ValueError(f"{name} has dtype {found.dtype}, x {x.dtype}; convert one of them")
