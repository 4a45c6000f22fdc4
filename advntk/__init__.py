"""Checks deep-learning theory by machine.

`advntk.check` puts claims to the test, and `advntk.mutate` asks what they would notice.  The vocabulary and
the deciders below state a theory of one's own; `advntk.axes` has the axes that theories of networks share.
`advntk.networks`, `advntk.kernels`, `advntk.attacks` and `advntk.adv_ntk` are what the first theory computes
with; call `advntk.configure()` before JAX is used, which then computes in double precision.  Nothing heavy is
imported before it is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from advntk.api import ClaimResult as ClaimResult
    from advntk.api import Run as Run
    from advntk.api import check as check
    from advntk.api import claims as claims
    from advntk.api import load_run as load_run
    from advntk.api import mutate as mutate
    from advntk.checks.deciders.bound import BoundDecider as BoundDecider
    from advntk.checks.deciders.decision import Decision as Decision
    from advntk.checks.deciders.decision import ErrorRates as ErrorRates
    from advntk.checks.deciders.enclosure import EnclosureDecider as EnclosureDecider
    from advntk.checks.deciders.enclosure import enclosed as enclosed
    from advntk.checks.deciders.level import LevelDecider as LevelDecider
    from advntk.checks.deciders.median import MedianDecider as MedianDecider
    from advntk.checks.deciders.rate import RateDecider as RateDecider
    from advntk.checks.efforts import Effort as Effort
    from advntk.checks.efforts import Measure as Measure
    from advntk.checks.mutation.falsehoods import Falsehood as Falsehood
    from advntk.checks.mutation.falsehoods import refuted_by as refuted_by
    from advntk.checks.scenario import Scenario as Scenario
    from advntk.checks.spaces import Axis as Axis
    from advntk.checks.spaces import Between as Between
    from advntk.checks.spaces import Space as Space
    from advntk.checks.sweeps import Sweep as Sweep
    from advntk.checks.trial import Observation as Observation
    from advntk.checks.trial import Premise as Premise
    from advntk.checks.trial import trial as trial
    from advntk.exceptions import UsageError as UsageError
    from advntk.implementations.runtime import configure as configure
    from advntk.theorems.vocabulary import Assumption as Assumption
    from advntk.theorems.vocabulary import Claim as Claim
    from advntk.theorems.vocabulary import Kind as Kind
    from advntk.theorems.vocabulary import Rate as Rate
    from advntk.theorems.vocabulary import Source as Source
    from advntk.theorems.vocabulary import Step as Step
    from advntk.theorems.vocabulary import Theorem as Theorem
    from advntk.theorems.vocabulary import Verdict as Verdict

# Name |-> (module, name there).
_FROM = {
    **dict.fromkeys(("ClaimResult", "Run", "check", "claims", "load_run", "mutate"), "advntk.api"),
    "BoundDecider": "advntk.checks.deciders.bound",
    **dict.fromkeys(("Decision", "ErrorRates"), "advntk.checks.deciders.decision"),
    **dict.fromkeys(("EnclosureDecider", "enclosed"), "advntk.checks.deciders.enclosure"),
    "LevelDecider": "advntk.checks.deciders.level",
    "MedianDecider": "advntk.checks.deciders.median",
    "RateDecider": "advntk.checks.deciders.rate",
    **dict.fromkeys(("Effort", "Measure"), "advntk.checks.efforts"),
    **dict.fromkeys(("Falsehood", "refuted_by"), "advntk.checks.mutation.falsehoods"),
    "Scenario": "advntk.checks.scenario",
    **dict.fromkeys(("Axis", "Between", "Space"), "advntk.checks.spaces"),
    "Sweep": "advntk.checks.sweeps",
    **dict.fromkeys(("Observation", "Premise", "trial"), "advntk.checks.trial"),
    "UsageError": "advntk.exceptions",
    "configure": "advntk.implementations.runtime",
    **dict.fromkeys(
        ("Assumption", "Claim", "Kind", "Rate", "Source", "Step", "Theorem", "Verdict"),
        "advntk.theorems.vocabulary",
    ),
}
_MODULES = ("adv_ntk", "attacks", "axes", "kernels", "networks")

__all__ = [*_FROM, *_MODULES]


def __getattr__(name: str) -> Any:
    """Import what is asked for, once."""
    if name in _FROM:
        value = getattr(importlib.import_module(_FROM[name]), name)
    elif name in _MODULES:
        value = importlib.import_module(f"advntk.{name}")
    else:
        raise AttributeError(f"module 'advntk' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
