"""All falsehoods, by subject: wrong theories and wrong implementations that must be refuted."""

from __future__ import annotations

import wrong_adv_ntk
import wrong_audits
import wrong_definiteness
import wrong_dynamics
import wrong_experiments
import wrong_fading
import wrong_implementation
import wrong_kernels
import wrong_lazy_training
import wrong_limits
import wrong_plain_dynamics
import wrong_searches
import wrong_subjects
import wrong_theories
import wrong_values
from falsehood import Falsehood

SUBJECTS = (
    wrong_kernels,
    wrong_definiteness,
    wrong_theories,
    wrong_searches,
    wrong_subjects,
    wrong_dynamics,
    wrong_fading,
    wrong_implementation,
    wrong_experiments,
    wrong_audits,
    wrong_limits,
    wrong_plain_dynamics,
    wrong_values,
    wrong_adv_ntk,
    wrong_lazy_training,
)

LIBRARY: tuple[Falsehood, ...] = tuple(
    value for subject in SUBJECTS for value in vars(subject).values() if isinstance(value, Falsehood)
)
