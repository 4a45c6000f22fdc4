"""Calibration, false alarms counted: `python -m benchmarks.calibration [--group exact|...] [--runs 200]`.

Runs the quick profile again and again with other seeds, so with other scenarios, data and networks, and
counts the verdicts of every claim.  No claim may come out REFUTED unless its theory expects that.
Results are kept in benchmarks/calibration.jsonl as they come.  Run it again to go on: claims whose sources
have changed since (`advntk.checks.digests.verdict_digest`) are measured again, and what older sources gave is
dropped as it is replaced.  The table: benchmarks/calibration.md.
"""

from __future__ import annotations

import argparse
import functools
import json
import platform
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

HERE = Path(__file__).parent
LOG, TABLE = HERE / "calibration.jsonl", HERE / "calibration.md"
# Claims by what one quick run of theirs costs, and how many runs that affords.
GROUPS: dict[str, tuple[tuple[str, ...], int]] = {
    "exact": (
        (
            "ark_positive_definiteness.gram_psd",
            "ark_positive_definiteness.rank",
            "ark_positive_definiteness.diagonal_blocks",
            "ark_positive_definiteness.kernels_in_balls",
            "ark_positive_definiteness.transformed_margin",
            "closed_form.search",
            "closed_form.commuting",
            "xi_fading.lyapunov",
            "xi_fading.closed_form",
            "xi_fading.prediction",
            "xi_fading.singular_limit",
            "xi_fading.negative_eta_rate",
            "lazy_training.reach",
        ),
        200,
    ),
    "magnus": (("closed_form.magnus",), 200),
    "adv_ntk": (
        (
            "adv_ntk.solver",
            "adv_ntk.gradient",
            "adv_ntk.threat_model",
            "adv_ntk.equivariance",
            "adv_ntk.batching",
            "adv_ntk.zero_start",
            "adv_ntk.resume",
            "adv_ntk.limit_of_at",
        ),
        200,
    ),
    "implementation": (
        (
            "implementation.activations",
            "implementation.initialization",
            "implementation.forward",
            "implementation.kernels",
            "implementation.convolutional_kernels",
            "implementation.residual_kernels",
            "implementation.dynamics",
            "implementation.units",
            "implementation.attacks",
            "implementation.worst_case",
            "implementation.audit",
            "implementation.selection",
            "implementation.baselines",
            "implementation.data",
        ),
        200,
    ),
    "sweeps": (
        (
            "ark_positive_definiteness.limit_kernel",
            "diagonal_limit.ntk",
            "diagonal_limit.ark",
            "diagonal_limit.xi",
        ),
        200,
    ),
    "values": (
        (
            "diagonal_limit.nngp_value",
            "diagonal_limit.ntk_value",
            "diagonal_limit.ark_value",
            "diagonal_limit.xi_value",
            "diagonal_limit.ark_fixed_input_value",
            "closed_form.gaussian_process_value",
        ),
        40,
    ),
    "dear": (
        (
            "linearization_equivalence.clean",
            "linearization_equivalence.adversarial",
            "linearization_equivalence.fixed_input",
            "linearization_equivalence.nonsmooth",
            "diagonal_limit.ark_fixed_input",
            "diagonal_limit.ark_fixed_input_converges",
            "closed_form.gaussian_process",
            "closed_form.non_commuting",
            "xi_fading.singular",
            "xi_fading.negative_eta",
            "xi_fading.robust_overfitting",
            "xi_fading.robust_overfitting_clean_labels",
            "xi_fading.search_course",
            "xi_fading.search_effect",
            "xi_fading.stopping_time",
            "adv_ntk.threat_model_as_published",
            "adv_ntk.robustness_gain",
            "adv_ntk.robustness_gain_clean_labels",
        ),
        10,
    ),
}


def main() -> None:
    """Run what is missing, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--group", choices=GROUPS, default="exact")
    parser.add_argument("--runs", type=int, default=None)
    parser.add_argument("--first", type=int, default=1, help="seed to begin at: halves for two processes")
    parser.add_argument("--data", default="gaussian")
    options = parser.parse_args()

    from advntk.implementations.runtime import configure

    configure("cpu")
    claims, usual = GROUPS[options.group]
    runs = options.runs or usual
    for seed in range(options.first, runs + 1):
        if missing := _missing(options.group, claims, seed):
            row = {"group": options.group, **run_once(missing, options.data, seed)}
            _keep(row)
            print(f"{options.group} {seed}/{runs}: {row['seconds']:.1f} s", flush=True)
            _write_table()
    _write_table()


def _keep(row: dict) -> None:
    """Add a row, and drop what it replaces: verdicts of older sources on the same claims, group and seed."""
    kept = []
    for old in _rows():
        if (old["group"], old["seed"]) == (row["group"], row["seed"]):
            for name in row["verdicts"]:
                old["verdicts"].pop(name, None)
                old["reasons"].pop(name, None)
        if old["verdicts"]:
            kept.append(old)
    draft = LOG.with_suffix(".new")
    draft.write_text("".join(json.dumps(one) + "\n" for one in [*kept, row]), encoding="utf-8")
    draft.replace(LOG)


@functools.cache
def theorem_digest(theorem: str) -> str:
    """Twelve hexadecimal digits over all that verdicts on a theorem depend on."""
    from advntk.checks.digests import verdict_digest
    from advntk.theorems.catalogue import load

    catalogue = load()
    return next(
        verdict_digest(module)
        for found, module in zip(catalogue.theorems, catalogue.modules, strict=True)
        if found.id == theorem
    )


def _missing(group: str, claims: tuple[str, ...], seed: int) -> tuple[str, ...]:
    """Those of the group that the present sources were not measured on with this seed."""
    measured = {
        claim
        for row in _rows()
        if (row["group"], row["seed"]) == (group, seed)
        for claim in row["verdicts"]
        if _source(row, claim) == theorem_digest(_theorem(claim))
    }
    return tuple(claim for claim in claims if claim not in measured)


def _theorem(claim: str) -> str:
    return claim.split(".")[0]


def _source(row: dict, claim: str) -> str:
    return row["sources"][_theorem(claim)]


def run_once(claims: tuple[str, ...], data: str, seed: int) -> dict:
    """Verdict by claim of one quick run."""
    import advntk
    from advntk.wiring import RunSettings, measure, prepare

    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        prepared = prepare(RunSettings(claims=claims, data=data, seed=seed, evidence=Path(folder)))
        # Searching for degenerate cases decides nothing.
        quiet = [replace(p, check=replace(p.check, explores=())) for p in prepared.plan.checks]
        found = advntk.Run(measure(prepared.only(quiet))).summary["claims"]
    return {
        "seed": seed,
        "data": data,
        "sources": {theorem: theorem_digest(theorem) for theorem in map(_theorem, claims)},
        "seconds": round(time.perf_counter() - started, 2),
        "verdicts": {claim["id"]: claim["verdict"] for claim in found},
        "reasons": {c["id"]: c["reason"] for c in found if not c["as_expected"]},
    }


def _rows() -> list[dict]:
    return [json.loads(line) for line in LOG.read_text().splitlines()] if LOG.exists() else []


def _write_table() -> None:
    from advntk.theorems.catalogue import load

    expected = {claim.id: claim.expectation for _, claim in load().claims()}
    counts: dict[str, Counter] = {}
    # What a claim was measured with last counts; alarms of older sources stay listed below.
    last = {claim: _source(row, claim) for row in _rows() for claim in row["verdicts"]}
    # Two processes may have met: a seed counts once.
    found_at = {
        (claim, row["group"], row["seed"]): verdict
        for row in _rows()
        for claim, verdict in row["verdicts"].items()
        if _source(row, claim) == last[claim]
    }
    for (claim, *_), verdict in found_at.items():
        counts.setdefault(claim, Counter())[verdict] += 1
    lines = [
        "# Calibration: runs with other seeds",
        "",
        "`python -m benchmarks.calibration --group exact` (or `magnus`, `adv_ntk`, ...): quick, other seeds.",
        f"Python {platform.python_version()}, {platform.machine()}.  The source is that of all modules which",
        "the check of the theorem imports, directly or not.",
        "",
        "| claim | expected | HOLDS | REFUTED | INCONCLUSIVE | OUT_OF_SCOPE | ERROR | runs | source |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    verdicts = ("HOLDS", "REFUTED", "INCONCLUSIVE", "OUT_OF_SCOPE", "ERROR")
    for claim, found in counts.items():
        cells = " | ".join(str(found[v]) for v in verdicts)
        lines.append(f"| {claim} | {expected[claim]} | {cells} | {sum(found.values())} | {last[claim]} |")
    true = [found for claim, found in counts.items() if expected[claim] not in ("REFUTED", "as measured")]
    alarms, total = sum(f["REFUTED"] for f in true), sum(sum(f.values()) for f in true)
    lines += ["", f"False alarms: {alarms} in {total} verdicts on claims that are expected to hold.", ""]
    for row in _rows():
        for claim, reason in row["reasons"].items():
            if row["verdicts"][claim] == "REFUTED":
                source = _source(row, claim)
                older = "" if source == last[claim] else " (an older source, not counted above)"
                lines.append(f"- seed {row['seed']}, source {source}{older}: {claim}: {reason}")
    TABLE.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
