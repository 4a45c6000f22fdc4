"""The front door as users and their CI meet it: processes, exit codes, one-line errors, response times."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import numpy as np
import pytest

from advntk.theorems.catalogue import load

ANSWER_WITHIN_SECONDS = 0.7


@pytest.mark.parametrize(
    "arguments",
    [("--help",), ("check", "--help"), ("claims",), ("check", "no.such.claim"), ("check", "--axis", "foo")],
    ids=" ".join,
)
def test_help_lists_and_usage_errors_answer_at_once(advntk, arguments):
    def seconds():
        start = time.perf_counter()
        advntk(*arguments)
        return time.perf_counter() - start

    # The fastest of several: other work on the machine can only slow an answer down.
    assert min(seconds() for _ in range(5)) <= ANSWER_WITHIN_SECONDS


def test_nothing_heavy_is_imported_for_claims():
    code = (
        "import sys; from advntk.listing import list_claims; list_claims((), False);"
        "print([m for m in ('jax', 'numpy', 'scipy', 'sympy', 'hypothesis', 'matplotlib', 'tensorflow')"
        " if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_claims_lists_every_claim_as_text_and_as_json(advntk):
    ids = [claim.id for _, claim in load().claims()]
    text, machine = advntk("claims").stdout, advntk("claims", "--json").stdout
    assert all(claim_id in text for claim_id in ids)
    assert [entry["id"] for entry in json.loads(machine)] == ids


def test_explain_states_a_claim_and_a_theorem(advntk):
    claim = advntk("explain", "diagonal_limit.xi")
    assert claim.returncode == 0
    assert "Assumes" in claim.stdout and "width^-0.5" in claim.stdout and "\\" not in claim.stdout
    theorem = advntk("explain", "ark_positive_definiteness", "--json")
    assert len(json.loads(theorem.stdout)) == 6


NAN_IMAGES = "nan.npz"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["check", "diagonal_limit.nkt"], ["'diagonal_limit.nkt'", "did you mean 'diagonal_limit.ntk'?"]),
        (["explain", "nothing"], ["'nothing'", "advntk claims"]),
        (
            ["check", "ark_positive_definiteness.diagonal_blocks", "--axis", "outputs=80"],
            ["--axis outputs=80", "c ≤ min(d", "choose another value"],
        ),
        (["check", "diagonal_limit.ntk", "--axis", "outputs=1"], ["--axis outputs=1", "c ≥ 2"]),
        (["check", "--axis", "sigma_w=-1"], ["--axis sigma_w=-1", "must be at least 0.001"]),
        (["check", "--axis", "depth=deep"], ["--axis depth=deep", "int"]),
        (["check", "--widths", "64,128"], ["--widths 64,128", "at least 4"]),
        (["check", "--widths", "64,x"], ["--widths 64,x", "'x' is not a value for width"]),
        (
            ["check", "diagonal_limit.ntk", "--data", "gaussian", "--widths", "64,128,256,1000000"],
            ["n=1000000", "GiB", "--sweep width", "--memory"],
        ),
        (["check", "--widths", "64,128,256,2000000"], ["--widths 64,128,256,2000000", "at most 1048576"]),
        (["check", "--axis", "foo=1"], ["--axis foo=1", "none of the selected claims", "depth"]),
        (["check", "--axis", "foo"], ["--axis foo", "NAME=VALUE"]),
        (["check", "--sweep", "width"], ["--sweep width", "AXIS=V,V,V,V"]),
        (["check", "--sweep", "depth=1,2,3,4"], ["--sweep depth=1,2,3,4", "sweep over width"]),
        (["check", "closed_form.search", "--widths", "8,16,32,64"], ["--widths", "sweep over nothing"]),
        (
            ["check", "--widths", "8,16,32,64", "--sweep", "width=1,2,3,4"],
            ["--sweep width=1,2,3,4", "--widths 8,16,32,64", "keep one"],
        ),
        (["check", "--axis", "depth=1", "--axis", "depth=2"], ["--axis depth=1", "--axis depth=2"]),
        (["check", "--data", "sphere", "--axis", "data=gaussian"], ["--data sphere", "data=gaussian"]),
        (["check", "diagonal_limit", "--axis", "width=64"], ["--axis width=64", "--sweep width=..."]),
        (["check", "--data", "mnist"], ["--data mnist", "digits, gaussian, sphere"]),
        (["check", "--data", "none.npz"], ["none.npz", "no such file"]),
        (["check", "--data", NAN_IMAGES], [NAN_IMAGES, "1 of 640 values are NaN", "(3, 2, 1)", "remove"]),
        (["check", "--evidence", "file/below"], ["--evidence file/below", "cannot be written"]),
        (["check", "--evidence", "foreign"], ["evidence.sqlite", "choose another folder"]),
        (["check", "--evidence", "site"], ["site/index.html", "is there already", "choose another place"]),
        (["check", "diagonal_limit.ntk", "--evidence", "cut"], ["evidence.sqlite", "cut short: 1 bytes"]),
        (["report", "cut"], ["evidence.sqlite", "cut short: 1 bytes"]),
        (["gate", "--evidence", "cut"], ["evidence.sqlite", "cut short: 1 bytes"]),
        (["export", "--evidence", "cut"], ["evidence.sqlite", "cut short: 1 bytes"]),
        (["check", "--theory", "none.py"], ["--theory none.py", "no such file"]),
        (["check", "--profile", "slow"], ["--profile", "quick"]),
        (["check", "--axis", "samples=3", "--axis", "samples=5"], ["samples=3", "samples=5", "contradict"]),
        (["check", "--axis", "depth=1,depth=2"], ["depth=1", "depth=2", "contradict"]),
        (["check", "--data", "sphere", "--axis", "data=gaussian"], ["--data sphere", "data=gaussian"]),
        (["check", "--data", "digits", "--axis", "data=gaussian"], ["--data digits", "data=gaussian"]),
        (
            ["check", "adv_ntk.solver", "--implementation", "reference", "--axis", "implementation=krylov"],
            ["--implementation reference", "--axis implementation=krylov"],
        ),
        (["chek"], ["check"]),
    ],
    ids=lambda value: " ".join(value[:4]) if isinstance(value, list) else None,
)
def test_what_cannot_be_done_is_refused_in_one_line_and_nothing_is_touched(
    in_process, tmp_path, arguments, words
):
    images = np.ones((10, 8, 8))
    images[3, 2, 1] = np.nan
    np.savez(tmp_path / NAN_IMAGES, images=images, labels=np.zeros(10, int))
    (tmp_path / "file").write_text("a file, not a folder")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "evidence.sqlite").write_text("this is no database, but somebody's notes" * 40)
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("<!doctype html><title>my own page</title>")
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / "evidence.sqlite").write_bytes(b"S")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    found = in_process(*arguments, cwd=tmp_path)

    assert found.returncode == 2, found.stderr
    message = found.stderr.strip().splitlines()[-1]
    assert message.lower().startswith("error: ")
    assert [word for word in words if word not in message] == []
    assert "Traceback" not in found.stderr
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_gpu_that_is_not_there_is_said_so(advntk):
    import jax

    if any(device.platform == "gpu" for device in jax.devices()):
        pytest.skip("there is a GPU")
    found = advntk("check", "--device", "gpu", "diagonal_limit.ntk")
    assert found.returncode == 2
    assert "--device gpu" in found.stderr and "--device cpu" in found.stderr
