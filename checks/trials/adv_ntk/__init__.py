"""Checks of Adv-NTK."""

from advntk.checks.trials.adv_ntk.training import (
    gain_of_training,
    interrupted_training,
    mean_of_adversarial_training,
)
from advntk.checks.trials.adv_ntk.weights import (
    at_zero,
    attack_in_its_threat_model,
    batches_and_their_parts,
    gradient_against_differences,
    published_attack,
    weights_against_reference,
    what_must_not_matter,
)

__all__ = [
    "at_zero",
    "attack_in_its_threat_model",
    "batches_and_their_parts",
    "gain_of_training",
    "gradient_against_differences",
    "interrupted_training",
    "mean_of_adversarial_training",
    "published_attack",
    "weights_against_reference",
    "what_must_not_matter",
]
