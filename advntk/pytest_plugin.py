"""`pytest checks`: claims in scenarios as test items that fail where the verdict is not the expected one.

A claim that is expected to hold is one item per scenario; a control, which needs one counterexample only,
is one item in all.  Claims that read the same trial share its measurements.  Options: `--advntk-profile`,
`--advntk-data`, `--advntk-seed` and `--advntk-evidence`.  With xdist each worker keeps its own folder there;
`--dist loadfile` lets one worker measure what claims share.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from advntk import checks

if TYPE_CHECKING:
    from advntk.checks.planning import Family, PlannedCheck
    from advntk.pytest_session import Session
    from advntk.theorems.vocabulary import Claim

_TRIALS = Path(checks.__file__).resolve().parent / "trials"
_SESSION = pytest.StashKey["Session"]()


class UnexpectedVerdict(AssertionError):
    """A claim came out otherwise than expected; its text is the whole report."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of the run behind the items."""
    group = parser.getgroup("advntk", "claims as test items")
    group.addoption("--advntk-profile", default="quick", choices=("quick", "standard", "thorough"))
    group.addoption("--advntk-data", default="digits", metavar="SOURCE")
    group.addoption("--advntk-seed", default=0, type=int, metavar="N")
    group.addoption("--advntk-evidence", default=None, metavar="DIR", help="keep the evidence there")


def pytest_configure(config: pytest.Config) -> None:
    """Markers to choose claims by: how they are decided."""
    for kind in ("exact", "limit", "effect", "level"):
        config.addinivalue_line("markers", f"{kind}: a claim that is decided as {kind} (`advntk claims`)")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Trial modules are collected as the claims that they decide."""
    if file_path.parent == _TRIALS and file_path.suffix == ".py" and file_path.stem != "__init__":
        return ClaimFile.from_parent(parent, path=file_path)
    return None


def pytest_unconfigure(config: pytest.Config) -> None:
    """Close the evidence."""
    if (session := config.stash.get(_SESSION, None)) is not None:
        session.close()


def _session(config: pytest.Config) -> Session:
    """What the items of this process share; made when the first file of claims is collected."""
    if _SESSION not in config.stash:
        from advntk.pytest_session import Session

        option = config.getoption
        kept = option("--advntk-evidence")
        worker = getattr(config, "workerinput", {}).get("workerid")
        folder = Path(kept) / worker if kept and worker else Path(kept) if kept else None
        config.stash[_SESSION] = Session(
            option("--advntk-profile"), option("--advntk-data"), option("--advntk-seed"), folder
        )
    return config.stash[_SESSION]


class ClaimFile(pytest.File):
    """The claims of one theorem."""

    def collect(self) -> Iterator[ClaimItem]:
        """One item per claim and scenario, or per claim for controls."""
        session = _session(self.config)
        for planned, claim, families in session.items_of(self.path.stem):
            only = families[0].scenario
            # The label leaves out what two scenarios may differ in, such as the draw of the data.
            where = f"[{only.label()}, {only.id[:6]}]" if len(families) == 1 else ""
            item = ClaimItem.from_parent(self, name=f"{claim.id}{where}")
            item.add_marker(str(claim.kind))
            item.planned, item.claim, item.families = planned, claim, families
            yield item


class ClaimItem(pytest.Item):
    """One claim in one scenario (in all of them, for a control)."""

    planned: PlannedCheck
    claim: Claim
    families: tuple[Family, ...]

    def runtest(self) -> None:
        """Measure and decide; raises `UnexpectedVerdict` unless the verdict is the expected one."""
        found = _session(self.config).verdict(self.planned, self.claim, self.families)
        self.user_properties.append(("verdict", str(found.verdict)))
        if found.verdict == "OUT_OF_SCOPE":
            pytest.skip(found.reason)
        if not found.as_expected:
            raise UnexpectedVerdict(found.report)

    def repr_failure(self, excinfo, style=None):
        """The verdict in words; a traceback only for what is not a verdict."""
        if isinstance(excinfo.value, UnexpectedVerdict):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Where the item comes from."""
        return self.path, 0, self.name
