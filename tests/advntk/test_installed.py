"""The wheel, and the pytest plugin in a project that is about something else."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# An unrelated pytest may start this much later for the plugin, in seconds.
LATER_AT_MOST = 0.05


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with the unpacked wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


@pytest.fixture
def project(tmp_path):
    """Somebody's project, with folders and a module of our rooms' names."""
    for name in ("checks", "theorems", "implementations"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"MINE = {name!r}\n")
    (tmp_path / "reports.py").write_text("MINE = 'reports'\n")
    (tmp_path / "checks" / "trials").mkdir()
    (tmp_path / "checks" / "trials" / "__init__.py").write_text("")
    (tmp_path / "test_mine.py").write_text(
        "import checks, implementations, reports, sys, theorems\n"
        "def test_mine():\n"
        "    for module in (checks, implementations, reports, theorems):\n"
        "        assert module.MINE == module.__name__\n"
        "    heavy = {'jax', 'numpy', 'hypothesis', 'advntk.checks', 'advntk.theorems', 'advntk.reports'}\n"
        "    assert not heavy & set(sys.modules)\n"
    )
    return tmp_path


def _python(site, folder, *arguments):
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_everything_is_installed_under_one_name(installed):
    tops = {path.name for path in installed.iterdir()}
    assert {name for name in tops if not name.endswith(".dist-info")} == {"advntk"}
    rooms = {path.name for path in (installed / "advntk").iterdir() if path.is_dir()}
    assert rooms == {"checks", "implementations", "reports", "theorems", "theories"}
    assert (installed / "advntk" / "reports" / "templates" / "page.html.j2").is_file()
    sources = [path.read_text(encoding="utf-8") for path in installed.rglob("*.py")]
    for room in rooms:
        assert not [text for text in sources if f"\nfrom {room}" in text or f"\nimport {room}" in text]


@pytest.mark.slow
def test_the_installed_package_works(installed, tmp_path):
    found = _python(installed, tmp_path, "-m", "advntk", "claims", "--json")
    assert found.returncode == 0 and '"diagonal_limit.ntk"' in found.stdout
    where = _python(
        installed, tmp_path, "-c", "import advntk.checks.trials.shared.building as b; print(b.__file__)"
    )
    assert where.stdout.startswith(str(installed)), where.stderr


@pytest.mark.slow
def test_the_plugin_leaves_other_projects_alone(installed, project):
    # Plugins of other packages, Hypothesis among them, import what they like.
    others = ["-p", "no:hypothesispytest", "-p", "no:jaxtyping"]
    found = _python(installed, project, "-m", "pytest", "-q", *others)
    assert found.returncode == 0 and "1 passed" in found.stdout, found.stdout
    assert "--advntk-profile" in _python(installed, project, "-m", "pytest", "--help").stdout


@pytest.mark.slow
def test_the_plugin_costs_no_time(installed, project):
    (project / "test_mine.py").write_text("def test_mine():\n    pass\n")

    def seconds(*arguments):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert _python(installed, project, "-m", "pytest", "-q", *arguments).returncode == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)

    # Processor time, in turns, and the least of each: waiting for other work on the machine does not count,
    # and what that work does to caches can only slow a start down.
    pairs = [(seconds(), seconds("-p", "no:advntk")) for _ in range(14)]
    with_plugin, without = (min(column) for column in zip(*pairs, strict=True))
    assert with_plugin - without <= LATER_AT_MOST


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (("--advntk-seed", "-1"), ["--advntk-seed", "-1"]),
        (("--advntk-seed", "x"), ["--advntk-seed", "x"]),
        (("--advntk-evidence", "file/below"), ["--advntk-evidence file/below", "cannot be written"]),
        (("--advntk-profile", "slow"), ["--advntk-profile", "quick"]),
    ],
)
def test_wrong_options_of_the_plugin_are_usage_errors(project, option, words):
    (project / "file").write_text("a file, not a folder")
    found = _python(ROOT, project, "-m", "pytest", "-q", *option)
    assert found.returncode == pytest.ExitCode.USAGE_ERROR, found.stdout + found.stderr
    assert all(word in found.stdout + found.stderr for word in words)


@pytest.fixture
def published(tmp_path):
    """A folder as `pip install` leaves it, of a package that publishes a theory."""
    site = tmp_path / "site"
    information = site / "somebodys_theory-1.0.dist-info"
    information.mkdir(parents=True)
    (site / "somebodys_theory.py").write_text((ROOT / "tests" / "strangers" / "arc_cosine.py").read_text())
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: somebodys-theory\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[advntk.theories]\narc_cosine = somebodys_theory\n")
    return site


def _with(site, folder, *arguments):
    return _python(os.pathsep.join((str(ROOT), str(site))), folder, "-m", "advntk", *arguments)


def test_an_installed_theory_is_found(published, tmp_path):
    listed = _with(published, tmp_path, "claims")
    assert "arc_cosine.nngp" in listed.stdout, listed.stderr
    few = ("--axis", "samples=3,dimension=8", "--widths", "32,64,128,256")
    found = _with(published, tmp_path, "check", "arc_cosine", *few, "--jobs", "2", "--evidence", "e")
    assert found.returncode == 0 and "HOLDS" in found.stdout, found.stderr


def test_a_broken_installed_theory_is_one_line(published, tmp_path):
    (published / "somebodys_theory.py").write_text("raise SystemExit(0)\n")
    found = _with(published, tmp_path, "claims")
    assert found.returncode == 2 and len(found.stderr.strip().splitlines()) == 1
    assert "installed theory arc_cosine (somebodys_theory) cannot be loaded" in found.stderr
