"""What the test items of one pytest process share: the plan, the evidence, and what is decided already."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from advntk.checking import Arguments, start
from advntk.checks.scenario import Scenario, from_dict
from advntk.reports.summary import is_expected, worst
from advntk.reports.wording import replay
from advntk.theorems.notation import plain
from advntk.theorems.vocabulary import Claim, Verdict

if TYPE_CHECKING:
    from advntk.checks.deciders.decision import Decision
    from advntk.checks.evidence import EvidenceStore
    from advntk.checks.planning import Family, PlannedCheck
    from advntk.checks.running import Decided


@dataclass(frozen=True)
class Found:
    """The verdict on an item; `report` says all that a reader of a failure needs."""

    verdict: Verdict
    reason: str
    as_expected: bool
    report: str


class Session:
    """Plans once, measures every trial of every scenario at most once, and keeps the evidence."""

    def __init__(self, profile: str, data: str, seed: int, folder: Path | None) -> None:
        """Raises what `advntk check` would for the same request."""
        self._temporary = None if folder else TemporaryDirectory(prefix="advntk-")
        folder = folder or Path(self._temporary.name)  # type: ignore[union-attr]
        self._arguments = Arguments(profile=profile, data=data, seed=seed, evidence=folder)
        self._plan, self._device, self._modules, _ = start(self._arguments)
        self._store: EvidenceStore | None = None
        self._run = 0
        self._decided: dict[tuple[str, str], list[Decided]] = {}

    def items_of(self, theorem: str) -> Iterator[tuple[PlannedCheck, Claim, tuple[Family, ...]]]:
        """What is to be tested of a theorem, in the order of the plan."""
        for planned in self._plan.checks:
            for stated_by, claim in planned.claims:
                if stated_by.id != theorem:
                    continue
                if claim.expected is Verdict.REFUTED:
                    yield planned, claim, planned.families
                else:
                    yield from ((planned, claim, (family,)) for family in planned.families)

    def verdict(self, planned: PlannedCheck, claim: Claim, families: tuple[Family, ...]) -> Found:
        """Measure what is not measured yet, and read the verdict."""
        decided = [
            d for family in families for d in self._decisions(planned, family) if d.claim.id == claim.id
        ]
        verdict = worst(d.decision.verdict for d in decided)
        critical = max((d for d in decided if d.decision.verdict is verdict), key=lambda d: d.decision.strain)
        expected = is_expected(verdict, claim.expectation)
        report = (
            "" if expected else self._report(planned, claim, critical.scenario, verdict, critical.decision)
        )
        return Found(verdict, critical.decision.reason, expected, report)

    def close(self) -> None:
        """Finish the run."""
        if self._store is not None:
            self._store.finish_run(self._run, {})
            self._store.close()
        if self._temporary is not None:
            self._temporary.cleanup()

    def _decisions(self, planned: PlannedCheck, family: Family) -> list[Decided]:
        from advntk.checks.running import run_plan

        key = (planned.check.name, family.scenario.id)
        if key not in self._decided:
            only = replace(planned, families=(family,), check=replace(planned.check, explores=()))
            plan = replace(self._plan, checks=(only,))
            self._decided[key] = run_plan(plan, self._open(), self._run, shrink=True)
        return self._decided[key]

    def _open(self) -> EvidenceStore:
        from advntk.checks.description import describe
        from advntk.checks.evidence import EvidenceStore
        from advntk.circumstances import environment

        if self._store is None:
            self._store = EvidenceStore(self._arguments.evidence)
            circumstances = environment(self._device, self._arguments.source, self._modules)
            self._run = self._store.start_run(describe(self._plan), circumstances)
        return self._store

    def _report(
        self, planned: PlannedCheck, claim: Claim, scenario: Scenario, verdict: Verdict, decision: Decision
    ) -> str:
        lines = [
            f"{claim.id} is {verdict}, expected {claim.expectation}: {decision.reason}",
            f"  claim     {plain(claim.statement)}",
            f"  scenario  {scenario.label()}",
        ]
        if decision.confidence is not None:
            lines.append(
                f"  {decision.quantity}  {decision.estimate:.3g} [{decision.low:.3g}, {decision.high:.3g}] "
                f"({decision.statistic})"
            )
        simplest = self._counterexample(claim)
        if simplest is not None:
            lines.append(f"  smallest counterexample  {simplest.label()}")
        request = self._plan.request
        run = {"profile": request.profile.name, "seed": request.seed, "widths": []}
        # A counterexample names its own width.
        ladder = simplest is None and planned.check.effort != "exact"
        lines.append(f"  replay    {replay(claim.id, (simplest or scenario).as_dict(), run, ladder)}")
        return "\n".join(lines)

    def _counterexample(self, claim: Claim) -> Scenario | None:
        from advntk.checks.evidence import read_run

        findings = read_run(self._arguments.evidence, self._run).findings
        found = [f for f in findings if f["claim"] == claim.id and f["kind"] == "counterexample"]
        return from_dict(found[-1]["scenario"]) if found else None
