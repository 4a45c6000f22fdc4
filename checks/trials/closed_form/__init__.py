"""Checks of the closed form."""

from advntk.checks.trials.closed_form.ensembles import trained_ensemble
from advntk.checks.trials.closed_form.flows import commuting_flow, linear_search, varying_flow

__all__ = ["commuting_flow", "linear_search", "trained_ensemble", "varying_flow"]
