"""`pytest checks`: claims in scenarios as test items that fail where the verdict is not the expected one.

A claim that is expected to hold is one item per scenario; a control, which needs one counterexample only,
is one item in all.  Claims that read the same trial share its measurements.  Options: `--advntk-profile`,
`--advntk-data`, `--advntk-seed` and `--advntk-evidence`.  With xdist each worker keeps its own folder there;
`--dist loadfile` lets one worker measure what claims share.

Every pytest loads this module, whatever it tests: it imports nothing but pytest until claims are collected,
and looks at no folder but those of this package.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from advntk.checks.planning import PlannedCheck, PlannedScenario
    from advntk.pytest_session import Session
    from advntk.theorems.vocabulary import Claim

# Where the trials are, by links or not.
_TRIALS = (Path(__file__).parent / "checks" / "trials").resolve()
_SESSION = pytest.StashKey["Session"]()
_REFUSED = pytest.StashKey[bool]()


class UnexpectedVerdict(AssertionError):
    """A claim came out otherwise than expected; its text is the whole report."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of the run behind the items."""
    group = parser.getgroup("advntk", "claims as test items")
    group.addoption("--advntk-profile", default="quick", choices=("quick", "standard", "thorough"))
    group.addoption("--advntk-data", default=None, metavar="SOURCE")
    group.addoption("--advntk-seed", default=0, type=_seed, metavar="N")
    group.addoption("--advntk-evidence", default=None, metavar="DIR", help="keep the evidence there")


def _seed(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) >= 2**32:
        raise ValueError(f"{text!r}: give a whole number from 0 to {2**32 - 1}")
    return int(text)


def pytest_configure(config: pytest.Config) -> None:
    """Markers to choose claims by: how they are decided.  A folder that cannot be written is refused here."""
    for kind in ("exact", "limit", "effect", "level"):
        config.addinivalue_line("markers", f"{kind}: a claim that is decided as {kind} (`advntk claims`)")
    folder = config.getoption("--advntk-evidence")
    if folder is not None:
        _try_folder(folder)


def _try_folder(folder: str) -> None:
    if not folder.strip():
        raise pytest.UsageError("--advntk-evidence: is empty; name a folder")
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(0, "permission denied")
    except (OSError, ValueError) as error:  # a null character is a ValueError
        reason = getattr(error, "strerror", None) or error
        raise pytest.UsageError(
            f"--advntk-evidence {folder}: cannot be written ({reason}); choose another folder"
        ) from error


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Each theorem's package of trials is collected as the claims that it decides.

    The package of all trials stands for the theorems that are written elsewhere.
    """
    if file_path.name != "__init__.py":
        return None
    folder = file_path.parent.resolve()
    if folder == _TRIALS or folder.parent == _TRIALS:
        return ClaimFile.from_parent(parent, path=file_path)
    return None


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A request that cannot be met is a usage error, though it shows while claims are collected."""
    if session.config.stash.get(_REFUSED, False):
        session.exitstatus = pytest.ExitCode.USAGE_ERROR


def pytest_unconfigure(config: pytest.Config) -> None:
    """Close the evidence."""
    if (session := config.stash.get(_SESSION, None)) is not None:
        session.close()


def _session(config: pytest.Config) -> Session:
    """What the items of this process share; made when the first file of claims is collected."""
    if _SESSION not in config.stash:
        from advntk.exceptions import UsageError
        from advntk.printable import one_line
        from advntk.pytest_session import Session

        option = config.getoption
        kept = option("--advntk-evidence")
        worker = getattr(config, "workerinput", {}).get("workerid")
        folder = Path(kept) / worker if kept and worker else Path(kept) if kept else None
        try:
            config.stash[_SESSION] = Session(
                option("--advntk-profile"), option("--advntk-data"), option("--advntk-seed"), folder
            )
        except UsageError as error:
            words = (
                str(error).replace("--data ", "--advntk-data ").replace("--evidence ", "--advntk-evidence ")
            )
            config.stash[_REFUSED] = True
            raise pytest.Collector.CollectError(one_line(words)) from None
    return config.stash[_SESSION]


class ClaimFile(pytest.File):
    """The claims of one theorem, or of all that have no trials of their own here."""

    def collect(self) -> Iterator[ClaimItem]:
        """One item per claim and scenario, or per claim for controls."""
        folder = self.path.parent.resolve()
        session = _session(self.config)
        if folder == _TRIALS:
            theorems = [name for name in session.theorems if not (_TRIALS / name).is_dir()]
        else:
            theorems = [folder.name]
        for theorem in theorems:
            for planned, claim, scenarios in session.items_of(theorem):
                only = scenarios[0]
                # The label leaves out what two scenarios may differ in.
                where = f"[{only.label}, {only.scenario.id[:6]}]" if len(scenarios) == 1 else ""
                item = ClaimItem.from_parent(self, name=f"{claim.id}{where}")
                item.add_marker(str(claim.kind))
                item.planned, item.claim, item.scenarios = planned, claim, scenarios
                yield item


class ClaimItem(pytest.Item):
    """One claim in one scenario (in all of them, for a control)."""

    planned: PlannedCheck
    claim: Claim
    scenarios: tuple[PlannedScenario, ...]

    def runtest(self) -> None:
        """Measure and decide; raises `UnexpectedVerdict` unless the verdict is the expected one."""
        found = _session(self.config).verdict(self.planned, self.claim, self.scenarios)
        self.user_properties.append(("verdict", str(found.verdict)))
        if found.verdict == "OUT_OF_SCOPE":
            pytest.skip(found.reason)
        if not found.as_expected:
            raise UnexpectedVerdict(found.report)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The verdict in words; a traceback only for what is not a verdict."""
        if isinstance(excinfo.value, UnexpectedVerdict):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Where the item comes from."""
        return self.path, 0, self.name
