"""What was measured, kept: written by one run, read by every report."""

from advntk.checks.evidence.plain import dumps, loads
from advntk.checks.evidence.record import read_run, read_run_heads, read_run_ids
from advntk.checks.evidence.rows import (
    Compilations,
    DecisionRow,
    FindingKind,
    FindingRow,
    LeftOut,
    Outcome,
    Provenance,
    RunCosts,
    RunHead,
    RunRecord,
    RunRequest,
    TrialRow,
)
from advntk.checks.evidence.schema import APPLICATION_ID, FILE_NAME, SCHEMA_VERSION, BadEvidence
from advntk.checks.evidence.store import EvidenceStore, circumstances, trial_key

__all__ = [
    "APPLICATION_ID",
    "FILE_NAME",
    "SCHEMA_VERSION",
    "BadEvidence",
    "Compilations",
    "DecisionRow",
    "EvidenceStore",
    "FindingKind",
    "FindingRow",
    "LeftOut",
    "Outcome",
    "Provenance",
    "RunCosts",
    "RunHead",
    "RunRecord",
    "RunRequest",
    "TrialRow",
    "circumstances",
    "dumps",
    "loads",
    "read_run",
    "read_run_heads",
    "read_run_ids",
    "trial_key",
]
