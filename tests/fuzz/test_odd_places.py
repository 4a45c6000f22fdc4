"""Every option that names a file or folder, given what is none: one line, at once, nothing lost."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from damage import answer
from made_up_evidence import add_run, said

from advntk.checks.evidence import FILE_NAME, BadEvidence, EvidenceStore

LONG = "n" * 300


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A working folder with two runs, and all that a name can lead to."""
    folder = tmp_path_factory.mktemp("odd")
    home = Path.cwd()
    os.chdir(folder)
    for name in ("EV", "EV2"):
        add_run(folder / name, {"diagonal_limit.ark": [said()]})
    os.mkfifo("fifo")
    Path("loop").symlink_to("loop")
    Path("folder").mkdir()
    (folder / "mine.py").write_text("x = 1")
    (folder / "empty").write_text("")
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind("socket")
        yield folder
    os.chdir(home)


ODD = (
    "fifo",
    "loop",
    "folder",
    "socket",
    "/dev/zero",
    "/dev/null",
    LONG,
    "mine.py",
    "empty",
    "EV2/" + FILE_NAME,
)
# The odd name stands where the star is.
REQUESTS = (
    "report *",
    "report * --salvage",
    "report --compare EV *",
    "report --history *",
    "report EV --format json --out *",
    "report --compare EV EV2 --format json --out *",
    "report EV --mutation-score * --out reports",
    "gate --evidence *",
    "gate --evidence EV --baseline *",
    "gate --evidence EV --expectations *",
    "export --evidence * --out trials.csv",
    "evaluate *",
)


@pytest.mark.parametrize("request_", REQUESTS)
def test_an_odd_place_is_one_line(place, request_):
    before = {name: (place / name / FILE_NAME).read_bytes() for name in ("EV", "EV2")}
    for odd in ODD:
        if odd == "folder" and "--out *" in request_:
            continue  # as it should be
        found = answer(*request_.replace("*", odd).split())
        # A name that is too long is cut by nobody.
        fault = "" if odd == LONG and found.fault.startswith("a line of") else found.fault
        assert (found.code, fault) == (2, ""), (odd, found)
        named = request_.split()[request_.split().index("*") - 1]
        assert named in found.err or named in ("report", "EV", "--history", "evaluate")
        assert odd[:20] in found.err
    assert before == {name: (place / name / FILE_NAME).read_bytes() for name in before}
    assert (place / "mine.py").read_text() == "x = 1"


@pytest.mark.parametrize("odd", [odd for odd in ODD if odd != "folder"])
def test_evidence_is_begun_in_folders_alone(place, odd):
    with pytest.raises(BadEvidence, match="cannot be written"):
        EvidenceStore(place / odd)


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ("gate --evidence EV --baseline nowhere", "--baseline nowhere: no evidence.sqlite there"),
        ("gate --evidence nowhere", "--evidence nowhere: no evidence.sqlite there"),
        ("report EV/evidence.sqlite", "DIR EV/evidence.sqlite: is not a folder; name one that holds"),
    ],
)
def test_the_argument_at_fault_is_named(place, request_, words):
    assert words in answer(*request_.split()).err
