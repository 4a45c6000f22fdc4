"""Which run to write: a new one, or the latest one where it was interrupted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from advntk.checks.evidence import BadEvidence, EvidenceStore, dumps, loads, read_run_heads

# Noted for people; a commit that changes no source of what measures changes no number, and what was asked
# for in other words is compared as what it selects.
_IRRELEVANT = ("commit", "theories", "names")


def begin(
    store: EvidenceStore,
    request: Mapping[str, Any],
    environment: Mapping[str, Any],
    resume: bool,
    allow_changed: bool,
) -> tuple[int, int | None]:
    """The run to write, and an older one whose measurements are taken over where they apply.

    Raises:
      BadEvidence: the latest run was asked for something else, or under other circumstances, and that
        was not allowed; or another process is writing it.
    """
    heads = read_run_heads(store.folder) if resume else []
    if not heads:
        return store.start_run(request, environment), None
    latest = heads[-1]
    changed = _changes(latest.request, request) + _changes(latest.environment, environment)
    if not changed:
        store.reopen_run(latest.id)
        return latest.id, None
    if not allow_changed:
        raise BadEvidence(
            f"--resume: run {latest.id} in {store.folder} differs from this request in {'; '.join(changed)}; "
            "ask for the same as then, add --allow-changed to keep only what still applies, or leave "
            "--resume out to start anew"
        )
    return store.start_run(request, environment), latest.id


def _changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What differs, in words; nested values are only named."""
    # As they come back from the file.
    now = loads(dumps(now))
    names = [
        name for name in {**before, **now} if name not in _IRRELEVANT and before.get(name) != now.get(name)
    ]
    return [_change(name, before.get(name), now.get(name)) for name in names]


def _change(name: str, before: Any, now: Any) -> str:
    if isinstance(before, dict) and isinstance(now, dict):
        parts = [key for key in {**before, **now} if before.get(key) != now.get(key)]
        return f"{name} ({', '.join(parts[:4])}{', ...' if len(parts) > 4 else ''})"
    return f"{name} ({before} then, {now} now)"
