"""Rows of evidence, made up for tests."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from math import isnan

from advntk.checks.deciders.decision import Decision
from advntk.checks.evidence import (
    FILE_NAME,
    DecisionRow,
    EvidenceStore,
    FindingKind,
    FindingRow,
    Outcome,
    Provenance,
    RunCosts,
    RunRequest,
    TrialRow,
)
from advntk.checks.evidence.rows import (
    StatedAxis,
    StatedCheck,
    StatedClaim,
    StatedRate,
    StatedRates,
    StatedSource,
    StatedTheorem,
)
from advntk.theorems.vocabulary import Kind, Verdict

BOOK = StatedSource("a book", "page 1")
REQUEST = RunRequest(
    "quick",
    3,
    StatedRates(1e-6, 1e-3, 2, 5e-7),
    {"t": StatedTheorem("t", "title", "statement", BOOK, ("step",))},
    {"t.c": StatedClaim("t.c", "t", "statement", Kind.LIMIT, "HOLDS", BOOK, rate=StatedRate(-2.0, "radius"))},
    {
        "joint_limit": StatedCheck(
            (
                StatedAxis("depth", 1, "L", choice=[1, 2]),
                StatedAxis("alpha", 8.0, choice={"low": 1.0, "high": 2.0}),
                StatedAxis("activation", "erf", written={"erf": "Φ"}),
            ),
            "radius",
            (0.5, 1.0),
            16,
            4,
            {"abc": ("radius",)},
        )
    },
    pins={"depth": 3, "activation": "relu", "alpha": 0.5},
    sweeps={"radius": [0.5, 1.0]},
    trials=7,
)
PROVENANCE = Provenance({"jax": "0"}, "cpu", "float64", "code", names=("t",), digests={"joint_limit": "abc"})
SCENARIO = {"depth": 2, "alpha": 0.5, "activation": "erf"}


def row(
    seed=0, point=64, trial="joint_limit", outcome=Outcome.MEASURED, figures=None, message="", **numbers
) -> TrialRow:
    """One trial of the scenario "id" along a sweep over "n"; along none where `point` is None."""
    axis = None if point is None else "n"
    return TrialRow(
        trial,
        "id",
        SCENARIO,
        axis,
        point,
        seed,
        outcome,
        numbers,
        figures or {},
        message,
        "",
        "cpu",
        f"key{seed}",
    )


def same(one, other) -> bool:
    """Equality in which NaN equals NaN, and types count."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(v, other[k]) for k, v in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and (one == other or (isnan(one) and isnan(other)))


def made(folder, seeds=8, **numbers):
    """A finished run with one decision and one finding."""
    store = EvidenceStore(folder)
    run = store.start_run(REQUEST, PROVENANCE)
    store.add_trials(run, [row(seed, gap=float(seed), **numbers) for seed in range(seeds)])
    said = Decision(Verdict.HOLDS, "gap", "exponent", 0.5, 0.4, 0.6, 0.998, "above")
    store.add_decision(run, DecisionRow("t.c", "joint_limit", "id", SCENARIO, "L=2", "rate", said))
    store.add_finding(run, FindingRow("t.c", FindingKind.COUNTEREXAMPLE, "L=2"))
    store.finish_run(run, RunCosts())
    store.close()
    return folder


def damage(folder, table, number, column, value):
    """Put something else into one cell."""
    with closing(sqlite3.connect(folder / FILE_NAME)) as db:
        db.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (value, number))
        db.commit()


def content(folder) -> dict[str, bytes]:
    """Every file of a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}
