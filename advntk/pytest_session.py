"""What the test items of one pytest process share: the plan, the evidence, and what is decided already."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from advntk.printable import printable
from advntk.reports.formatting import replay
from advntk.reports.summary import is_expected, worst
from advntk.theorems.notation import plain
from advntk.theorems.vocabulary import Claim, Verdict
from advntk.wiring import RunSettings, costs, described, prepare

if TYPE_CHECKING:
    from advntk.checks.evidence import EvidenceStore, FindingRow
    from advntk.checks.planning import PlannedCheck, PlannedScenario
    from advntk.checks.running import Decided


@dataclass(frozen=True)
class Found:
    """The verdict on an item; `report` says all that a reader of a failure needs."""

    verdict: Verdict
    reason: str
    as_expected: bool
    report: str


def _may_keep(folder: Path) -> None:
    from advntk.checks.evidence.schema import FILE_NAME, check_header

    if os.path.lexists(folder / FILE_NAME):
        check_header(folder / FILE_NAME)


class Session:
    """Plans once, measures every trial of every scenario at most once, and keeps the evidence."""

    def __init__(self, profile: str, data: str | None, seed: int, folder: Path | None) -> None:
        """Raises what `advntk check` would for the same request."""
        self._temporary = None if folder else TemporaryDirectory(prefix="advntk-")
        folder = folder or Path(self._temporary.name)  # type: ignore[union-attr]
        theories = tuple(os.environ.get("ADVNTK_THEORY", "").split())
        try:
            self._prepared = prepare(
                RunSettings(profile=profile, data=data, seed=seed, evidence=folder, theories=theories)
            )
            _may_keep(folder)
        except BaseException:
            if self._temporary is not None:
                self._temporary.cleanup()
            raise
        self._store: EvidenceStore | None = None
        self._run = 0
        self._decided: dict[tuple[str, str], list[Decided]] = {}

    @property
    def theorems(self) -> list[str]:
        """Ids of the theorems in the plan."""
        return list(dict.fromkeys(t.id for planned in self._prepared.plan.checks for t, _ in planned.claims))

    def items_of(self, theorem: str) -> Iterator[tuple[PlannedCheck, Claim, tuple[PlannedScenario, ...]]]:
        """What is to be tested of a theorem, in the order of the plan."""
        for planned in self._prepared.plan.checks:
            for stated_by, claim in planned.claims:
                if stated_by.id != theorem:
                    continue
                if claim.expected is Verdict.REFUTED:
                    yield planned, claim, planned.scenarios
                else:
                    yield from ((planned, claim, (scenario,)) for scenario in planned.scenarios)

    def verdict(self, planned: PlannedCheck, claim: Claim, scenarios: tuple[PlannedScenario, ...]) -> Found:
        """Measure what is not measured yet, and read the verdict."""
        decided = [
            d for scenario in scenarios for d in self._decisions(planned, scenario) if d.claim.id == claim.id
        ]
        verdict = worst(d.decision.verdict for d in decided)
        critical = max(
            (d for d in decided if d.decision.verdict is verdict), key=lambda d: d.decision.severity
        )
        expected = is_expected(verdict, claim.expectation)
        report = "" if expected else self._report(planned, critical, verdict)
        return Found(verdict, critical.decision.reason, expected, report)

    def close(self) -> None:
        """Finish the run."""
        if self._store is not None:
            self._store.finish_run(self._run, costs(self._prepared, []))
            self._store.close()
        if self._temporary is not None:
            self._temporary.cleanup()

    def _decisions(self, planned: PlannedCheck, scenario: PlannedScenario) -> list[Decided]:
        from advntk.checks.running import run_plan

        key = (planned.check.name, scenario.scenario.id)
        if key not in self._decided:
            only = replace(planned, scenarios=(scenario,), check=replace(planned.check, explores=()))
            plan = replace(self._prepared.plan, checks=(only,))
            self._decided[key] = run_plan(plan, self._open(), self._run, shrink=True)
        return self._decided[key]

    def _open(self) -> EvidenceStore:
        from advntk.checks.evidence import EvidenceStore

        if self._store is None:
            self._store = EvidenceStore(self._prepared.settings.evidence)
            self._run = self._store.start_run(described(self._prepared), self._prepared.provenance)
        return self._store

    def _report(self, planned: PlannedCheck, critical: Decided, verdict: Verdict) -> str:
        claim, decision = critical.claim, critical.decision
        lines = [
            f"{claim.id} is {verdict}, expected {claim.expectation}: {decision.reason}",
            f"  claim     {plain(claim.statement)}",
            f"  scenario  {critical.planned.label}",
        ]
        if decision.confidence is not None:
            lines.append(
                f"  {decision.quantity}  {decision.estimate:.3g} [{decision.low:.3g}, {decision.high:.3g}] "
                f"({decision.statistic})"
            )
        simplest = self._counterexample(claim)
        if simplest is not None:
            lines.append(f"  smallest counterexample  {simplest.label}")
        request = described(self._prepared)
        shown = (simplest.scenario if simplest else None) or critical.planned.scenario.as_dict()
        command = replay(claim.id, planned.check.name, shown, request, self._prepared.provenance)
        lines.append(f"  replay    {command}")
        return printable("\n".join(lines))

    def _counterexample(self, claim: Claim) -> FindingRow | None:
        from advntk.checks.evidence import FindingKind, read_run

        findings = read_run(self._prepared.settings.evidence, self._run).findings
        found = [f for f in findings if f.claim == claim.id and f.kind is FindingKind.COUNTEREXAMPLE]
        return found[-1] if found else None
