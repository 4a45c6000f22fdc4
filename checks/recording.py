"""Between batches and the evidence: what was measured is written, and found again by its content."""

from __future__ import annotations

from typing import Any

import numpy as np

from advntk.checks.deciders.decision import Decision
from advntk.checks.evidence import (
    BadEvidence,
    DecisionRow,
    EvidenceStore,
    FindingRow,
    Outcome,
    TrialRow,
    circumstances,
    trial_key,
)
from advntk.checks.measuring import Batch, Measured
from advntk.checks.planning import PlannedScenario
from advntk.implementations.foreign_code import Failure
from advntk.implementations.results import Result


class Recorder:
    """Writes one run, and knows what it has measured before."""

    def __init__(self, store: EvidenceStore, run: int, run_seed: int, older: int | None = None) -> None:
        """What applies of an `older` run is taken over."""
        self._store, self._run, self._seed = store, run, run_seed
        self._provenance = store.provenance_of(run)
        self._code: dict[str, str] = {}  # trial |-> what its numbers depend on besides scenario and seeds
        self._written = store.measured(run)
        self._known = {**(store.measured(older) if older is not None else {}), **self._written}

    def _keys(self, batch: Batch) -> list[str]:
        name = batch.planned.check.name
        if name not in self._code:
            self._code[name] = circumstances(self._provenance, name)
        code = self._code[name]
        scenario = batch.at.scenario.as_dict()
        return [trial_key(name, scenario, seed, self._seed, code) for seed in batch.seeds]

    def find(self, batch: Batch) -> Measured | None:
        """What the store holds of a batch; nothing unless it holds all of it, measured."""
        if not self._known:
            return None
        rows = [row for key in self._keys(batch) if (row := self._known.get(key)) is not None]
        # Older evidence does not say why an integrator stopped.
        if len(rows) < len(batch.seeds) or any(row.outcome is Outcome.STOPPED for row in rows):
            return None
        try:
            return Measured(
                {name: np.array([row.numbers[name] for row in rows]) for name in rows[0].numbers},
                {
                    kind: {name: np.array([row.figures[kind][name] for row in rows]) for name in parts}
                    for kind, parts in rows[0].figures.items()
                },
                np.array([_RESULTS[row.outcome] for row in rows]),
                rows[0].device,
            )
        except (KeyError, ValueError) as error:
            raise BadEvidence(
                f"--resume: trials of {batch.planned.check.name} in {self._store.folder} do not fit one "
                f"another ({type(error).__name__}: {error}); leave --resume out to start anew"
            ) from error

    def keep(self, batch: Batch, found: Measured | Failure) -> None:
        """Write a batch, whole or not at all; one that is there already stays as it is."""
        if self._written and all(key in self._written for key in self._keys(batch)):
            return
        self._store.add_trials(self._run, self._rows(batch, found))

    def decision(
        self, claim: str, trial: str, planned: PlannedScenario, decider: str, decision: Decision
    ) -> None:
        """Write one decision."""
        scenario = planned.scenario
        self._store.add_decision(
            self._run,
            DecisionRow(claim, trial, scenario.id, scenario.as_dict(), planned.label, decider, decision),
        )

    def finding(self, row: FindingRow) -> None:
        """Write one finding."""
        self._store.add_finding(self._run, row)

    def _rows(self, batch: Batch, found: Measured | Failure) -> list[TrialRow]:
        sweep = batch.planned.check.sweep

        def row(seed: int, key: str, outcome: Outcome, message: str, **what: Any) -> TrialRow:
            return TrialRow(
                batch.planned.check.name,
                batch.scenario.scenario.id,
                batch.at.scenario.as_dict(),
                None if sweep is None else sweep.axis,
                batch.at.point,
                seed,
                outcome,
                message=message,
                key=key,
                **what,
            )

        pairs = list(enumerate(zip(batch.seeds, self._keys(batch), strict=True)))
        if isinstance(found, Failure):
            return [
                row(seed, key, Outcome.ERROR, found.error, numbers={}, trace=found.trace)
                for _, (seed, key) in pairs
            ]
        results = np.zeros(len(pairs), dtype=int) if found.result is None else found.result
        return [
            row(
                seed,
                key,
                _OUTCOMES[Result(int(results[i]))],
                "" if results[i] == 0 else Result(int(results[i])).message,
                numbers={name: value[i] for name, value in found.values.items()},
                figures={
                    kind: {name: value[i] for name, value in parts.items()}
                    for kind, parts in found.figures.items()
                },
                device=found.device,
            )
            for i, (seed, key) in pairs
        ]


_OUTCOMES: dict[Result, Outcome] = {
    Result.successful: Outcome.MEASURED,
    **{result: Outcome(result.name.lower()) for result in Result if result is not Result.successful},
}
_RESULTS = {outcome: int(result) for result, outcome in _OUTCOMES.items()}
