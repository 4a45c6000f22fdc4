"""`pytest checks`: every claim as a test item that fails where the verdict is not the expected one.

Collecting is cheap: JAX starts when the first claim runs.  Options: `--advntk-profile`,
`--advntk-data`, `--advntk-seed` and `--advntk-evidence` (a folder per claim is made in it).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import checks

_TRIALS = Path(checks.__file__).parent / "trials"


class UnexpectedVerdict(AssertionError):
    """A claim came out otherwise than expected; its text is the whole report."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of the run behind the items."""
    group = parser.getgroup("advntk", "claims as test items")
    group.addoption("--advntk-profile", default="quick", choices=("quick", "standard", "thorough"))
    group.addoption("--advntk-data", default="digits", metavar="SOURCE")
    group.addoption("--advntk-seed", default=0, type=int, metavar="N")
    group.addoption("--advntk-evidence", default=None, metavar="DIR", help="keep the evidence there")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Trial modules are collected as the claims that they decide."""
    if file_path.parent == _TRIALS and file_path.suffix == ".py" and file_path.stem != "__init__":
        return ClaimFile.from_parent(parent, path=file_path)
    return None


class ClaimFile(pytest.File):
    """The claims of one theorem."""

    def collect(self) -> Iterator[ClaimItem]:
        """One item per claim."""
        from theorems.catalogue import load

        for theorem, claim in load().claims():
            if theorem.id == self.path.stem:
                yield ClaimItem.from_parent(self, name=claim.id)


class ClaimItem(pytest.Item):
    """One claim, run as `advntk check CLAIM` would."""

    def runtest(self) -> None:
        """Measure and decide; raises `UnexpectedVerdict` unless the verdict is the expected one."""
        import tempfile

        kept = self.config.getoption("--advntk-evidence")
        if kept:
            self._run(Path(kept) / self.name)
        else:
            with tempfile.TemporaryDirectory() as folder:
                self._run(Path(folder))

    def _run(self, folder: Path) -> None:
        from advntk.checking import Arguments, run_check

        option = self.config.getoption
        summary = run_check(
            Arguments(
                claims=(self.name,),
                profile=option("--advntk-profile"),
                data=option("--advntk-data"),
                seed=option("--advntk-seed"),
                evidence=folder,
            )
        )
        (claim,) = summary["claims"]
        self.user_properties.append(("verdict", claim["verdict"]))
        if not claim["as_expected"]:
            raise UnexpectedVerdict(
                f"{claim['id']} is {claim['verdict']}, expected {claim['expected']}: {claim['reason']}"
            )

    def repr_failure(self, excinfo, style=None):
        """The verdict in words; a traceback only for what is not a verdict."""
        if isinstance(excinfo.value, UnexpectedVerdict):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Where the item comes from."""
        return self.path, 0, self.name
