"""Which run to write: a new one, or the latest one where it was interrupted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from advntk.checks.evidence import (
    BadEvidence,
    EvidenceStore,
    Provenance,
    RunRequest,
    dumps,
    loads,
)

# Noted for people.  What a change of source reaches is said by the digest of each trial, and what was asked
# for in other words is compared as what it selects.
_IRRELEVANT = ("code", "commit", "theories", "names")


def start_or_resume(
    store: EvidenceStore, request: RunRequest, provenance: Provenance, resume: bool, allow_changed: bool
) -> tuple[int, int | None]:
    """The run to write, and an older one whose measurements are taken over where they apply.

    Args:
      store: of the evidence.
      request: what is asked for now.
      provenance: what its numbers depend on.
      resume: whether to go on with the latest run.
      allow_changed: whether that run may have been asked for something else, or under other circumstances.

    Raises:
      BadEvidence: the latest run is damaged, or differs, and that was not allowed; or another process is
        writing it.
    """
    heads = store.heads() if resume else []
    if not heads:
        return store.start_run(request, provenance), None
    latest = heads[-1]
    store.check_trials(latest.id)
    before = latest.provenance
    if not before.digests:
        # Evidence from before digests were kept: any change of the source may have changed any number.
        before = replace(before, digests=dict.fromkeys(provenance.digests, before.code))
    changed = _changes(latest.request, request) + _changes(before, provenance)
    if not changed:
        store.reopen_run(latest.id)
        return latest.id, None
    if not allow_changed:
        raise BadEvidence(
            f"--resume: run {latest.id} in {store.folder} differs from this request in {'; '.join(changed)}; "
            "ask for the same as then, add --allow-changed to keep only what still applies, or leave "
            "--resume out to start anew"
        )
    return store.start_run(request, provenance), latest.id


def _changes(before: Any, now: Any) -> list[str]:
    """What differs, in words; nested values are only named."""
    # As they come back from the file.
    old, new = (loads(dumps(asdict(row))) for row in (before, now))
    names = [name for name in new if name not in _IRRELEVANT and old.get(name) != new.get(name)]
    return [_change(name, old.get(name), new.get(name)) for name in names]


def _change(name: str, before: Any, now: Any) -> str:
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        parts = [key for key in {**before, **now} if before.get(key) != now.get(key)]
        return f"{name} ({', '.join(parts[:4])}{', ...' if len(parts) > 4 else ''})"
    return f"{name} ({before} then, {now} now)"
