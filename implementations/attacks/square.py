"""The Square attack: random search by patches, from values of the loss alone.

It needs no gradient, and so is not misled where gradients are missing or wrong.
Source: Andriushchenko et al., ECCV 2020 (arXiv 1912.00049), section 3 and algorithms 1 and 2.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from advntk.implementations.attacks.arguments import Labels, Samples, checked, checked_key, whole
from advntk.implementations.attacks.losses import Best, Outputs, better, margin
from advntk.implementations.attacks.square_l2 import LEAST_SIDE, moved, tiles
from advntk.implementations.attacks.threat import Keys, ThreatModel, fold_in, per_sample, project

# The share of changed pixels halves after these of 10 000 queries; other budgets scale them.
HALVINGS = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)
SHARES = {"linf": 0.8, "l2": 0.1}


def square(
    outputs: Outputs,
    x: Samples,
    labels: Labels,
    threat: ThreatModel,
    key: Keys,
    queries: int = 1000,
    share: float | None = None,
) -> Float[Array, "k *shape"]:
    """Inputs of the largest margin max_{j != y} f_j - f_y that `queries` random changes led to.

    In linf, images (k, h, w, channels) start from vertical stripes of +-radius, then squares of +-radius
    per channel are kept where they raise the margin; in l2 they start from bumps side by side, between
    which windows move their mass (`square_l2`).  The area of a square, first `share` of the image (by
    default 0.8 in linf and 0.1 in l2, as published), shrinks.  Flat inputs (k, d) are images of one row
    and one channel, squares intervals.  The clean input competes.  Evaluates `outputs` queries + 2 times
    per sample.  `key`: one, or one per sample.

    Args:
      outputs: the function from inputs (k, *shape) to outputs (k, c).
      x: clean inputs, (k, *shape), in the box.
      labels: (k,), classes from 0.
      threat: norm, radius and box, in the units of the data.
      key: one key, or one per sample.
      queries: how many random changes are tried.
      share: of the image that the first square covers, in (0, 1].

    Returns:
      Inputs of the shape of `x`, in ball and box.

    Raises:
      ValueError: a threat model in l1, inputs of another rank, `queries` negative or `share` outside
        (0, 1].
    """
    if threat.norm not in SHARES:
        raise ValueError(f"threat.norm = {threat.norm!r} has no Square attack here; choose 'linf' or 'l2'")
    x, labels, threat = checked(outputs, x, labels, threat)
    checked_key(key, len(x))
    share = SHARES[threat.norm] if share is None else share
    if x.ndim not in (2, 4):
        raise ValueError(f"x has shape {x.shape}; reshape it to (k, h, w, channels) or (k, d)")
    whole("queries", queries, 0)
    if not 0 < share <= 1:
        raise ValueError(f"share = {share} must be in (0, 1]")
    height, width, channels = x.shape[1:] if x.ndim == 4 else (1, x.shape[1], 1)
    keys = per_sample(key, len(x))
    shape = (height, width, channels)
    sides = patch_sizes(height, width, queries, share, 1 if threat.norm == "linf" else LEAST_SIDE)

    def signs(key: Array, shape: tuple[int, ...]) -> Array:
        return jax.random.rademacher(key, shape, x.dtype)

    def ends(where: Array, patch: Array) -> Array:
        """Ends of the ball, +-1 in radii, for one sample: those of `where` outside a random patch."""
        row, column, sign = jax.random.split(where, 3)
        tall, wide = patch[0], patch[1]
        top = jax.random.randint(row, (), 0, height - tall + 1)
        left = jax.random.randint(column, (), 0, width - wide + 1)
        rows, columns = jnp.arange(height), jnp.arange(width)
        in_rows = (rows >= top) & (rows < top + tall)
        in_columns = (columns >= left) & (columns < left + wide)
        inside = in_rows[:, None, None] & in_columns[None, :, None]
        return jnp.where(inside, signs(sign, (channels,))[None, None, :], 0)

    def towards(perturbation: Array) -> Array:
        return project(threat, x, x + perturbation.reshape(x.shape))

    def repainted(at: Array, keys: Array, patch: Array) -> Array:
        changed = jax.vmap(ends, (0, None))(keys, patch).reshape(x.shape)
        # The paper adds +-2 radius and projects: the patch overwrites what stood there.
        return jnp.where(changed == 0, at, towards(threat.radius * changed))

    def mass_moved(at: Array, keys: Array, patch: Array) -> Array:
        held = (at - x).reshape(-1, *shape)
        return towards(jax.vmap(moved, (0, 0, None, None))(keys, held, patch, threat.radius))

    def striped(keys: Array) -> Array:
        stripes = jax.vmap(lambda key: signs(key, (1, width, channels)))(keys)
        return threat.radius * jnp.broadcast_to(stripes, (len(x), *shape))

    in_linf = threat.norm == "linf"
    change = repainted if in_linf else mass_moved
    first = fold_in(keys, 0)
    begin = towards(striped(first) if in_linf else tiles(first, threat.radius, shape, x.dtype))

    def query(best: Best, now: tuple[Array, Array]) -> tuple[Best, None]:
        number, patch = now
        tried = change(best.at, fold_in(keys, number), patch)
        return better(best, tried, margin(outputs(tried), labels)), None

    # That is where the search starts even where it lowers the margin.
    start = Best(begin, margin(outputs(begin), labels))
    found = jax.lax.scan(query, start, (jnp.arange(1, queries + 1), jnp.asarray(sides)))[0]
    return better(found, x, margin(outputs(x), labels)).at


def patch_sizes(
    height: int, width: int, queries: int, share: float, least: int = 1
) -> Int[np.ndarray, "q 2"]:
    """Height and width of the patch at each query: squares of an area that halves by schedule.

    In a single row, intervals of that length.  No side is shorter than `least`, if the image is not.

    Args:
      height: of the image, in pixels.
      width: of the image, in pixels.
      queries: how many.
      share: of the image that the first patch covers.
      least: shortest side, in pixels.

    Returns:
      One row (height, width) per query, in pixels.
    """
    passed = np.arange(queries) * 10_000 // max(queries, 1)
    halved = (passed[:, None] > np.asarray(HALVINGS)[None, :]).sum(1)
    area = share * height * width / 2.0**halved
    if height == 1:
        return np.stack(
            [np.ones(queries, int), np.clip(np.rint(area).astype(int), min(least, width), width)], axis=1
        )
    most = min(height, width)
    side = np.clip(np.rint(np.sqrt(area)).astype(int), min(least, most), most)
    return np.stack([side, side], axis=1)
