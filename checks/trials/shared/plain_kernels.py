r"""Kernels of infinite networks in NumPy, layer by layer over pairs of pixels, expectations by quadrature.

With V = E[phi phi'] and D = E[phi' phi'] of a layer's pre-activations of covariance K, pixel by pixel,

    convolution   K <- sigma_w^2/9 sum_o V_{a+o, b+o} + sigma_b^2,
                  Theta <- K + sigma_w^2/9 sum_o (D Theta)_{a+o, b+o},
    dense         the same with the mean over equal pixels (flatten) or over all pairs of pixels (pool),

o over the nine offsets, zero outside of the image.  A fully connected network has a single pixel and a single
offset.  A residual block adds its branch's K and Theta to those of its shortcut.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from advntk.checks.trials.shared.definitions import DEFINITIONS, LEAKY_SLOPE, expectation

# Of each panel: for variances up to a few, half as many more change less than rounding does.
NODES = 32


class Limit(NamedTuple):
    """What an infinite network is: "mlp", "cnn" or "residual", with `stages` of blocks."""

    family: str
    depth: int
    activation: str
    sigma_w: float
    sigma_b: float
    pooled: bool = False
    standard: bool = False
    width: int = 1
    stages: tuple[int, ...] = ()


class Kernels(NamedTuple):
    """NNGP kernel, NTK, and the product form of the ARK (of an MLP) between two inputs."""

    nngp: float
    ntk: float
    ark: float


class _State(NamedTuple):
    """Covariances of one, the other, and between the two inputs, and Theta, ARK between them, per pixels."""

    own: Float[np.ndarray, " a"]
    other: Float[np.ndarray, " a"]
    nngp: Float[np.ndarray, "a a"]
    ntk: Float[np.ndarray, "a a"]
    ark: Float[np.ndarray, "a a"]
    grid: tuple[int, int]
    units: int  # numbers per pixel


def expectations(
    activation: str, covariance: np.ndarray, variance: np.ndarray, other: np.ndarray, quadrature: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """E[phi phi'] and E[phi' phi'], by quadrature or, for some, by the published formulas.

    Args:
      activation: by name.
      covariance: of any shape.
      variance: of the first, of that shape.
      other: of the second.
      quadrature: whether it is wanted where a formula is known.

    Returns:
      Both, of the shape of the arguments.
    """
    if not quadrature and activation in ("relu", "leaky_relu"):
        a = {"relu": 0.0, "leaky_relu": LEAKY_SLOPE}[activation]
        size = np.sqrt(variance * other)
        across = np.sqrt(np.maximum(size**2 - covariance**2, 0))
        u = np.arctan2(across, covariance)
        gain = (1 - a) ** 2 / (2 * np.pi)
        return a * covariance + gain * (across + (np.pi - u) * covariance), a + gain * (np.pi - u)
    if not quadrature and activation == "erf":
        spread = (1 + 2 * variance) * (1 + 2 * other)
        return (
            2 / np.pi * np.arctan2(2 * covariance, np.sqrt(spread - 4 * covariance**2)),
            4 / np.pi / np.sqrt(spread - 4 * covariance**2),
        )
    phi, slope, _ = DEFINITIONS[activation]
    moments = covariance, variance, other
    value = expectation(phi, phi, *moments, nodes=NODES)
    # A variance needs no slope, and is its own covariance.
    return value, value if covariance is variance else expectation(slope, slope, *moments, nodes=NODES)


def kernels(
    limit: Limit, x: Float[np.ndarray, "..."], other: Float[np.ndarray, "..."], quadrature: bool = True
) -> Kernels:
    """The three kernels between two inputs, (d,) or (height, columns, channels).

    Args:
      limit: the network.
      x: one input.
      other: another, of the same shape.
      quadrature: see `expectations`.

    Returns:
      Three numbers.
    """
    state = _start(limit, x, other)
    if limit.family == "residual":
        state = _weighted(limit, state)
        for stage, blocks in enumerate(limit.stages):
            for block in range(blocks):
                state = _block(limit, state, 2 if stage > 0 and block == 0 else 1, quadrature)
        state = _read_out(limit, _activated(limit, state, quadrature))
    else:
        for layer in range(limit.depth):
            before = _activated(limit, state, quadrature) if layer else state
            state = _weighted(limit, before)
        state = _read_out(limit, _activated(limit, state, quadrature))
    return Kernels(*(float(part[0, 0]) for part in (state.nngp, state.ntk, state.ark)))


def matrix(
    limit: Limit, x: Float[np.ndarray, "k ..."], other: Float[np.ndarray, "m ..."], quadrature: bool = True
) -> Float[np.ndarray, "3 k m"]:
    """NNGP, NTK and ARK between two sets of inputs.

    Args:
      limit: the network.
      x: k inputs.
      other: m inputs.
      quadrature: see `expectations`.

    Returns:
      (3, k, m).
    """
    found = np.zeros((3, len(x), len(other)))
    for i, j in np.ndindex(len(x), len(other)):
        mirrored = other is x and j < i
        found[:, i, j] = found[:, j, i] if mirrored else kernels(limit, x[i], other[j], quadrature)
    return found


def mlp_matrix(
    limit: Limit, x: Float[np.ndarray, "k d"], other: Float[np.ndarray, "m d"]
) -> Float[np.ndarray, "k m"]:
    """NTK of an MLP between many inputs at once, by published formulas where there are some.

    Args:
      limit: an MLP in NTK parameterization.
      x: k inputs.
      other: m inputs.

    Returns:
      (k, m).
    """
    w, b = limit.sigma_w**2, limit.sigma_b**2
    own, theirs = (w * (one**2).mean(1) + b for one in (x, other))
    nngp = w * (x @ other.T) / x.shape[1] + b
    ntk = nngp
    for _ in range(limit.depth):
        # Rounding must not make a covariance larger than its variances allow.
        most = np.sqrt(own[:, None] * theirs[None, :])
        nngp = np.clip(nngp, -most, most)
        q, p, other_p = np.broadcast_arrays(nngp, own[:, None], theirs[None, :])
        value, slope = expectations(limit.activation, q, p, other_p, quadrature=False)
        nngp = w * value + b
        ntk = nngp + w * slope * ntk
        own, theirs = (
            w * expectations(limit.activation, one, one, one, quadrature=False)[0] + b
            for one in (own, theirs)
        )
    return ntk


def _start(limit: Limit, x: np.ndarray, other: np.ndarray) -> _State:
    if limit.family == "mlp":
        one, two, grid = x[None], other[None], (1, 1)
    else:
        grid = x.shape[:2]
        one, two = (part.reshape(-1, part.shape[2]) for part in (x, other))
    channels = one.shape[1]
    # Summed as the squares are: an input's covariance with itself is its variance to the last digit.
    between = (one[:, None] * two[None]).sum(2) / channels
    nothing = np.zeros_like(between)
    # An input moves with slope one: what the first layer makes of it is sigma_w^2.
    return _State(
        (one**2).sum(1) / channels, (two**2).sum(1) / channels, between, nothing, np.ones_like(nothing), grid,
        channels,
    )  # fmt: skip


def _activated(limit: Limit, state: _State, quadrature: bool) -> _State:
    own, other = state.own, state.other
    q, p, other_p = np.broadcast_arrays(state.nngp, own[:, None], other[None, :])
    value, slope = expectations(limit.activation, q, p, other_p, quadrature)
    single = [expectations(limit.activation, one, one, one, quadrature)[0] for one in (own, other)]
    return state._replace(
        own=single[0], other=single[1], nngp=value, ntk=slope * state.ntk, ark=slope * state.ark
    )


def _weighted(limit: Limit, state: _State, stride: int = 1, side: int = 0) -> _State:
    """A convolution (or, of an MLP, a dense layer) on what was activated."""
    side = side or (1 if limit.family == "mlp" else 3)
    taps, grid = _taps(state.grid, stride, side)
    share = 1 / side**2
    w, b = limit.sigma_w**2, limit.sigma_b**2

    def summed(pairs: np.ndarray) -> np.ndarray:
        # A border pixel of zeros, index -1, takes what lies outside of the image.
        wide = np.pad(pairs, ((0, 1), (0, 1)))
        return share * sum(wide[np.ix_(places, places)] for places in taps)

    def along(pixels: np.ndarray) -> np.ndarray:
        wide = np.pad(pixels, (0, 1))
        return share * sum(wide[places] for places in taps)

    nngp = w * summed(state.nngp) + b
    from_layer = side**2 * state.units * summed(state.nngp) + 1 if limit.standard else nngp
    return _State(
        w * along(state.own) + b,
        w * along(state.other) + b,
        nngp,
        from_layer + w * summed(state.ntk),
        w * summed(state.ark),
        grid,
        limit.width,
    )


def _taps(grid: tuple[int, int], stride: int, side: int) -> tuple[list[np.ndarray], tuple[int, int]]:
    """Per offset the pixel that every output pixel sees, -1 outside; "SAME" padding, the odd one below."""
    small = tuple(-(-n // stride) for n in grid)
    before = [max((m - 1) * stride + side - n, 0) // 2 for m, n in zip(small, grid, strict=True)]
    found = []
    for i in range(side):
        for j in range(side):
            rows, columns = (
                np.arange(m) * stride + offset - skipped
                for m, offset, skipped in zip(small, (i, j), before, strict=True)
            )
            places = rows[:, None] * grid[1] + columns[None, :]
            outside = ((rows < 0) | (rows >= grid[0]))[:, None] | ((columns < 0) | (columns >= grid[1]))[None]
            found.append(np.where(outside, -1, places).ravel())
    return found, (small[0], small[1])


def _block(limit: Limit, state: _State, stride: int, quadrature: bool) -> _State:
    main = _weighted(limit, _activated(limit, state, quadrature), stride)
    main = _weighted(limit, _activated(limit, main, quadrature))
    shortcut = _weighted(limit, state, stride, 1) if stride > 1 else state
    own, theirs, nngp, ntk, ark = (a + b for a, b in zip(main[:5], shortcut[:5], strict=True))
    return _State(own, theirs, nngp, ntk, ark, main.grid, main.units)


def _read_out(limit: Limit, state: _State) -> _State:
    """A dense layer on all pixels (flatten) or on their mean (pool)."""
    w, b = limit.sigma_w**2, limit.sigma_b**2

    def read(pairs: np.ndarray) -> np.ndarray:
        return np.full((1, 1), pairs.mean() if limit.pooled else np.trace(pairs) / len(pairs))

    nngp = w * read(state.nngp) + b
    fan_in = limit.width * (1 if limit.pooled else len(state.nngp))
    from_layer = fan_in * read(state.nngp) + 1 if limit.standard else nngp
    nothing = np.zeros(1)
    return _State(nothing, nothing, nngp, from_layer + w * read(state.ntk), w * read(state.ark), (1, 1), 1)
