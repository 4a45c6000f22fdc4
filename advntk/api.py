"""Claims put to the test from Python: `advntk.check` and what it returns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from advntk.settings_validation import BadSetting, texts_of_axes, texts_of_sweeps
from advntk.theorems.vocabulary import AS_MEASURED, Claim, Theorem, Verdict
from advntk.wiring import RunSettings, measure, prepare, run

if TYPE_CHECKING:
    import pyarrow

    from advntk.checks.evidence import RunRecord
    from advntk.mutating import Mutation
    from advntk.reports.figures.style import Drawing


@dataclass(frozen=True)
class ClaimResult:
    """What came out for one claim.

    `value` and `interval` are of `quantity` in the scenario nearest to failing, None where nothing was
    estimated; `expected` is a verdict or "as measured".
    """

    claim: str
    verdict: Verdict
    expected: str
    as_expected: bool
    quantity: str | None
    value: float | None
    interval: tuple[float, float] | None
    reason: str
    scenarios: int
    trials: int


class Run:
    """One run: its verdicts, estimates, figures and page.  In a notebook it shows itself as a table."""

    def __init__(self, record: RunRecord, folder: Path | None = None) -> None:
        """Made by `check` and `load_run`; `folder` holds the evidence, None where it was not kept."""
        from advntk.reports.summary import summarise

        self.record = record
        self.folder = folder
        self.summary: Mapping[str, Any] = summarise(record)

    @property
    def results(self) -> dict[str, ClaimResult]:
        """Results by claim id, in the order of the run."""
        return {claim["id"]: _result(claim) for claim in self.summary["claims"]}

    @property
    def verdicts(self) -> dict[str, Verdict]:
        """Verdicts by claim id."""
        return {name: result.verdict for name, result in self.results.items()}

    @property
    def as_expected(self) -> bool:
        """Whether every claim has the verdict that its theory expects."""
        return all(result.as_expected for result in self.results.values())

    def table(self) -> dict[str, list[Any]]:
        """Columns of the results, one row per claim; `pandas.DataFrame(run.table())` takes it as it is."""
        rows = [vars(result) for result in self.results.values()]
        names = list(ClaimResult.__dataclass_fields__)
        return {name: [row[name] for row in rows] for name in names}

    def trials(self) -> pyarrow.Table:
        """Every trial as an Arrow table: scenario, point of the sweep, seed and statistics."""
        import pyarrow

        from advntk.checks.evidence.export import trial_rows

        rows = list(trial_rows(self.record))
        names = dict.fromkeys(name for row in rows for name in row)
        return pyarrow.Table.from_pylist([{name: row.get(name) for name in names} for row in rows])

    def figures(self, claim: str) -> list[Drawing]:
        """The figures of one claim, each with its SVG, its words and its legend.

        Raises:
          KeyError: the run has no such claim.
        """
        from advntk.reports.figure_selection import figures_of

        if claim not in self.results:
            raise KeyError(f"the run has no claim {claim!r}; it has: {', '.join(self.results)}")
        return figures_of(self.record, claim)

    def page(self) -> str:
        """The whole run as one page of HTML that fetches nothing."""
        from advntk.reports.page import render

        return render(self.record)

    def save(self, path: str | Path) -> Path:
        """Write the page to `path`, whole or not at all, and return it.

        Raises:
          UsageError: something else than a page of a run is there, or it cannot be written.
        """
        from advntk.implementations.outputs import may_write, told, write_text
        from advntk.reports.kinds import PAGE

        target = Path(path)
        may_write(target, PAGE, "path")
        with told(target, "path"):
            write_text(target, self.page())
        return target

    def __repr__(self) -> str:
        from advntk.reports.summary import tally

        lines = [tally(self.summary["claims"])]
        lines += [f"{result.claim}: {result.verdict}" for result in self.results.values()]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """The table that a notebook shows."""
        from advntk.reports.formatting import estimate

        rows = "".join(
            f"<tr><td><code>{escape(c['id'])}</code></td><td>{escape(c['verdict'])}</td>"
            f"<td>{escape(c['expected'])}</td><td>{escape(estimate(c['estimate']))}</td></tr>"
            for c in self.summary["claims"]
        )
        heads = "".join(f"<th>{name}</th>" for name in ("Claim", "Verdict", "Expected", "Worst estimate"))
        return f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"


def check(
    claims: str | Iterable[str] = (),
    *,
    profile: str = "quick",
    data: str | None = None,
    seed: int = 0,
    evidence: str | Path | None = None,
    axes: Mapping[str, int | float | str] | None = None,
    sweeps: Mapping[str, Iterable[int | float]] | None = None,
    theories: str | Iterable[str] = (),
    implementation: str | None = None,
    device: str = "cpu",
    jobs: int = 1,
    memory_gib: float | None = None,
    max_minutes: float | None = None,
    shrink: bool = False,
    resume: bool = False,
    allow_changed: bool = False,
    progress: bool = True,
) -> Run:
    """Put claims to the test: measure, decide, keep the evidence.

    Args:
      claims: ids of claims or of theorems; none: all.
      profile: "quick", "standard" or "thorough".
      data: "digits", "gaussian", "sphere" or the path of an .npz; None: each theory's default.
      seed: of scenarios and networks, 0 to 2^32 - 1.
      evidence: folder to keep the evidence in; None: it is not kept.
      axes: axes to hold at one value, such as {"depth": 2}.
      sweeps: points to measure at instead of the profile's, such as {"width": (64, 128, 256, 512)}.
      theories: files or modules that state further theorems.
      implementation: which implementation of Adv-NTK is put to the test.
      device: "cpu" or "gpu".
      jobs: 1 measures in this process; with more, further processes start.
      memory_gib: what trials may take in all; None: half of the machine's.
      max_minutes: how long compilation and the like may take in all; None: 20 for a quick run.
      shrink: whether counterexamples to exact claims are made as simple as they get.
      resume: go on with the latest run in `evidence` where it was interrupted.
      allow_changed: with `resume`, keep of a run that was asked for something else what still applies.
      progress: whether progress goes to standard error.

    Returns:
      The run, read back from its evidence.

    Raises:
      UsageError: a request that cannot be met; one line says which argument, its value, and the fix.

    Example:
      >>> run = advntk.check("closed_form.search", axes={"depth": 1})  # doctest: +SKIP
      >>> run.verdicts  # doctest: +SKIP
      {'closed_form.search': <Verdict.HOLDS: 'HOLDS'>}
    """
    settings = RunSettings(
        claims=_several(claims),
        profile=profile,
        data=data,
        device=device,
        seed=seed,
        axes=texts_of_axes(axes),
        sweeps=texts_of_sweeps(sweeps),
        implementation=implementation,
        memory_gib=memory_gib,
        max_minutes=max_minutes,
        jobs=jobs,
        shrink=shrink,
        theories=_several(theories),
        resume=resume,
        allow_changed=allow_changed,
    )
    if evidence is not None:
        if not isinstance(evidence, str | Path) or not str(evidence):
            raise BadSetting(f"evidence = {evidence!r}: give the path of a folder, or None")
        folder = Path(evidence)
        return Run(_carry_out(replace(settings, evidence=folder), progress), folder)
    with TemporaryDirectory(prefix="advntk-") as temporary:
        return Run(_carry_out(replace(settings, evidence=Path(temporary)), progress))


def _carry_out(settings: RunSettings, progress: bool) -> RunRecord:
    if settings.jobs == 1:
        return measure(prepare(settings), show_progress=progress)
    return run(settings, progress)


def mutate(
    claims: str | Iterable[str] = (),
    *,
    only: str | Iterable[str] = (),
    operators: str | Iterable[str] = (),
    sample: int | None = None,
    seed: int = 0,
    scenarios: int = 3,
    falsehoods: str | Path | None = None,
    generated: bool = True,
    equivalents: str | Path | None = None,
    theories: str | Iterable[str] = (),
    implementation: str | None = None,
    data: str | None = None,
    axes: Mapping[str, int | float | str] | None = None,
    jobs: int | None = None,
    memory_gib: float | None = None,
    timeout: float = 30.0,
    out: str | Path = "advntk-mutation",
    resume: bool = False,
    progress: bool = True,
) -> Mutation:
    """Make an implementation wrong, one place at a time, and see which claims notice.

    Measures in other processes, which a mutant that hangs or eats memory does not survive and everything else
    does.

    Args:
      claims: ids of claims or theorems that are to notice; none: those of `theories`, or all.
      only: MODULE[:FUNCTION] to make wrong; none: the theories' own modules, or all of advntk's
        implementations and deciders.
      operators: names of ways to make things wrong; none: all.
      sample: how many mutants at most, equally many of each function; None: all.
      seed: of the sample.
      scenarios: how many scenarios of each check are measured at most.
      falsehoods: a file of falsehoods, made by `advntk.refuted_by`, that are planted as well.
      generated: whether mutants are generated.
      equivalents: a TOML file that says which mutants are no falsehoods, and why.
      theories: files or modules that state further theorems.
      implementation: which implementation of Adv-NTK is put to the claims.
      data: where inputs come from; None: each theory's default.
      axes: axes to hold at one value.
      jobs: processes that measure; None: as many as cores and memory allow.
      memory_gib: what all of them may take; None: the machine's memory.
      timeout: seconds of a processor that a measurement with a fault may use at least; it may use ten times
        what it uses without.
      out: folder that results are kept in as they come.
      resume: go on with the results in `out` where they end.
      progress: whether progress goes to standard error.

    Returns:
      What became of every mutant and falsehood, and the score.

    Raises:
      UsageError: a request that cannot be met; one line says which argument, its value, and the fix.

    Example:
      >>> advntk.mutate("closed_form", only="advntk.implementations.dynamics", sample=40)  # doctest: +SKIP
      40 of 40 mutants noticed by claims: mutation score 100 %
    """
    from advntk.mutating import mutate as carry_out
    from advntk.mutation_request import MutationRequest

    run_settings = RunSettings(
        claims=_several(claims),
        data=data,
        axes=texts_of_axes(axes),
        implementation=implementation,
        memory_gib=memory_gib,
        jobs=jobs,
        theories=_several(theories),
    )
    request = MutationRequest(
        run=run_settings,
        only=_several(only),
        operators=_several(operators),
        sample=sample,
        seed=seed,
        scenarios=scenarios,
        falsehoods=None if falsehoods is None else Path(falsehoods),
        equivalents=None if equivalents is None else Path(equivalents),
        least_seconds=timeout,
        out=Path(out),
        resume=resume,
        generated=generated,
    )
    return carry_out(request, progress)


def load_run(evidence: str | Path, number: int | None = None, salvage: bool = False) -> Run:
    """A run from the evidence that is there; the latest one unless its number is given.

    With `salvage` what is damaged is left out: claims that lost a decision are INCONCLUSIVE then, unless
    another one refutes them.

    Raises:
      UsageError: no evidence there, no such run, or evidence that is damaged.
    """
    from advntk.checks.evidence import read_run

    return Run(read_run(Path(evidence), number, salvage), Path(evidence))


def theorems(theories: str | Iterable[str] = ()) -> tuple[Theorem, ...]:
    """Every known theorem: those of advntk, of installed theories, and of the files or modules given.

    Raises:
      UsageError: a file or module that cannot be loaded.
    """
    from advntk.theorems.catalogue import load

    return load(_several(theories)).theorems


def claims(theories: str | Iterable[str] = ()) -> dict[str, Claim]:
    """Every known claim by its id; see `theorems`."""
    return {claim.id: claim for theorem in theorems(theories) for claim in theorem.claims}


def _several(names: str | Iterable[str]) -> tuple[str, ...]:
    # What is no collection is refused with the other settings, by name.
    return tuple(names) if isinstance(names, Iterable) and not isinstance(names, str) else (names,)


def _result(claim: Mapping[str, Any]) -> ClaimResult:
    found = claim["estimate"]
    return ClaimResult(
        claim["id"],
        Verdict(claim["verdict"]),
        claim["expected"],
        claim["as_expected"],
        found and found["quantity"],
        found and found["value"],
        found and tuple(found["interval"]),
        claim["reason"],
        claim["scenarios"],
        claim["trials"],
    )


__all__ = ["AS_MEASURED", "ClaimResult", "Run", "check", "claims", "load_run", "mutate", "theorems"]
