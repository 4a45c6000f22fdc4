r"""Infinite-width NTKs as a kernel machine f(x) = Theta(x, X) p needs them, in memory that is bounded.

A predictor with m training inputs needs Theta(X, X) once, Theta(x, X) for predictions, and the input
gradient of its loss for attacks.  `ClosedFormNTK` has them for the networks of `closed_form_ntk.py`, in a
small fraction of the time; `StaxNTK` for any network that neural-tangents has a kernel for.  Both compute in
the precision of their inputs and block by block (`tiling.py`): beside inputs and results they hold
`memory_bytes`.

Kernels are values: hashable, equal if their networks are, and registered with JAX, so that they may be
arguments of compiled functions.
Source: Fu & Wang, ICLR 2024 (arXiv 2310.06112), section 5, for the machine; Jacot et al. 2018 for the NTK.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from advntk.implementations.dual_activation import NODES
from advntk.implementations.kernels import closed_form_ntk
from advntk.implementations.kernels.arguments import checked_inputs, fitting
from advntk.implementations.kernels.tiling import block_sides, even_side, rectangle, summed, symmetric
from advntk.implementations.networks.activations import KINKED, activation
from advntk.implementations.networks.architecture import Architecture
from advntk.implementations.networks.protocol import Network
from advntk.implementations.neural_tangents_adapter import precision, stax


@runtime_checkable
class Kernel(Protocol):
    """A kernel Theta between inputs: vectors (n, d), or images (n, height, columns, channels).

    All arrays are float32 or all float64; results follow.  Inputs have the scale the network was meant
    for, Theta is that of one output.

    Raises (every method with arrays):
      ValueError: shapes or dtypes that do not fit, with the argument and what to give instead.
    """

    def gram(self, x: Float[Array, "m *shape"]) -> Float[Array, "m m"]:
        """Theta(x, x), exactly symmetric, the diagonal without loss of digits."""
        ...

    def cross(self, x: Float[Array, "k *shape"], x_train: Float[Array, "m *shape"]) -> Float[Array, "k m"]:
        """Theta(x, x_train)."""
        ...

    def loss_gradient(
        self,
        x: Float[Array, "k *shape"],
        targets: Float[Array, "k c"],
        x_train: Float[Array, "m *shape"],
        weights: Float[Array, "m c"],
    ) -> Float[Array, "k *shape"]:
        """Input gradient of 1/2 ||f(x_i) - y_i||^2 for each sample, f(x) = Theta(x, x_train) weights.

        Targets f(x) - g give the gradient of sum_c g_c f_c(x): any loss of the outputs can be attacked.
        Finite where an input coincides with a training input of a kinked network: the cusp of the kernel
        there has slope 0, the mean of the one-sided ones.

        Args:
          x: inputs, (k, d) or (k, height, columns, channels).
          targets: (k, c).
          x_train: training inputs, (m, *shape).
          weights: (m, c).

        Returns:
          Gradients, of the shape of `x`.
        """
        ...

    def memory_bytes(
        self, rows: int, columns: int, shape: tuple[int, ...], classes: int, itemsize: int
    ) -> int:
        """Bytes, estimated from above, that `cross` and `loss_gradient` hold beside inputs and results.

        For `rows` inputs of this shape against `columns` training inputs; itemsize 4 or 8 is that of the
        dtype.  `gram` of m inputs holds no more than the estimate for m rows and m columns.

        Args:
          rows: number of inputs.
          columns: number of training inputs.
          shape: of one input.
          classes: number of outputs.
          itemsize: bytes of a number, 4 or 8.

        Returns:
          Bytes.
        """
        ...


def kernel_of(network: Network) -> Kernel:
    """The faster kernel of a network: `ClosedFormNTK` where it has a closed form, else `StaxNTK`.

    >>> kernel = kernel_of(architecture("mlp", depth=4, activation_name="relu", sigma_w=1.76, sigma_b=0.18))
    >>> ntk = kernel.gram(images)

    Raises:
      ValueError: the network has an activation that is unknown.
    """
    activation(network.activation)
    if closed_form_ntk.has_closed_form(network):
        return ClosedFormNTK(network)
    return StaxNTK(network)


# What a tile of `ClosedFormNTK` holds per entry, its transpose included; measured up to 10.6.
_CLOSED_FORM_COPIES = 11
# Fewer rows of inputs at a time, and every product reads all training inputs for too little work.
_CLOSED_FORM_ROWS = 256
# Covariances of these rows with all training inputs, their cotangents, and what `lax.map` makes of them.
_CLOSED_FORM_ROW_COPIES = 5


@dataclass(frozen=True)
class ClosedFormNTK:
    """NTK of a ReLU, leaky ReLU or erf MLP in NTK parameterization; images are flattened.

    `tile_bytes` bounds what one tile of the kernel takes; the default keeps it in a core's cache.

    Raises (every method with arrays):
      ValueError: as `Kernel`, or the network has no closed form in `closed_form_ntk.py`.
    """

    arch: Architecture
    tile_bytes: int = 2**21

    def gram(self, x: Float[Array, "m ..."]) -> Float[Array, "m m"]:
        """As `Kernel.gram`; beside the result, one tile."""
        return _closed_form_gram(self, _flat(checked_inputs(self.arch, x)))

    def cross(self, x: Float[Array, "k ..."], x_train: Float[Array, "m ..."]) -> Float[Array, "k m"]:
        """As `Kernel.cross`."""
        fitting(checked_inputs(self.arch, x), x_train)
        return _closed_form_cross(self, _flat(x), _flat(x_train))

    def loss_gradient(
        self,
        x: Float[Array, "k ..."],
        targets: Float[Array, "_k _c"],
        x_train: Float[Array, "_m ..."],
        weights: Float[Array, "_m _c"],
    ) -> Float[Array, "k ..."]:
        """As `Kernel.loss_gradient`."""
        fitting(checked_inputs(self.arch, x), x_train, targets, weights)
        return _closed_form_loss_gradient(self, _flat(x), targets, _flat(x_train), weights).reshape(x.shape)

    def memory_bytes(
        self, rows: int, columns: int, shape: tuple[int, ...], classes: int, itemsize: int
    ) -> int:
        """As `Kernel.memory_bytes`."""
        d = math.prod(shape)
        height, width = block_sides(rows, columns, self.entries(itemsize))
        tile = height * width * _CLOSED_FORM_COPIES + (height + width) * (d + 4)
        together, at_once = even_side(rows, _CLOSED_FORM_ROWS), closed_form_ntk.rows_at_once(rows, columns)
        gradient = together * columns * _CLOSED_FORM_ROW_COPIES + together * (3 * d + classes)
        # In a pass over a few rows reverse mode keeps some numbers per entry and layer.
        gradient += at_once * columns * 12 * (self.arch.depth + 1) + columns * (self.arch.depth + 4)
        return itemsize * max(tile, gradient)

    def entries(self, itemsize: int) -> int:
        """Entries of one tile."""
        return max(1, self.tile_bytes // (_CLOSED_FORM_COPIES * itemsize))


@jax.jit
def _closed_form_gram(kernel: ClosedFormNTK, x: Array) -> Array:
    arch = kernel.arch
    side, _ = block_sides(len(x), len(x), kernel.entries(x.dtype.itemsize))

    def tile(i: Any, j: Any) -> Array:
        return closed_form_ntk.mlp_ntk(arch, _rows(x, i, side), _rows(x, j, side))

    def on_diagonal(i: Any) -> Array:
        return closed_form_ntk.mlp_ntk_gram(arch, _rows(x, i, side))

    return symmetric(tile, on_diagonal, len(x), side, x.dtype)


@jax.jit
def _closed_form_cross(kernel: ClosedFormNTK, x: Array, x_train: Array) -> Array:
    sides = block_sides(len(x), len(x_train), kernel.entries(x.dtype.itemsize))

    def tile(i: Any, j: Any) -> Array:
        return closed_form_ntk.mlp_ntk(kernel.arch, _rows(x, i, sides[0]), _rows(x_train, j, sides[1]))

    return rectangle(tile, (len(x), len(x_train)), sides, x.dtype)


@jax.jit
def _closed_form_loss_gradient(
    kernel: ClosedFormNTK, x: Array, targets: Array, x_train: Array, weights: Array
) -> Array:
    height = even_side(len(x), _CLOSED_FORM_ROWS)

    def tile(i: Any, _: Any) -> Array:
        return closed_form_ntk.loss_gradient(
            kernel.arch, _rows(x, i, height), _rows(targets, i, height), x_train, weights
        )

    d = x.shape[1]
    return rectangle(tile, (len(x), d), (height, d), x.dtype)


# Numbers that a tile of `StaxNTK` holds: per entry of the largest layer, and in reverse mode per entry of
# every layer.  Measured up to 10.4 and 13.3.
_COPIES = 14
_COPIES_PER_LAYER = 14


@dataclass(frozen=True)
class StaxNTK:
    """NTK of any `Network` through neural-tangents; an MLP flattens images.

    A convolutional network that ends in "flatten" takes `height * columns` numbers per pair of inputs, one
    that ends in "pool" the square of that.  `tile_bytes` bounds what one tile of the kernel takes, unless
    a single pair takes more.  With more than one tile per row of inputs, a gradient computes the kernel
    twice.  `width` is that of the hidden layers; it matters in the standard parameterization only.
    """

    network: Network
    width: int = 1
    tile_bytes: int = 2**27

    def gram(self, x: Float[Array, "m ..."]) -> Float[Array, "m m"]:
        """As `Kernel.gram`; pairs above the diagonal are computed, those below copied."""
        return _stax_gram(self, self._inputs(checked_inputs(self.network, x)))

    def cross(self, x: Float[Array, "k ..."], x_train: Float[Array, "m ..."]) -> Float[Array, "k m"]:
        """As `Kernel.cross`."""
        fitting(checked_inputs(self.network, x), x_train)
        return _stax_cross(self, self._inputs(x), self._inputs(x_train))

    def loss_gradient(
        self,
        x: Float[Array, "k ..."],
        targets: Float[Array, "_k _c"],
        x_train: Float[Array, "_m ..."],
        weights: Float[Array, "_m _c"],
    ) -> Float[Array, "k ..."]:
        """As `Kernel.loss_gradient`, by reverse mode through the kernel."""
        fitting(checked_inputs(self.network, x), x_train, targets, weights)
        found = _stax_loss_gradient(self, self._inputs(x), targets, self._inputs(x_train), weights)
        return found.reshape(x.shape)

    def memory_bytes(
        self, rows: int, columns: int, shape: tuple[int, ...], classes: int, itemsize: int
    ) -> int:
        """As `Kernel.memory_bytes`."""
        found = []
        for reverse in (False, True):
            pair = self._pair_bytes(shape, itemsize, reverse)
            height, width = self.sides(rows, columns, shape, itemsize, reverse)
            # neural-tangents takes scalar products in double precision.
            inputs = (height + width) * math.prod(shape) * (2 * itemsize + 8)
            found.append((height * width + height + width) * pair + inputs + width * classes * itemsize)
        return max(found)

    def sides(
        self, rows: int, columns: int, shape: tuple[int, ...], itemsize: int, reverse: bool
    ) -> tuple[int, int]:
        """Inputs and training inputs of one tile, with or without its gradient.

        Args:
          rows: number of inputs.
          columns: number of training inputs.
          shape: of one input.
          itemsize: bytes of a number, 4 or 8.
          reverse: with its gradient.

        Returns:
          Numbers of inputs and of training inputs.
        """
        return block_sides(rows, columns, self.tile_bytes // self._pair_bytes(shape, itemsize, reverse))

    def ntk(self, x: Float[Array, "k ..."], other: Float[Array, "m ..."]) -> Float[Array, "k m"]:
        """A whole tile at once, in the precision of x."""
        return self._from_covariances(self._covariances(x, other)).astype(x.dtype)

    def variances(self, x: Float[Array, "m ..."]) -> Float[Array, " m"]:
        """Theta(x_i, x_i), from covariances that equal the variances to the last digit.

        A scalar product rounds otherwise than a sum of squares, and the angle between an input and itself
        is then the square root of that.
        """

        def one(x_i: Array) -> Array:
            alone = self._covariances(x_i[None], x_i[None])
            return self._from_covariances(alone.replace(nngp=alone.cov1[:, None]))[0, 0]

        return jax.vmap(one)(x).astype(x.dtype)

    def settled(self, x: Float[Array, "k ..."], gradient: Float[Array, "k d"]) -> Float[Array, "k d"]:
        """The gradient, 0 at zero inputs of a kinked network without biases, where there is none."""
        if self.network.activation not in KINKED:
            return gradient
        some = jnp.any(_flat(x) != 0, axis=1) | (jnp.asarray(self.network.sigma_b) > 0)
        return jnp.where(some[:, None], gradient, 0)

    def _inputs(self, x: Array) -> Array:
        return _flat(x) if self.network.flattens_inputs else x

    def _covariances(self, x: Array, other: Array) -> Any:
        full = not self.network.flattens_inputs and self.network.readout == "pool"
        start = stax().Identity()[2](x, other, None, diagonal_batch=True, diagonal_spatial=not full)
        # neural-tangents would go on in double precision wherever JAX allows it.
        names = ("cov1", "cov2", "nngp", "ntk")
        return start.replace(**{name: getattr(start, name).astype(x.dtype) for name in names})

    def _from_covariances(self, start: Any) -> Array:
        dtype = start.nngp.dtype
        net = self.network.with_scales(
            jnp.asarray(self.network.sigma_w, dtype), jnp.asarray(self.network.sigma_b, dtype)
        )
        with precision(dtype):
            return net.limit_kernel(self.width, 1)(start).ntk

    def _pair_bytes(self, shape: tuple[int, ...], itemsize: int, reverse: bool) -> int:
        largest, total = self.network.covariances_per_pair(shape)
        quadrature = activation(self.network.activation).strip is not None
        # An expectation by quadrature has a square of nodes, and in reverse mode a few of them.
        each = (4 * NODES**2 if reverse else 2 * NODES**2) if quadrature else 0
        copies = _COPIES_PER_LAYER * total if reverse else _COPIES * largest
        return itemsize * (copies + each * (total if reverse else largest))


@jax.jit
def _stax_gram(kernel: StaxNTK, x: Array) -> Array:
    side, _ = kernel.sides(len(x), len(x), x.shape[1:], x.dtype.itemsize, False)

    def tile(i: Any, j: Any) -> Array:
        return kernel.ntk(_rows(x, i, side), _rows(x, j, side))

    def on_diagonal(i: Any) -> Array:
        own = _rows(x, i, side)
        found, here = kernel.ntk(own, own), jnp.arange(side)
        return ((found + found.T) / 2).at[here, here].set(kernel.variances(own))

    return symmetric(tile, on_diagonal, len(x), side, x.dtype)


@jax.jit
def _stax_cross(kernel: StaxNTK, x: Array, x_train: Array) -> Array:
    sides = kernel.sides(len(x), len(x_train), x.shape[1:], x.dtype.itemsize, False)

    def tile(i: Any, j: Any) -> Array:
        return kernel.ntk(_rows(x, i, sides[0]), _rows(x_train, j, sides[1]))

    return rectangle(tile, (len(x), len(x_train)), sides, x.dtype)


@jax.jit
def _stax_loss_gradient(kernel: StaxNTK, x: Array, targets: Array, x_train: Array, weights: Array) -> Array:
    m, c = weights.shape
    height, width = kernel.sides(len(x), m, x.shape[1:], x.dtype.itemsize, True)

    def outputs(some: Array) -> Array:
        def from_columns(j: Any, counts: Array) -> Array:
            return kernel.ntk(some, _rows(x_train, j, width)) @ (counts[:, None] * _rows(weights, j, width))

        return summed(from_columns, m, width, jnp.zeros((height, c), x.dtype))

    def tile(i: Any, _: Any) -> Array:
        own = _rows(x, i, height)
        found, pullback = jax.vjp(outputs, own)
        return kernel.settled(own, _flat(pullback(found - _rows(targets, i, height))[0]))

    d = math.prod(x.shape[1:])
    return rectangle(tile, (len(x), d), (height, d), x.dtype)


jax.tree_util.register_dataclass(ClosedFormNTK, data_fields=["arch"], meta_fields=["tile_bytes"])
jax.tree_util.register_dataclass(StaxNTK, data_fields=["network"], meta_fields=["width", "tile_bytes"])


def _rows(x: Array, start: Any, size: int) -> Array:
    return jax.lax.dynamic_slice_in_dim(x, start, size)


def _flat(x: Array) -> Array:
    return x.reshape(len(x), -1)
