"""Verdicts as JUnit XML, for CI systems that show test results: one test case per claim.

Of the dialects that strict parsers hold files against (Ant's and Jenkins'), this writes what all accept: no
attributes on <testsuites>, no properties in a <testcase>, every count and time on each <testsuite>.
"""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite
from junitparser.junitparser import SystemErr, SystemOut

from advntk.checks.evidence import RunRecord
from advntk.reports.formatting import counted, estimate, replay_decision
from advntk.reports.summary import GENERATOR, is_undecided, settling, summarise
from advntk.theorems.vocabulary import Verdict

NOT_MEASURED = "NOT_MEASURED"
INTERRUPTED = "INTERRUPTED"
DAMAGED = "DAMAGED"

_LONGEST_S = 1e9


def to_junit(record: RunRecord) -> str:
    """A run of sanitized text as JUnit XML.

    An unexpected verdict fails its test case, with the verdict as the type of the failure; a broken trial, a
    claim that was not measured and a run that did not finish are errors; what is reported as measured and
    decides nothing is skipped.
    """
    summary = summarise(record)
    xml = JUnitXml()
    xml.add_testsuite(_suite(0, "run", [_whole(summary)], summary, summary["missing"]["words"]))
    theorems = dict.fromkeys(claim["theorem"] for claim in summary["claims"])
    for index, theorem in enumerate(theorems, start=1):
        claims = [claim for claim in summary["claims"] if claim["theorem"] == theorem]
        lines = [f"{c['id']}: {c['verdict']} (expected {c['expected']}), {_measured(c)}" for c in claims]
        cases = [_case(claim, record) for claim in claims]
        xml.add_testsuite(_suite(index, theorem, cases, summary, lines))
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        + f"<!-- {GENERATOR} -->\n"
        + xml.tostring().decode()
        + "\n"
    )


def _suite(index: int, name: str, cases: list[TestCase], summary: dict, lines: list[str]) -> TestSuite:
    run = summary["run"]
    suite = TestSuite(name or "-")
    # Ant's dialect wants these, and forbids testsuites to have more than them.
    suite._elem.set("id", str(index))
    suite._elem.set("package", "advntk")
    suite.hostname = "localhost"
    suite.timestamp = _timestamp(run["started"])
    for what in ("profile", "data", "seed"):
        suite.add_property(what, str(run[what]))
    for case in cases:
        suite.add_testcase(case)
    suite.append(SystemOut("\n".join(lines)))
    suite.append(SystemErr(""))
    suite.update_statistics()
    return suite


def _timestamp(text: str) -> str:
    """Without time zone and fractions, as Ant's dialect wants it; the epoch for what is no time."""
    try:
        return datetime.fromisoformat(text).strftime("%Y-%m-%dT%H:%M:%S")
    except ValueError:
        return "1970-01-01T00:00:00"


def _whole(summary: dict) -> TestCase:
    """A test case that passes if the run is whole: parts that pass must not hide that some are missing."""
    seconds = summary["run"].get("wall_time_s")
    known = isinstance(seconds, int | float) and math.isfinite(seconds) and 0 <= seconds < _LONGEST_S
    case = TestCase("finished", "advntk.run", round(seconds, 3) if known else 0)
    if not summary["missing"]["finished"]:
        case.result = [_result(Error, " ".join(summary["missing"]["words"]), INTERRUPTED)]
    elif summary["missing"]["left_out"]:
        case.result = [_result(Error, " ".join(summary["missing"]["words"]), DAMAGED)]
    return case


def _case(claim: dict, record: RunRecord) -> TestCase:
    # Claims of a run share trials, so that none has a time of its own.
    case = TestCase(claim["id"], claim["theorem"], 0)
    measured = claim["scenarios"] or claim["out_of_scope"]
    if not measured or (not claim["decided"] and claim["verdict"] != Verdict.ERROR):
        case.result = [_result(Error, claim["reason"], NOT_MEASURED)]
    elif claim["verdict"] == Verdict.ERROR:
        case.result = [_result(Error, claim["reason"], claim["verdict"])]
    elif is_undecided(claim):
        # Nothing else was asked for, and yet nothing was shown: neither passed nor failed.
        # Strict parsers know a message of what was skipped, and nothing else.
        case.result = [Skipped(f"{claim['verdict']}: {claim['reason']}")]
    elif not claim["as_expected"]:
        message = f"{claim['verdict']}, expected {claim['expected']}: {claim['reason']}"
        case.result = [_result(Failure, message, claim["verdict"], _details(claim, record))]
    return case


def _result(kind: type, message: str, name: str, text: str = "") -> Any:
    result = kind(message, name)
    result.text = text or message
    return result


def _details(claim: dict, record: RunRecord) -> str:
    lines = [_measured(claim)]
    row = settling(record, claim["id"])
    if row is not None:
        lines.append(replay_decision(row, record))
    return "\n".join([*lines, *(f"{f['kind']}: {f['label']}" for f in claim["findings"])])


def _measured(claim: dict) -> str:
    sampled = f"{counted(claim['scenarios'], 'scenario')}, {counted(claim['trials'], 'trial')}"
    return f"{estimate(claim['estimate'])}; {sampled}"
