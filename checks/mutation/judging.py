"""Claims put to mutants: what a claim says without a fault, and whether it says otherwise with it.

A check is measured in the scenarios of the run that is asked for.  A mutant is killed where a claim that
HOLDS without it is REFUTED with it, where a control that is REFUTED without it HOLDS in all of its scenarios,
where measuring breaks, or, for code that only decides, where any verdict is another one.  The first scenario
that runs the changed line comes first, cheapest checks before dearer ones; a mutant survives when all
scenarios of all checks that run it have been measured.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from advntk.checks.measuring import Observed
from advntk.checks.mutation.calls import CallRecorder, Calls
from advntk.checks.mutation.functions import MutationTarget
from advntk.checks.mutation.mutants import Mutant
from advntk.checks.mutation.planting import CannotPlant, forget, planted
from advntk.checks.planning import Plan, PlannedCheck
from advntk.checks.running import decide, observed_by_look, wants_another_look
from advntk.implementations.foreign_code import Failure
from advntk.theorems.vocabulary import Claim, Verdict

# Seconds of a processor that may be used before what is announced is given up, and what it is.
Announce = Callable[[float, str], None]
Verdicts = dict[str, Verdict]  # by claim id
LEAST_SECONDS = 30.0
_PATIENCE = 10.0
_ORDER = (Verdict.ERROR, Verdict.REFUTED, Verdict.INCONCLUSIVE, Verdict.HOLDS)


@dataclass
class Baseline:
    """A check without any fault.

    Attributes:
      check: its place in the plan.
      name: of its trial.
      verdicts: by scenario, in their order.
      seconds: of processors, that the first look at each scenario took.
      measuring: what runs while it is measured.
      deciding: what runs while it is decided.
      observed: what each scenario gave, for code that only decides.
      unusable: claim id |-> why the claim can kill nothing.
    """

    check: int
    name: str
    verdicts: list[Verdicts] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    measuring: Calls = field(default_factory=Calls)
    deciding: Calls = field(default_factory=Calls)
    observed: list[Observed | Failure] = field(default_factory=list)
    unusable: dict[str, str] = field(default_factory=dict)

    @property
    def limit(self) -> float:
        """Seconds of a processor after which a look with a fault is given up."""
        return _PATIENCE * sum(self.seconds)


@dataclass(frozen=True)
class MutantVerdict:
    """What became of a mutant: `status` is killed, error, survived, not run or impossible; `by` a claim."""

    status: str
    by: str = ""
    reason: str = ""
    trial: str = ""


class Judge:
    """Puts the checks of a plan to mutants, in this thread."""

    def __init__(
        self,
        plan: Plan,
        targets: Mapping[str, MutationTarget],
        roots: tuple[str, ...],
        announce: Announce | None = None,
        least_seconds: float = LEAST_SECONDS,
    ) -> None:
        """`roots` are packages whose functions may have cached what a target gave.

        A look with a fault may use ten times what all looks of its check used without, and `least_seconds` at
        least.
        """
        self._least = least_seconds
        self._plan, self._targets, self._roots = plan, targets, roots
        self._announce = announce or (lambda *_: None)
        self._recorder = CallRecorder(targets.values())

    def baseline(self, place: int) -> Baseline:
        """Measure a check without a fault, and record what runs."""
        planned = self._plan.checks[place]
        found = Baseline(place, planned.check.name)
        if all(claim.expected is None for _, claim in planned.claims):
            found.unusable = _unusable(planned, [])
            return found
        forget(self._roots)
        for number, scenario in enumerate(planned.scenarios):
            began = time.process_time()
            looks = observed_by_look(self._plan, planned, scenario)
            for look in range(planned.looks):
                self._announce(3600.0, f"{planned.check.name} without a fault")
                with self._recorder.recording(found.measuring, number):
                    observed = next(looks)
                if look == 0:
                    found.seconds.append(time.process_time() - began)
                with self._recorder.recording(found.deciding, number):
                    decisions = decide(planned, scenario, observed, self._plan.rates_of(planned))
                if not wants_another_look(self._plan, planned, look, decisions):
                    break
            found.observed.append(observed)
            found.verdicts.append(_worst(decisions))
        found.unusable = _unusable(planned, found.verdicts)
        return found

    def judge(
        self, mutant: Mutant, baselines: Sequence[Baseline], first: Sequence[str] = ()
    ) -> MutantVerdict:
        """Put all checks that run a mutant to it, until one notices.

        Args:
          mutant: what is wrong.
          baselines: of all checks.
          first: names of trials to begin with, most promising first.
        """
        target = self._targets[mutant.function]
        measuring = _seeing(baselines, mutant, lambda one: one.measuring)
        deciding = _seeing(baselines, mutant, lambda one: one.deciding)
        if not measuring and not deciding:
            return MutantVerdict("not run", reason="no claim runs it")
        promising = {name: place for place, name in enumerate(first)}
        order = sorted(
            measuring, key=lambda pair: (promising.get(pair[0].name, len(first)), pair[0].seconds[pair[1]])
        )
        try:
            with planted(mutant, target, self._roots):
                only_decides = [pair for pair in deciding if pair[0] not in [one for one, _ in measuring]]
                for baseline, _ in only_decides:
                    if found := self._decided_otherwise(baseline):
                        return found
                return self._measured_otherwise(order)
        except CannotPlant as reason:
            return MutantVerdict("impossible", reason=str(reason))

    def _measured_otherwise(self, order: Sequence[tuple[Baseline, int]]) -> MutantVerdict:
        seen = [_Seen(baseline) for baseline, _ in order]
        for one, (_, scenario) in zip(seen, order, strict=True):
            if found := self._scenario(one, scenario, 1):
                return found
        for one, (baseline, _) in zip(seen, order, strict=True):
            planned = self._plan.checks[baseline.check]
            for scenario in range(len(planned.scenarios)):
                if found := self._scenario(one, scenario, planned.looks):
                    return found
            if found := one.control_that_holds():
                return found
        return MutantVerdict("survived", reason="every claim that runs it says what it says without")

    def _scenario(self, one: _Seen, number: int, looks: int) -> MutantVerdict | None:
        baseline = one.baseline
        planned = self._plan.checks[baseline.check]
        scenario = planned.scenarios[number]
        observing = one.observing.setdefault(number, observed_by_look(self._plan, planned, scenario))
        for look in range(one.looks.get(number, 0), looks):
            # Every look draws as many seeds as all before.
            self._announce(max(self._least, baseline.limit) * 2**look, planned.check.name)
            decisions = decide(planned, scenario, next(observing), self._plan.rates_of(planned))
            one.verdicts[number], one.looks[number] = _worst(decisions), look + 1
            for claim, _, decision in decisions:
                if claim.id in baseline.unusable:
                    continue
                if decision.verdict is Verdict.ERROR:
                    return MutantVerdict("error", claim.id, decision.reason, baseline.name)
                if decision.verdict is Verdict.REFUTED and claim.expected is Verdict.HOLDS:
                    return MutantVerdict(
                        "killed", claim.id, f"{scenario.label}: {decision.reason}", baseline.name
                    )
            if not wants_another_look(self._plan, planned, look, decisions):
                # What is decided stays so.
                one.looks[number] = planned.looks
                break
        return None

    def _decided_otherwise(self, baseline: Baseline) -> MutantVerdict | None:
        planned = self._plan.checks[baseline.check]
        for number, scenario in enumerate(planned.scenarios):
            self._announce(self._least, planned.check.name)
            decisions = decide(planned, scenario, baseline.observed[number], self._plan.rates_of(planned))
            for claim, now in _worst(decisions).items():
                before = baseline.verdicts[number][claim]
                if claim not in baseline.unusable and now is not before:
                    status = "error" if now is Verdict.ERROR else "killed"
                    reason = f"{scenario.label}: {now}, without the fault {before}"
                    return MutantVerdict(status, claim, reason, baseline.name)
        return None


@dataclass
class _Seen:
    """What a check has said of a mutant so far."""

    baseline: Baseline
    verdicts: dict[int, Verdicts] = field(default_factory=dict)
    looks: dict[int, int] = field(default_factory=dict)
    observing: dict[int, Iterator[Observed | Failure]] = field(default_factory=dict)

    def control_that_holds(self) -> MutantVerdict | None:
        """A claim that is REFUTED without the fault and HOLDS in every scenario with it."""
        if len(self.verdicts) < len(self.baseline.verdicts):
            return None
        without = combined(self.baseline.verdicts)
        for claim, now in combined(list(self.verdicts.values())).items():
            if claim not in self.baseline.unusable and (without[claim], now) == (
                Verdict.REFUTED,
                Verdict.HOLDS,
            ):
                reason = "HOLDS, without the fault it is REFUTED as it should be"
                return MutantVerdict("killed", claim, reason, self.baseline.name)
        return None


def combined(verdicts: Sequence[Verdicts]) -> Verdicts:
    """The verdict on each claim, as good as its worst scenario."""
    found: dict[str, list[Verdict]] = {}
    for one in verdicts:
        for claim, verdict in one.items():
            found.setdefault(claim, []).append(verdict)
    return {claim: _worst_of(each) for claim, each in found.items()}


def _worst_of(verdicts: Sequence[Verdict]) -> Verdict:
    return next((verdict for verdict in _ORDER if verdict in verdicts), Verdict.INCONCLUSIVE)


def _worst(decisions: Sequence[tuple[Claim, object, object]]) -> Verdicts:
    found: dict[str, list[Verdict]] = {}
    for claim, _, decision in decisions:
        found.setdefault(claim.id, []).append(decision.verdict)  # type: ignore[attr-defined]
    return {
        claim: Verdict.OUT_OF_SCOPE if set(each) == {Verdict.OUT_OF_SCOPE} else _worst_of(each)
        for claim, each in found.items()
    }


def _unusable(planned: PlannedCheck, verdicts: Sequence[Verdicts]) -> dict[str, str]:
    found = {}
    without = combined(verdicts)
    for _, claim in planned.claims:
        if claim.expected is None:
            found[claim.id] = "reported as measured: it expects nothing"
        elif without.get(claim.id) is not claim.expected:
            found[claim.id] = f"{without.get(claim.id)} without any fault, {claim.expected} expected"
    return found


def _seeing(
    baselines: Sequence[Baseline], mutant: Mutant, phase: Callable[[Baseline], Calls]
) -> list[tuple[Baseline, int]]:
    """Checks with a claim that can kill and that runs the mutant, each with its first such scenario."""
    return [
        (baseline, first)
        for baseline in baselines
        if (first := phase(baseline).first_run(mutant.function, mutant.lines)) is not None
        and any(claim not in baseline.unusable for each in baseline.verdicts for claim in each)
    ]
