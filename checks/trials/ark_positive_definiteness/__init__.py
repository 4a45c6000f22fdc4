"""Checks of the ARK's definiteness."""

from advntk.checks.trials.ark_positive_definiteness.spectra import (
    gram_matrix,
    kernels_in_balls,
    limit_kernel,
    transformed_kernel,
)

__all__ = ["gram_matrix", "kernels_in_balls", "limit_kernel", "transformed_kernel"]
