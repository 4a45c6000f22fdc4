"""Theories made up for tests: the test says what is measured, and has it planned and carried out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import jax
import numpy as np

from advntk.checks.deciders.rate import RateDecider
from advntk.checks.description import describe
from advntk.checks.efforts import Effort, Measure, Profile
from advntk.checks.evidence import EvidenceStore, Provenance, RunCosts, RunRecord, read_run
from advntk.checks.executors import Executor
from advntk.checks.planning import Plan, Request, make_plan
from advntk.checks.running import run_plan
from advntk.checks.spaces import Axis, Space
from advntk.checks.sweeps import Sweep
from advntk.checks.trial import Check, trial
from advntk.theorems.vocabulary import Claim, Rate, Source, Theorem, Verdict

SOURCE = Source("a book", "page 1")
SMALL = Space(
    Axis("depth", 1, low=1, high=9, symbol="L", shown=True),
    Axis("width", 64, low=1, symbol="n", unit="neurons"),
    Axis("outputs", 2, low=1, symbol="c"),
)
POINTS = (8, 16, 32, 64)
PROFILE = Profile("quick", search=5)
PROVENANCE = Provenance(device="cpu", dtype="float64", code="one", digests={"made_up": "one"})


@dataclass(frozen=True)
class Theory:
    """A module that states one theorem and holds one trial, `made_up`."""

    module: ModuleType

    @property
    def theorem(self) -> Theorem:
        return self.module.THEOREM

    @property
    def check(self) -> Check:
        return self.module.made_up

    def plan(self, profile: Profile = PROFILE, **request: Any) -> Plan:
        """All claims, planned."""
        selected = [(self.theorem, claim) for claim in self.theorem.claims]
        return make_plan(Request(profile, **request), selected, [self.module])


def claim(name: str, decider: Any, axis: str = "width", **more: Any) -> Claim:
    """A claim of the kind, and of the rate, that its decider decides."""
    rate = None if decider.exponent is None else Rate(decider.exponent, axis)
    return Claim(name, "s", decider.kind, SOURCE, **{"rate": rate, "note": "made up", **more})


def theory(
    function: Callable,
    decides: Mapping[str, Sequence[Any]],
    space: Space = SMALL,
    measure: Measure | None = None,
    sweep: Sweep | None = None,
    claims: Sequence[Claim] | None = None,
    **check: Any,
) -> Theory:
    """A theorem "mine" of these claims (made for the deciders unless given), and the trial `function`."""
    over = sweep.axis if sweep is not None else "width"
    stated = [claim(name, deciders[0], over) for name, deciders in decides.items()]
    module = ModuleType("advntk_theory_made_up")
    module.THEOREM = Theorem("mine", "t", "s", SOURCE, tuple(stated if claims is None else claims))
    effort = Effort(measure or Measure(1, 4, POINTS if sweep is not None else ()))

    def made_up(scenario, keys):
        return function(scenario, keys)

    module.made_up = trial(decides, space, effort, sweep, **check)(made_up)
    return Theory(module)


def carry_out(
    plan: Plan,
    folder: Path,
    run: int | None = None,
    provenance: Provenance = PROVENANCE,
    older: int | None = None,
    progress: Callable = lambda *_: None,
    executor: Executor | None = None,
) -> RunRecord:
    """Measure and decide a plan in a new run, or in `run` once more, and read it back."""
    store = EvidenceStore(folder)
    try:
        if run is None:
            run = store.start_run(describe(plan), provenance)
        else:
            store.reopen_run(run)
        run_plan(plan, store, run, progress, older=older, executor=executor)
        store.finish_run(run, RunCosts(wall_time_s=1.0))
    finally:
        store.close()
    return read_run(folder, run)


FIRST, LOOKS = 16, 4


class Interrupted(BaseException):
    """As a signal would: no trial may swallow it."""


class Bench:
    """Runs a claim of rate 1/2 on a trial; `calls` lists (depth, width, seeds) of what was measured."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.calls: list[tuple[int, int, int]] = []

    def plan(self, noise=0.0, exponent=0.5, depths=(1,), expected=Verdict.HOLDS, seed=0, looks=1):
        """The trial's error falls at the rate `exponent`; `looks` are those without an expected verdict."""

        def trial(scenario, keys):
            self.calls.append((scenario.depth, scenario.width, len(keys)))
            luck = np.asarray(jax.vmap(jax.random.normal)(keys))
            return {"gap": scenario.width**-exponent * np.exp(noise * luck)}

        decider = RateDecider("gap", 0.5)
        made = theory(
            trial,
            {"mine.a": [decider]},
            SMALL.over(depth=depths),
            Measure(len(depths), FIRST, POINTS, looks=LOOKS),
            Sweep("width"),
            [claim("mine.a", decider, expected=expected)],
        )
        return made.plan(replace(PROFILE, looks_as_measured=looks), seed=seed)

    def run(self, plan, **how):
        """Carry a plan out; `calls` are those of this run."""
        self.calls.clear()
        return carry_out(plan, self.folder, **how)
