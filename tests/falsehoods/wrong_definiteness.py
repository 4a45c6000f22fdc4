"""Wrong kernels where definiteness and rank are at stake."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from falsehood import instead, refuted_by

import advntk.checks.trials.ark_positive_definiteness.spectra as definiteness

PSD, RANK = "ark_positive_definiteness.gram_psd", "ark_positive_definiteness.rank"
BLOCKS, LIMIT = "ark_positive_definiteness.diagonal_blocks", "ark_positive_definiteness.limit_kernel"
BALLS = "ark_positive_definiteness.kernels_in_balls"
MARGIN = "ark_positive_definiteness.transformed_margin"
GRAM = {"family": "mlp", "depth": 2, "activation": "erf", "outputs": 3, "samples": 8, "width": 32}
BIASED = {"activation": "erf", "depth": 1, "sigma_b": 0.3, "arrangement": "antipodal"}
ERF = {"activation": "erf", "samples": 4}


@refuted_by(PSD, GRAM, by=("negative_part_over_rounding",))
def ark_with_outputs_swapped(monkeypatch):
    """The ARK's outputs a and b are swapped: symmetric still, but no Gram matrix."""

    def swapped(honest, *given):
        found = honest(*given)
        return found._replace(ark=jnp.transpose(found.ark, (0, 1, 4, 3, 2)))

    instead(monkeypatch, definiteness, "kernels_of_seeds", swapped)


@refuted_by(PSD, GRAM, by=("negative_part_over_rounding",))
def ark_with_inputs_swapped(monkeypatch):
    """The ARK's inputs i and j are swapped: symmetric still, but no Gram matrix."""

    def swapped(honest, *given):
        found = honest(*given)
        return found._replace(ark=jnp.transpose(found.ark, (0, 3, 2, 1, 4)))

    instead(monkeypatch, definiteness, "kernels_of_seeds", swapped)


@refuted_by(PSD, GRAM, by=("negative_part_over_rounding",), spares=(BLOCKS,))
def ark_in_half_precision(monkeypatch):
    """The ARK is rounded to float16 on its way."""

    def rounded(honest, *given):
        return jax.tree.map(lambda k: k.astype(jnp.float16).astype(k.dtype), honest(*given))

    instead(monkeypatch, definiteness, "kernels_of_seeds", rounded)


@refuted_by(PSD, GRAM, by=("asymmetry", "negative_part_over_rounding"))
def ark_that_is_lopsided(monkeypatch):
    """Blocks above the diagonal are one per cent larger than those below."""

    def lopsided(honest, *given):
        found = honest(*given)
        i = jnp.arange(found.ark.shape[1])
        upper = jnp.where(i[:, None] < i[None, :], 1.01, 1.0)
        return found._replace(ark=found.ark * upper[None, :, None, :, None])

    instead(monkeypatch, definiteness, "kernels_of_seeds", lopsided)


@refuted_by(RANK, GRAM, spares=(PSD,))
def parameters_in_place_of_inputs(monkeypatch):
    """Gradients are taken in the parameters, of which there are more than inputs."""

    def confused(honest, *given):
        found = honest(*given)
        return found._replace(ark=found.ntk)

    instead(monkeypatch, definiteness, "kernels_of_seeds", confused)


@refuted_by(RANK, GRAM, spares=(PSD,))
def nugget_on_the_ark(monkeypatch):
    """A millionth of the largest entry is added to the ARK's diagonal, for safety."""

    def safer(honest, *given):
        found = honest(*given)
        m, c = found.ark.shape[1:3]
        diagonal = jnp.eye(m * c).reshape(m, c, m, c)
        return found._replace(ark=found.ark + 1e-6 * found.ark.max() * diagonal[None])

    instead(monkeypatch, definiteness, "kernels_of_seeds", safer)


@refuted_by(BLOCKS, GRAM, spares=(PSD,))
def one_dead_output(monkeypatch):
    """The first output has no input gradient."""

    def dead(honest, *given):
        return honest(*given).at[:, :, 0].set(0)

    instead(monkeypatch, definiteness, "input_jacobians", dead)


@refuted_by(BLOCKS, GRAM, spares=(PSD,))
def gradients_of_the_mean_output(monkeypatch):
    """All outputs get the input gradient of their mean."""

    def averaged(honest, *given):
        found = honest(*given)
        return jnp.broadcast_to(found.mean(2, keepdims=True), found.shape)

    instead(monkeypatch, definiteness, "input_jacobians", averaged)


@refuted_by(BALLS, BIASED, spares=(LIMIT,))
def limit_kernel_that_ignores_the_bias(monkeypatch):
    """The limit ARK is that of networks without a bias, degenerate on antipodal inputs."""

    def unbiased(honest, arch, *rest):
        return honest(arch.with_scales(arch.sigma_w, 0.0), *rest)

    instead(monkeypatch, definiteness, "mlp_limits", unbiased)


@refuted_by(BALLS, BIASED, spares=(LIMIT,))
def limit_kernel_without_its_smallest_eigenvalue(monkeypatch):
    """The gap between zero and the spectrum of the limit ARK is taken away."""

    def closed(honest, *given):
        found = honest(*given)
        gap = jnp.linalg.eigvalsh(found.ark)[0]
        return found._replace(ark=found.ark - gap * jnp.eye(len(found.ark)))

    instead(monkeypatch, definiteness, "mlp_limits", closed)


@refuted_by(BALLS, BIASED, spares=(LIMIT,))
def slopes_at_one_input_only(monkeypatch):
    """The limit ARK multiplies the variances of two inputs' gradients and forgets their correlation."""

    def uncorrelated(honest, *given):
        found = honest(*given)
        deviation = jnp.sqrt(jnp.diagonal(found.ark))
        return found._replace(ark=deviation[:, None] * deviation[None, :])

    instead(monkeypatch, definiteness, "mlp_limits", uncorrelated)


@refuted_by(BALLS, BIASED, by=("ark_error_over_rounding",))
def limit_kernel_off_in_its_thirteenth_digit(monkeypatch):
    """The limit ARK is larger by two parts in 10^13."""

    def off(honest, *given):
        found = honest(*given)
        return found._replace(ark=found.ark * (1 + 2e-13))

    instead(monkeypatch, definiteness, "mlp_limits", off)


@refuted_by(BALLS, BIASED, by=("certified_scale_error_over_rounding",))
def certificate_from_a_matrix_in_single_precision(monkeypatch):
    """The certified scale is computed from the NTK rounded to single precision."""

    def single(honest, ntk):
        return honest(ntk.astype("float32").astype("float64"))

    instead(monkeypatch, definiteness, "certified_spread", single)


@refuted_by(MARGIN, ERF, by=("certified_over_critical", "margin_below_certificate"))
def certificate_that_promises_too_much(monkeypatch):
    """The certified spread is four times what is proved."""
    instead(monkeypatch, definiteness, "certified_spread", lambda honest, ntk: 4 * honest(ntk))


@refuted_by(MARGIN, ERF, by=("certified_over_critical", "margin_below_certificate"))
def definite_for_every_strength(monkeypatch):
    """The transformed kernel is claimed to be positive definite however strong the search is."""
    instead(monkeypatch, definiteness, "certified_spread", lambda honest, ntk: 1e3)


@refuted_by(MARGIN, ERF)
def certificate_from_the_root_of_the_kernel(monkeypatch):
    """The certificate takes the fourth root of the condition number for its square root."""

    def from_root(honest, ntk):
        values, vectors = jnp.linalg.eigh(ntk)
        return honest(jax.device_get((vectors * jnp.sqrt(values)[None, :]) @ vectors.T))

    instead(monkeypatch, definiteness, "certified_spread", from_root)
