"""Kernels for kernel machines: in tiles and whole, by both paths, by difference quotients, by hand."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advntk.implementations.kernels.infinite import infinite_kernels
from advntk.implementations.kernels.ntk import ClosedFormNTK, Kernel, StaxNTK, kernel_of
from advntk.implementations.kernels.tiling import block_sides, rectangle, summed, symmetric
from advntk.implementations.networks.architecture import architecture
from advntk.implementations.networks.residual import RESNET_18, RESNET_34, Residual, residual

EPS = float(np.finfo(np.float64).eps)
EXACT = settings(deadline=None, database=None, derandomize=True, max_examples=15)
# Programs this small take longer to optimize than to run.
compiled = partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
# An entry of a kernel is O(100) operations on numbers of its own size, and an angle is known to eps over
# its sine, 0.1 or more between the inputs here.
ROUNDING = 1000 * EPS
SCALES = (1.76, 0.18)
VECTOR, IMAGE = (6,), (4, 4, 2)
MLP = architecture("mlp", 3, "relu", *SCALES)
CNN = architecture("cnn", 2, "relu", *SCALES)
POOL = architecture("cnn", 2, "erf", *SCALES, readout="pool")
RESIDUAL = residual((1, 1), *SCALES)
KERNELS: dict[str, tuple[Kernel, tuple[int, ...]]] = {
    "closed_form": (ClosedFormNTK(MLP), VECTOR),
    "mlp": (StaxNTK(replace(MLP, activation="gelu")), VECTOR),
    "cnn": (StaxNTK(CNN), IMAGE),
    "pool": (StaxNTK(POOL), IMAGE),
    "residual": (StaxNTK(RESIDUAL), IMAGE),  # its programs take long to compile
}
K, M, C = 5, 7, 2

gram = compiled(lambda kernel, x: kernel.gram(x))
cross = compiled(lambda kernel, x, training: kernel.cross(x, training))
gradient = compiled(lambda kernel, *given: kernel.loss_gradient(*given))


def gaussian(seed: int, *shape: int) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape))


def problem(shape: tuple[int, ...], seed: int = 0) -> tuple[jax.Array, ...]:
    """x, targets, training inputs and weights."""
    return (
        gaussian(seed, K, *shape),
        gaussian(seed + 1, K, C),
        gaussian(seed + 2, M, *shape),
        gaussian(seed + 3, M, C),
    )


def tiled(kernel: Kernel, shape: tuple[int, ...], reverse: bool = False) -> Kernel:
    """The same with tiles of 2 x 3 inputs, which divide neither 5 nor 7."""
    if isinstance(kernel, ClosedFormNTK):
        small = replace(kernel, tile_bytes=kernel.tile_bytes * 6 // kernel.entries(8))
        assert block_sides(K, M, small.entries(8)) == (2, 3)
        return small
    small = replace(kernel, tile_bytes=6 * kernel._pair_bytes(shape, 8, reverse))
    assert small.sides(K, M, shape, 8, reverse) == (2, 3)
    assert kernel.sides(K, M, shape, 8, reverse) == (K, M)
    return small


# Tiles.

SIZES = st.integers(1, 11)


@EXACT
@given(rows=SIZES, columns=SIZES, entries=st.integers(1, 40))
def test_blocks_fill_a_matrix(rows, columns, entries):
    sides = block_sides(rows, columns, entries)
    assert 1 <= sides[0] * sides[1] <= entries and sides[0] <= rows and sides[1] <= columns
    matrix = gaussian(rows + 20 * columns, rows, columns)
    found = rectangle(
        lambda i, j: jax.lax.dynamic_slice(matrix, (i, j), sides), matrix.shape, sides, matrix.dtype
    )
    np.testing.assert_array_equal(found, matrix)


@EXACT
@given(size=SIZES, side=SIZES)
def test_mirrored_blocks_are_symmetric_to_the_last_digit(size, side):
    side = min(side, size)
    # Symmetric up to the rounding of a tile; the block on the diagonal is known to be symmetric.
    noise = 1e-3 * gaussian(1, size, size)
    exact = gaussian(2, size, size)
    exact = exact + exact.T

    def block(matrix, i, j):
        return jax.lax.dynamic_slice(matrix, (i, j), (side, side))

    found = symmetric(
        lambda i, j: block(exact + noise, i, j), lambda i: block(exact, i, i), size, side, exact.dtype
    )
    np.testing.assert_array_equal(found, found.T)
    np.testing.assert_array_equal(jnp.diag(found), jnp.diag(exact))
    np.testing.assert_allclose(found, exact, rtol=0, atol=float(jnp.abs(noise).max()))


@EXACT
@given(size=SIZES, side=SIZES)
def test_every_term_of_a_sum_in_blocks_counts_once(size, side):
    side = min(side, size)
    slopes = gaussian(size, size, 2)

    def total(z):
        def term(start, counts):
            rows = jax.lax.dynamic_slice_in_dim(slopes, start, side)
            return counts @ (rows * z[None, :] ** 2)

        return summed(term, size, side, jnp.zeros(2))

    z = jnp.asarray([0.5, 2.0])
    scale = float(jnp.abs(slopes).sum()) * 10
    expected = slopes.sum(0) * z**2
    np.testing.assert_allclose(total(z), expected, rtol=0, atol=10 * EPS * scale)
    slope = jax.grad(lambda z: total(z).sum())(z)
    np.testing.assert_allclose(slope, 2 * slopes.sum(0) * z, rtol=0, atol=10 * EPS * scale)


# Kernels.


@pytest.mark.parametrize("name", KERNELS)
def test_kernel_in_tiles_is_the_whole_and_symmetric(name):
    kernel, shape = KERNELS[name]
    small = tiled(kernel, shape)
    x, _, training, _ = problem(shape)
    whole = np.asarray(cross(kernel, x, training))
    np.testing.assert_allclose(cross(small, x, training), whole, rtol=0, atol=ROUNDING * np.abs(whole).max())
    own, found = np.asarray(cross(kernel, training, training)), np.asarray(gram(small, training))
    np.testing.assert_array_equal(found, found.T)
    apart = ~np.eye(M, dtype=bool)
    np.testing.assert_allclose(found[apart], own[apart], rtol=0, atol=ROUNDING * own.max())
    # Without the care of `gram`, a vanishing angle is known to the square root of rounding.
    np.testing.assert_allclose(np.diag(found), np.diag(own), rtol=5 * np.sqrt(ROUNDING))


@pytest.mark.parametrize("name", KERNELS)
def test_gradient_in_tiles_is_the_whole_and_a_difference_quotient(name):
    kernel, shape = KERNELS[name]
    x, targets, training, weights = problem(shape)
    found = gradient(tiled(kernel, shape, reverse=True), x, targets, training, weights)
    assert found.shape == x.shape
    whole = np.asarray(gradient(kernel, x, targets, training, weights))
    np.testing.assert_allclose(found, whole, rtol=0, atol=10 * ROUNDING * np.abs(whole).max())

    def losses(at):
        return np.asarray(((cross(kernel, at, training) @ weights - targets) ** 2).sum(1)) / 2

    direction, step = gaussian(9, *x.shape), 1e-5
    quotient = (losses(x + step * direction) - losses(x - step * direction)) / (2 * step)
    along = (whole * np.asarray(direction)).reshape(K, -1).sum(1)
    # Truncation step^2 and rounding eps/step on the scale of the loss and of its terms; the third
    # derivative grows with the inverse square of the sine of angles, 0.1 or more.
    terms = (np.asarray(jnp.abs(cross(kernel, x, training)) @ jnp.abs(weights)) ** 2).sum(1).max()
    np.testing.assert_allclose(along, quotient, rtol=0, atol=(100 * step**2 + 100 * EPS / step) * terms)


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "erf"])
def test_both_paths_agree(activation):
    net = replace(MLP, activation=activation, depth=2)
    # Images, which both flatten.
    x, *rest = problem(IMAGE)
    one, two = (
        (gram(kernel, x), gradient(kernel, x, *rest)) for kernel in (ClosedFormNTK(net), StaxNTK(net))
    )
    for found, expected in zip(one, two, strict=True):
        scale = np.abs(expected).max()
        np.testing.assert_allclose(found, expected, rtol=0, atol=10 * ROUNDING * scale)


def test_diagonal_keeps_its_digits(monkeypatch):
    exactly = StaxNTK._covariances

    def rounded_apart(kernel, x, other):
        # A scalar product may round otherwise than a sum of squares; by how much is up to the machine.
        found = exactly(kernel, x, other)
        return found.replace(nngp=found.nngp * (1 - 100 * EPS))

    monkeypatch.setattr(StaxNTK, "_covariances", rounded_apart)
    # A shape of its own: no program compiled for another test is used.
    net, x = replace(MLP, depth=4), gaussian(0, 3, 9)
    expected = np.diag(gram(ClosedFormNTK(net), x))
    np.testing.assert_allclose(np.diag(gram(StaxNTK(net), x)), expected, rtol=100 * EPS)
    # What it is kept from, or nothing would be tested.
    assert np.abs(np.diag(cross(StaxNTK(net), x, x)) / expected - 1).max() > 1e-9


@pytest.mark.parametrize("net", [CNN, POOL])
def test_convolutional_kernel_is_that_of_the_general_path(net):
    x, _, training, _ = problem(IMAGE)
    expected = np.asarray(compiled(infinite_kernels)(net, x, training).ntk)
    found = cross(kernel_of(net), x, training)
    np.testing.assert_allclose(found, expected, rtol=0, atol=ROUNDING * np.abs(expected).max())


@pytest.mark.parametrize("name", ["closed_form", "cnn", pytest.param("residual", marks=pytest.mark.evidence)])
def test_single_precision_stays_single_and_is_as_good_as_that(name):
    kernel, shape = KERNELS[name]
    given_arguments = problem(shape)
    exact = np.asarray(gradient(kernel, *given_arguments))
    x, targets, training, weights = (v.astype(jnp.float32) for v in given_arguments)
    found = gradient(kernel, x, targets, training, weights)
    assert found.dtype == cross(kernel, x, training).dtype == gram(kernel, x).dtype == jnp.float32
    # A slope is known to eps over the sine of the angle, 0.1 at least here, in each of six layers.
    rounding = 60 * 100 * float(np.finfo(np.float32).eps)
    np.testing.assert_allclose(found, exact, rtol=0, atol=rounding * np.abs(exact).max())


@pytest.mark.parametrize("name", ["closed_form", "cnn", pytest.param("residual", marks=pytest.mark.evidence)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gradient_is_finite_where_inputs_coincide(name, dtype):
    kernel, shape = KERNELS[name]
    x, targets, training, weights = (v.astype(dtype) for v in problem(shape))
    # Two training inputs, one twice as long, one turned round, and one that is dark.
    x = jnp.concatenate([training[:2], 2 * training[2:3], -training[3:4], 0 * x[:1]])
    found = np.abs(np.asarray(gradient(kernel, x, targets, training, weights))).reshape(K, -1)
    away = np.abs(np.asarray(gradient(kernel, x + 0.1, targets, training, weights)))
    assert np.isfinite(found).all() and (found[:4].max(1) > 0).all()
    # 1e15 is finite, too.
    assert found.max() < 100 * away.max()


# The residual network, pair by pair and pixel by pixel.


def convolved(k: np.ndarray, stride: int = 1, side: int = 3) -> np.ndarray:
    """Sums over windows of zero-padded k, over the size of the window."""
    out = [-(-n // stride) for n in k.shape]
    missing = [max((o - 1) * stride + side - n, 0) for o, n in zip(out, k.shape, strict=True)]
    padded = np.pad(k, [(p // 2, p - p // 2) for p in missing])
    found = np.empty(out)
    for i, j in np.ndindex(*out):
        found[i, j] = padded[i * stride : i * stride + side, j * stride : j * stride + side].sum()
    return found / side**2


def residual_by_hand(stages: tuple[int, ...], a: np.ndarray, b: np.ndarray) -> float:
    """NTK of one pair of images; k holds the covariances aa, ab and bb, t the NTK of a and b."""
    sigma_w, sigma_b = SCALES

    def convolution(k, t, *how):
        k = [sigma_w**2 * convolved(one, *how) + sigma_b**2 for one in k]
        return k, k[1] + sigma_w**2 * convolved(t, *how)

    def relu(k, t):
        root = np.sqrt(k[0] * k[2])
        angle = np.arccos(np.clip(k[1] / root, -1, 1))
        value = root * (np.sin(angle) + (np.pi - angle) * np.cos(angle)) / (2 * np.pi)
        return [k[0] / 2, value, k[2] / 2], t * (np.pi - angle) / (2 * np.pi)

    k = [(u * v).mean(-1) for u, v in ((a, a), (a, b), (b, b))]
    k, t = convolution(k, np.zeros_like(k[0]))
    for stage, blocks in enumerate(stages):
        for block in range(blocks):
            stride = 2 if stage > 0 and block == 0 else 1
            main = convolution(*relu(*convolution(*relu(k, t), stride)))
            if stride == 2:
                k, t = convolution(k, t, stride, 1)
            k, t = [u + v for u, v in zip(k, main[0], strict=True)], t + main[1]
    k, t = relu(k, t)
    return (sigma_w**2 * k[1].mean() + sigma_b**2) + sigma_w**2 * t.mean()


@pytest.mark.parametrize(("stages", "shape"), [((1, 1), (8, 8, 3)), ((2, 1), (5, 4, 2))])
def test_residual_kernel_is_the_one_by_hand(stages, shape):
    x, training = gaussian(0, 2, *shape), gaussian(1, 3, *shape)
    found = cross(kernel_of(residual(stages, *SCALES)), x, training)
    expected = np.array(
        [[residual_by_hand(stages, a, b) for b in np.asarray(training)] for a in np.asarray(x)]
    )
    np.testing.assert_allclose(found, expected, rtol=ROUNDING)


def test_residual_networks_have_the_published_depths():
    # Stem, two convolutions per block, output.
    assert [2 + 2 * sum(stages) for stages in (RESNET_18, RESNET_34)] == [18, 34]


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("stages", ()),
        ("stages", (2, 0)),
        ("activation", "swish"),
        ("sigma_w", 0.0),
        ("sigma_b", -1.0),
    ],
)
def test_residual_networks_that_make_no_sense_are_refused(argument, value):
    name = "activation_name" if argument == "activation" else argument
    with pytest.raises(ValueError, match=argument):
        residual(**{name: value})


# What the kernels are as values, and what they take.


def test_kernel_of_takes_the_fast_path_where_there_is_one():
    assert kernel_of(MLP) == ClosedFormNTK(MLP)
    for net in (replace(MLP, activation="tanh"), replace(MLP, parameterization="standard"), CNN, RESIDUAL):
        assert kernel_of(net) == StaxNTK(net)
    with pytest.raises(ValueError, match="swish"):
        kernel_of(Residual(activation="swish"))


@pytest.mark.parametrize("kernel", [ClosedFormNTK(MLP), StaxNTK(replace(MLP, activation="erf"))])
def test_kernels_may_be_static_arguments(kernel):
    x, _, training, _ = problem(VECTOR)
    static = jax.jit(lambda kernel, x, training: kernel.cross(x, training), static_argnums=0)
    assert hash(kernel) == hash(replace(kernel))
    found, expected = static(kernel, x, training), kernel.cross(x, training)
    np.testing.assert_allclose(found, expected, rtol=0, atol=ROUNDING * np.abs(expected).max())


def temporary_bytes(function, *shapes: tuple[int, ...], dtype: str) -> int:
    """What XLA allots to a program beside its arguments and results; nothing is run."""
    arguments = [jax.ShapeDtypeStruct(shape, dtype) for shape in shapes]
    return jax.jit(function).lower(*arguments).compile().memory_analysis().temp_size_in_bytes


@pytest.mark.parametrize(
    ("name", "dtype"),
    [("closed_form", "float32"), ("closed_form", "float64"), ("cnn", "float32"), ("pool", "float64")],
)
def test_memory_is_estimated_from_above(name, dtype):
    kernel, shape = KERNELS[name]
    if isinstance(kernel, StaxNTK):
        kernel = replace(kernel, tile_bytes=2**22)
    rows, columns, classes = 300, 400, 10
    estimate = kernel.memory_bytes(rows, columns, shape, classes, np.dtype(dtype).itemsize)
    inputs, training = (rows, *shape), (columns, *shape)
    takes = max(
        temporary_bytes(kernel.cross, inputs, training, dtype=dtype),
        temporary_bytes(
            kernel.loss_gradient, inputs, (rows, classes), training, (columns, classes), dtype=dtype
        ),
    )
    # Never too little, and not so much that a machine would be called too small for what it can do.
    assert takes <= estimate <= 5 * takes


def test_gram_takes_no_second_matrix():
    m, d = 4000, 100
    takes = temporary_bytes(ClosedFormNTK(MLP).gram, (m, d), dtype="float32")
    assert takes <= ClosedFormNTK(MLP).memory_bytes(m, m, (d,), 10, 4)
    assert takes < 4 * m**2 / 10


def test_memory_sees_the_squared_pixels_of_pooling():
    pooled, flattened = StaxNTK(POOL), StaxNTK(replace(POOL, readout="flatten"))
    shape = (32, 32, 3)
    # One pair of images is more than a tile may take.
    one = pooled.memory_bytes(1, 1, shape, 10, 8)
    assert one > pooled.tile_bytes and one > 500 * flattened.memory_bytes(1, 1, shape, 10, 8)
    assert pooled.sides(128, 10_000, shape, 8, reverse=True) == (1, 1)
    assert pooled.memory_bytes(128, 10_000, shape, 10, 8) == one


X, Y, T, W = (jnp.ones(shape) for shape in ((2, *IMAGE), (2, C), (3, *IMAGE), (3, C)))


@pytest.mark.parametrize(
    ("given_arguments", "message"),
    [
        ((X.reshape(2, -1), Y, T.reshape(3, -1), W), "x has shape"),
        ((X, Y, T[:, :3], W), r"x_train has shape \(3, 3, 4, 2\)"),
        ((X, Y[:1], T, W), "targets has shape"),
        ((X, Y, T, W[:2]), "weights has shape"),
        ((X, Y, T, W[:, :1]), "weights has shape"),
        ((X[:0], Y[:0], T, W), "no inputs"),
        ((X, Y, T[:0], W[:0]), "x_train has shape"),
        ((X, Y.astype("float32"), T, W), "targets has dtype float32"),
    ],
)
def test_what_does_not_fit_is_refused(given_arguments, message):
    with pytest.raises(ValueError, match=message):
        StaxNTK(CNN).loss_gradient(*given_arguments)
    if "x has shape" not in message:  # An MLP takes vectors.
        with pytest.raises(ValueError, match=message):
            ClosedFormNTK(MLP).loss_gradient(*given_arguments)


def test_fused_refuses_networks_without_closed_form():
    with pytest.raises(ValueError, match="gelu"):
        ClosedFormNTK(replace(MLP, activation="gelu")).gram(gaussian(0, 2, 3))
