"""What every network offers to what computes with it: initialization, forward pass, limit kernel, sizes."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from jaxtyping import Array, Float, Key

Parameters = list[tuple[Float[Array, "..."], Float[Array, "..."]]]


@runtime_checkable
class Network(Protocol):
    """A description of a network, from which finite networks and their infinite-width limit are built.

    Descriptions are values: frozen, hashable, registered with JAX.  `kind` names the class where it is
    written down (see `kernels.described`), `family` is "mlp", "cnn" or "resnet".
    """

    @property
    def kind(self) -> str: ...

    @property
    def family(self) -> str: ...

    @property
    def activation(self) -> str: ...

    @property
    def sigma_w(self) -> Any: ...

    @property
    def sigma_b(self) -> Any: ...

    @property
    def parameterization(self) -> str: ...

    @property
    def readout(self) -> str: ...

    @property
    def flattens_inputs(self) -> bool:
        """Whether inputs are taken as vectors (n, d), images among them."""
        ...

    def with_scales(self, sigma_w: Any, sigma_b: Any) -> Network:
        """The same structure with other scales of its initialization, which may be traced by JAX."""
        ...

    def init(
        self, key: Key[Array, ""], input_shape: tuple[int, ...], width: int, outputs: int, dtype: Any
    ) -> Parameters:
        """Parameters of one finite network.

        Args:
          key: random key.
          input_shape: of one input, (d,) or (height, columns, channels).
          width: number of hidden units, or channels, of every hidden layer.
          outputs: number of outputs.
          dtype: of the parameters.

        Returns:
          One (W, b) per layer, the readout last.

        Raises:
          ValueError: an `input_shape` that the network does not take.
        """
        ...

    def apply(self, parameters: Parameters, x: Float[Array, "..."]) -> Float[Array, " c"]:
        """Outputs at one input."""
        ...

    def weight_shapes(self, input_shape: tuple[int, ...], width: int, outputs: int) -> list[tuple[int, ...]]:
        """Shapes of the weights of a finite network, layer by layer.

        Raises:
          ValueError: an `input_shape` that the network does not take.
        """
        ...

    def limit_kernel(self, width: int, outputs: int) -> Any:
        """neural-tangents' kernel function of the infinite network; sizes matter in "standard" only."""
        ...

    def covariances_per_pair(self, input_shape: tuple[int, ...]) -> tuple[int, int]:
        """Covariances that the limit kernel has for a pair of inputs: in its largest layer, and in all."""
        ...
