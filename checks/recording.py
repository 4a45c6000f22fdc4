"""Between batches and the evidence: what was measured is written, and found again by its content."""

from __future__ import annotations

from typing import Any

import numpy as np

from advntk.checks.evidence import EvidenceStore, TrialRow, trial_key
from advntk.checks.measuring import Batch, Broken, Values
from advntk.checks.scenario import Scenario
from advntk.implementations.results import Result

RESULT = "result"


class Recorder:
    """Writes one run, and knows what it has measured before."""

    def __init__(self, store: EvidenceStore, run: int, run_seed: int, older: int | None = None) -> None:
        """What applies of an `older` run is taken over."""
        self._store, self._run, self._seed = store, run, run_seed
        self._code = store.code_of(run)
        self._written = store.measured(run)
        self._known = {**(store.measured(older) if older is not None else {}), **self._written}

    def _keys(self, batch: Batch) -> list[str]:
        name = batch.planned.check.name
        return [trial_key(name, batch.rung.as_dict(), seed, self._seed, self._code) for seed in batch.seeds]

    def find(self, batch: Batch) -> Values | None:
        """What the store holds of a batch; nothing unless it holds all of it, measured."""
        if not self._known:
            return None
        rows = [self._known.get(key) for key in self._keys(batch)]
        if not all(rows):
            return None
        return {name: np.array([row[name] for row in rows if row is not None]) for name in rows[0] or ()}

    def keep(self, batch: Batch, values: Values) -> None:
        """Write a batch, whole or not at all; one that is there already stays as it is."""
        if self._written and all(key in self._written for key in self._keys(batch)):
            return
        self._store.add_trials(self._run, self._rows(batch, values))

    def decision(
        self, claim: str, trial: str, scenario: Scenario, decider: str, said: dict[str, Any]
    ) -> None:
        """Write one decision."""
        self._store.add_decision(self._run, claim, trial, scenario.id, scenario.as_dict(), decider, said)

    def _rows(self, batch: Batch, values: Values) -> list[TrialRow]:
        if isinstance(values, Broken):
            outcome, found = f"error: {values.error}", {}
        else:
            outcome, found = "measured", dict(values)
        # A trial may say per seed how its integrator ended: recorded, and no crash.
        results = np.asarray(found.get(RESULT, np.zeros(len(batch.seeds), dtype=int)), dtype=int)
        return [
            TrialRow(
                batch.planned.check.name,
                batch.family.scenario.id,
                batch.rung.as_dict(),
                batch.rung.width,
                seed,
                f"stopped: {Result(results[i]).message}" if results[i] else outcome,
                {name: value[i] for name, value in found.items()},
                key,
            )
            for i, (seed, key) in enumerate(zip(batch.seeds, self._keys(batch), strict=True))
        ]
