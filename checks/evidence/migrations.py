"""How older evidence becomes newer: each version's tables read, and written as the next one has them.

Version 1 had no keys.  Up to version 2 scenarios had one fixed set of fields, sweeps were over width alone,
and what figures draw was recognised by the names of numbers; what that meant is written down here, and
nowhere else.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from advntk.checks.evidence.plain import dumps, loads
from advntk.checks.evidence.rows import LeftOut, Outcome, StatedAxis
from advntk.checks.evidence.scanning import scanned
from advntk.checks.evidence.schema import LEFT_OUT, SCHEMA_VERSION, split_statements, version_of
from advntk.checks.labels import written_label
from advntk.printable import excerpt


def migrate(db: sqlite3.Connection) -> list[LeftOut]:
    """Bring the tables up to the present version; the caller works on a copy, in one transaction.

    Rows that are damaged, and trials of which one key has several, are left out.  What was ambiguous is noted
    in the copy as well, so that whoever reads it later knows.

    Returns:
      What was left out.
    """
    left_out: list[LeftOut] = []
    for newer in range(version_of(db) + 1, SCHEMA_VERSION + 1):
        _TO[newer](db, left_out)
        db.execute(f"PRAGMA user_version = {newer}")
    return left_out


def _keys(db: sqlite3.Connection, left_out: list[LeftOut]) -> None:
    del left_out
    # Rows of version 1 were measured by code that kept no key, and are never resumed.
    db.execute("ALTER TABLE trial ADD COLUMN key TEXT")


# The fields that every scenario had, as axes.
_AXES = (
    StatedAxis("family", "mlp", group="network", shown=True),
    StatedAxis("depth", 1, "L", group="network", shown=True),
    StatedAxis("activation", "erf", group="network", shown=True),
    StatedAxis("readout", "flatten", group="network"),
    StatedAxis("parameterization", "ntk", group="network"),
    StatedAxis("sigma_w", 1.5, "σ_w", group="scales", shown=True),
    StatedAxis("sigma_b", 0.1, "σ_b", group="scales", shown=True),
    StatedAxis("width", 64, "n", "neurons", group="sizes"),
    StatedAxis("input_growth", "joint", group="sizes", shown=True, written={"joint": "d=n", "fixed": ""}),
    StatedAxis("input_width", 64, "d", "inputs", group="sizes", shown=True),
    StatedAxis("samples", 4, "M", "samples", group="sizes", shown=True),
    StatedAxis("outputs", 2, "c", "outputs", group="sizes", shown=True),
    StatedAxis("data", "digits", group="data", shown=True),
    StatedAxis("arrangement", "generic", group="arrangement"),
    StatedAxis("label_noise", 0.0, "label noise", group="labels"),
    StatedAxis("data_seed", 0, "draw", group="draw"),
    StatedAxis("strength", 0.5, "ηS", group="dynamics"),
    StatedAxis("schedule", "growing", group="dynamics"),
    StatedAxis("spread", 0.0, "spread", group="dynamics"),
    StatedAxis("training_time", 1.0, "T", group="dynamics"),
    StatedAxis("implementation", "krylov", group="implementation"),
)

# Kind of figure |-> the numbers by which it was recognised; prefixes fall away.
_FIGURES: dict[str, tuple[str, ...]] = {
    "margin": ("curve_scale", "curve_margin", "certified_scale", "critical_scale"),
    "defect": ("curve_time", "curve_defect", "curve_predicted"),
    "fading": (
        "curve_time",
        "curve_v",
        "curve_bound",
        "curve_distance",
        "curve_distance_bound",
        "integration_error",
    ),
    "overfitting": (
        "curve_time",
        "curve_robust",
        "curve_clean",
        "best_time",
        "robust_without_search",
        "clean_without_search",
    ),
    "gain": ("robust", "robust_regression", "clean", "clean_regression"),
    "learning": ("curve_learning_loss", "curve_learning_clean", "curve_learning_robust"),
    "images": ("curve_shown_clean", "curve_shown_moved", "curve_shown_moved_regression"),
    "ensemble": ("mean", "variance", "characteristic"),
    "band": ("curve_output", "curve_band_mean", "curve_band_deviation"),
    "blocks": ("curve_xi_block",),
    "phase": ("searched_training", "searched_unseen"),
}
# What some of them drew where it was there.
_MORE: dict[str, tuple[str, ...]] = {
    "learning": ("curve_varpi", "curve_wrong_label"),
    "images": ("curve_shown_label", "curve_shown_class", "curve_shown_class_regression"),
}
# Names in a figure that were otherwise.
_RENAMED = {"xi_block": "xi_gap"}
_PREFIXES = ("curve_learning_", "curve_shown_", "curve_")


def _sweeps(db: sqlite3.Connection, left_out: list[LeftOut]) -> None:
    """Version 3: sweeps over any axis, typed rows, what figures draw apart from what is decided on."""
    swept = {
        (run, trial)
        for run, trial, widths in db.execute(
            "SELECT run, trial, max(widths) FROM (SELECT run, trial, count(DISTINCT width) AS widths "
            "FROM trial GROUP BY run, trial, family) GROUP BY run, trial"
        )
        if widths > 1
    }
    for table in _NEWER:
        db.execute(f"ALTER TABLE {table} RENAME TO old_{table}")
    tables, indices = split_statements()
    for statement in tables:
        db.execute(statement)
    for table, (columns, newer) in _NEWER.items():
        # Rows keep their numbers, by which messages name them.
        columns_now = ("rowid", *_columns_now(db, table))
        for number, old in scanned(db, f"old_{table}", columns, lambda one: left_out.append(_as_now(one))):
            try:
                row = newer([old.get(name) for name in columns], swept)
            except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
                left_out.append(_unreadable(table, number, old, error))
                continue
            if table == "run":
                number = row[0]
            db.execute(
                f"INSERT INTO {table} ({', '.join(columns_now)}) VALUES ({', '.join('?' * (1 + len(row)))})",
                (number, *row),
            )
    _drop_ambiguous(db, left_out)
    for statement in indices:
        db.execute(statement)
    for table in reversed(_NEWER):
        db.execute(f"DROP TABLE old_{table}")


def _columns_now(db: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in db.execute(f"PRAGMA table_info({table})")]


def _as_now(one: LeftOut) -> LeftOut:
    return replace(one, table=one.table.removeprefix("old_"))


def _unreadable(table: str, number: int, old: Mapping[str, Any], error: Exception) -> LeftOut:
    """A row of older evidence that makes none of today; the column at fault where it is one of JSON."""
    column = ""
    for name in _JSON:
        try:
            if old.get(name) is not None:
                loads(old[name])
        except (ValueError, TypeError, RecursionError, AttributeError):
            column = name
            break
    texts = {name: value for name, value in old.items() if isinstance(value, str)}
    claim, trial, scenario = (texts.get(name) for name in ("claim", "trial", "family"))
    reason = excerpt(f"{type(error).__name__}: {error}")
    return LeftOut(table, number, column, reason, claim, trial, scenario)


def _drop_ambiguous(db: sqlite3.Connection, left_out: list[LeftOut]) -> None:
    """Of trials with one key the same row twice is one row; which of different ones is right nobody knows."""
    every = ", ".join(_columns_now(db, "trial"))
    db.execute(f"DELETE FROM trial WHERE rowid NOT IN (SELECT min(rowid) FROM trial GROUP BY {every})")
    groups = db.execute(
        "SELECT run, trial, scenario_id, group_concat(rowid) FROM trial "
        "GROUP BY run, trial, scenario_id, coalesce(point, ''), seed HAVING count(*) > 1 ORDER BY min(rowid)"
    ).fetchall()
    if groups:
        db.execute(LEFT_OUT)
    for run, trial, scenario, numbers in groups:
        several = sorted(map(int, numbers.split(",")))
        for number in several:
            others = ", ".join(str(other) for other in several if other != number)
            reason = excerpt(f"row {others} has the same trial, scenario, point and seed, and says otherwise")
            left_out.append(LeftOut("trial", number, "", reason, None, trial, scenario, damaged=False))
            db.execute(
                "INSERT INTO left_out VALUES (?, ?, ?, ?, ?, ?)",
                (run, "trial", number, reason, trial, scenario),
            )
            db.execute("DELETE FROM trial WHERE rowid = ?", (number,))


# Names of trials that were measured at several widths, each with its run.
_Swept = set[tuple[int, str]]


def _run(old: list, swept: _Swept) -> tuple:
    run, started, finished, request, environment, result = old
    names = {trial for of_run, trial in swept if of_run == run}
    return (
        run, started, finished, dumps(_request(loads(request), names)),
        dumps(_provenance(loads(environment))), None if result is None else dumps(_costs(loads(result))),
    )  # fmt: skip


def _trial(old: list, swept: _Swept) -> tuple:
    run, trial, family, scenario, width, seed, dtype, outcome, numbers, key = old
    ended, message = _outcome(outcome)
    found = loads(numbers)
    sweeping = (run, trial) in swept
    return (
        run, trial, family, scenario, "width" if sweeping else None, width if sweeping else None, seed,
        dtype, "", ended, message, "",
        dumps({name: value for name, value in found.items() if not name.startswith("curve_")}),
        dumps(_kept_for_figures(found, loads(scenario))), key or "",
    )  # fmt: skip


def _outcome(text: str) -> tuple[Outcome, str]:
    if text.startswith("error:"):
        return Outcome.ERROR, text.removeprefix("error:").strip()
    return (Outcome.MEASURED, "") if text == "measured" else (Outcome.STOPPED, text)


def _kept_for_figures(numbers: Mapping[str, Any], scenario: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    kept = {
        kind: {_short(name): numbers[name] for name in (*needs, *_MORE.get(kind, ())) if name in numbers}
        for kind, needs in _FIGURES.items()
        if all(numbers.get(name) is not None for name in needs)
    }
    if "phase" in kept:
        kept["phase"]["strength"] = scenario.get("strength", 0.5)
    return kept


def _short(name: str) -> str:
    short = next((name.removeprefix(p) for p in _PREFIXES if name.startswith(p)), name)
    return _RENAMED.get(short, short)


def _decision(old: list, swept: _Swept) -> tuple:
    run, claim, trial, family, scenario, decider, said = old
    renamed = {"strain": "severity", "more": "can_improve"}
    values = loads(scenario)
    decision = {renamed.get(name, name): value for name, value in loads(said).items()}
    label = written_label(values, _AXES, _hidden(values) if (run, trial) in swept else ())
    return run, claim, trial, family, scenario, label, decider, dumps(decision)


def _hidden(scenario: Mapping[str, Any]) -> tuple[str, ...]:
    return ("width", "input_width") if scenario.get("input_growth", "joint") == "joint" else ("width",)


def _finding(old: list, swept: _Swept) -> tuple:
    del swept
    run, claim, text = old
    found = loads(text)
    if found.get("scenario"):
        found["label"] = written_label(found["scenario"], _AXES)
    return run, claim, dumps(found)


def _request(request: Mapping[str, Any], swept: set[str]) -> dict[str, Any]:
    """The request with its checks described by axes; `swept` are the trials measured at several widths."""
    kept = {name: value for name, value in request.items() if name not in ("widths", "trials_of")}
    claims = {
        name: {**claim, "rate": claim.get("rate") and {**claim["rate"], "parameter": "width"}}
        for name, claim in request["claims"].items()
    }
    widths = request.get("widths") or []
    checks = {name: _check(told, name in swept) for name, told in request.get("trials_of", {}).items()}
    return {**kept, "claims": claims, "sweeps": {"width": widths} if widths else {}, "checks": checks}


def _check(told: Mapping[str, Any], sweeping: bool) -> dict[str, Any]:
    axes = [{**asdict(axis), "choice": told["axes"].get(axis.name)} for axis in _AXES]
    return {
        "axes": axes,
        "sweep": "width" if sweeping else None,
        "points": told["widths"] if sweeping else [],
        "seeds": told.get("seeds", 0),
        "looks": told.get("looks", 1),
    }


def _provenance(environment: Mapping[str, Any]) -> dict[str, Any]:
    known = ("versions", "device", "dtype", "code", "commit", "data_digest", "theories", "names")
    return {name: value for name, value in environment.items() if name in known}


def _costs(result: Mapping[str, Any]) -> dict[str, Any]:
    known = ("wall_time_s", "compilations", "peak_memory_bytes")
    return {name: value for name, value in result.items() if name in known}


# Columns of version 2 that hold JSON.
_JSON = ("request", "environment", "result", "scenario", "numbers", "decision", "finding")
# Table |-> its columns in version 2, and what makes a row of version 3 of them.
_NEWER = {
    "run": (("id", "started", "finished", "request", "environment", "result"), _run),
    "trial": (
        ("run", "trial", "family", "scenario", "width", "seed", "dtype", "outcome", "numbers", "key"),
        _trial,
    ),
    "decision": (("run", "claim", "trial", "family", "scenario", "decider", "decision"), _decision),
    "finding": (("run", "claim", "finding"), _finding),
}
# Version |-> what makes a file of the version before into one of this.
_TO = {2: _keys, 3: _sweeps}
