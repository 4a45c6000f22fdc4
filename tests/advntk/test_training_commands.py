"""`advntk train`, `evaluate` and `benchmark` as users meet them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from advntk.implementations.npz_files import write

SMALL = ("--training", "60", "--validation", "40", "--test", "30", "--batch", "20", "--attack-steps", "3")


@pytest.fixture
def advntk(in_process):
    """Without a process of its own, but for what is killed or limited below."""
    return in_process


def test_train_then_evaluate(advntk, tmp_path):
    model = tmp_path / "model.npz"
    found = advntk("train", *SMALL, "--iterations", "3", "--out", model, "--json")
    assert found.returncode == 0, found.stderr
    told = json.loads(found.stdout)
    assert set(told["accuracy"]) == {"Adv-NTK", "NTK regression"} and len(told["history"]) == 3
    assert all(0 <= share <= 1 for one in told["accuracy"].values() for share in one.values())
    assert "3/3 iterations" in found.stderr
    judged = advntk("evaluate", model, "--no-audit", "--json")
    assert judged.returncode == 0, judged.stderr
    worst = json.loads(judged.stdout)
    # All attacks together are at least as strong as the one of training, up to its last iterate.
    assert worst["samples"] == 30 and worst["robust"] <= told["accuracy"]["Adv-NTK"]["robust"]
    assert worst["clean"] == told["accuracy"]["Adv-NTK"]["clean"] and worst["findings"] == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--radius", "0"), "error: radius = 0 leaves nothing to defend against"),
        (("--radius", "3/2"), "error: radius = 1.5 reaches across the whole box"),
        (("--network", "mlp1"), "error: network = 'mlp1' is unknown"),
        (("--preset", "cifar10-mlp5-r16"), "error: preset = 'cifar10-mlp5-r16' is unknown"),
        (("--implementation", "nobody"), "error: --implementation nobody: unknown"),
        (("--baselines", "magic"), "error: baseline = 'magic' is unknown"),
        (("--training", "5000"), "exceeds the 1797 digits images"),
        (("--memory", "0.1", "--training", "1500", "--network", "cnn3"), "GiB are allowed"),
        (("--data", "nothing.npz"), "error: --data nothing.npz: no such file"),
        (("--out", "model.txt"), "error: --out model.txt: must end in .npz"),
        (("--out", "no/such/model.npz"), "no folder no/such; create it"),
    ],
)
def test_what_cannot_be_trained_is_said_in_one_line(advntk, tmp_path, arguments, words):
    found = advntk("train", *arguments, cwd=tmp_path)
    assert found.returncode == 2 and words in found.stderr, found.stderr
    assert len(found.stderr.strip().splitlines()) == 1 and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--data", "own.npz", "--out", "own.npz"), "--out own.npz: is read by the same command"),
        (("--data", "own.npz", "--out", "link.npz"), "--out link.npz: is read by the same command"),
        (("--data", "a.checkpoint.npz", "--out", "a.npz"), "a.checkpoint.npz: is read by the same command"),
        (("--out", "own.npz"), "--out own.npz: is there already and is not a model of `advntk train`"),
        (("--out", "notes.npz"), "--out notes.npz: is there already and is not a model of `advntk train`"),
        (("--out", "kept.checkpoint.npz"), "is an advntk checkpoint 1, not a model of `advntk train`"),
        (("--out", "a.npz"), "a.checkpoint.npz: is there already and is not a checkpoint of `advntk train`"),
        (("--out", "notes.npz/a.npz"), "--out notes.npz/a.npz: no folder notes.npz"),
        (("--out", "/proc/a.npz"), "--out /proc/a.npz: cannot be written"),
        (("--out", "folder.npz"), "--out folder.npz: is a folder"),
    ],
)
def test_what_must_not_be_written_over_is_found_before_training(advntk, tmp_path, arguments, words):
    images, labels = np.random.default_rng(0).uniform(0, 1, (40, 4, 4)), np.arange(40) % 3
    for name in ("own.npz", "a.checkpoint.npz"):
        np.savez(tmp_path / name, images=images, labels=labels)
    (tmp_path / "link.npz").symlink_to("own.npz")
    (tmp_path / "notes.npz").write_text("mine")
    (tmp_path / "folder.npz").mkdir()
    write(tmp_path / "kept.checkpoint.npz", "advntk checkpoint 1", {})
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    found = advntk("train", *SMALL, "--iterations", "1", *arguments, cwd=tmp_path)
    assert found.returncode == 2 and words in found.stderr, found.stderr
    assert len(found.stderr.strip().splitlines()) == 1 and found.stdout == ""
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX limits")
def test_a_disk_that_is_full_is_one_line_and_leaves_no_draft(tmp_path):
    """A limit on the size of files stands for it."""
    code = (
        "import resource, runpy; resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)); "
        "runpy.run_module('advntk', run_name='__main__', alter_sys=True)"
    )
    arguments = ("train", *SMALL, "--iterations", "0", "--out", "m.npz", "--json")
    cache = {**os.environ, "JAX_ENABLE_COMPILATION_CACHE": "false"}
    found = subprocess.run(
        # Python does not see that a compiled file was cut off at the limit, and would load it ever after.
        [sys.executable, "-B", "-c", code, *arguments],
        cwd=tmp_path, capture_output=True, text=True, check=False, env=cache,
    )  # fmt: skip
    assert found.returncode == 2 and "--out m.npz: cannot be written (File too large)" in found.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_model_is_written_over_by_the_next_and_has_the_permissions_of_the_umask(advntk, tmp_path):
    for seed in ("0", "1"):
        arguments = ("--iterations", "1", "--seed", seed, "--out", tmp_path / "m.npz")
        assert advntk("train", *SMALL, *arguments).returncode == 0
    mask = os.umask(0)
    os.umask(mask)
    files = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert files == dict.fromkeys(("m.npz", "m.checkpoint.npz"), 0o666 & ~mask)


def test_a_comparison_that_is_undefined_has_no_number(advntk, tmp_path):
    """The same images again and again: the kernel has no inverse, so NTK regression no weights."""
    rng = np.random.default_rng(0)
    images, labels = rng.uniform(0, 1, (40, 4, 4)), np.arange(40) % 3
    own = tmp_path / "own.npz"
    np.savez(own, images=np.tile(images, (3, 1, 1)), labels=np.tile(labels, 3))
    arguments = (
        "--data",
        own,
        "--out",
        tmp_path / "model.npz",
        *("20" if before == "--test" else word for before, word in zip(("", *SMALL), SMALL, strict=False)),
        "--iterations",
        "1",
    )
    found = advntk("train", *arguments)
    assert found.returncode == 0, found.stderr
    said = "NTK regression         –        –  no answer: kernel singular to working precision (smallest"
    assert said in found.stdout
    assert "NTK regression has no accuracy: the kernel is not positive definite" in found.stdout
    told = json.loads(advntk("train", *arguments, "--json").stdout)
    assert told["accuracy"]["NTK regression"] == {"clean": None, "robust": None}
    assert told["no_answer"]["NTK regression"].startswith("kernel singular to working precision (smallest")
    assert told["accuracy"]["Adv-NTK"]["clean"] > 0


@pytest.mark.parametrize("seed", ["0", "1", "2"])
def test_one_image_twice_leaves_regression_without_a_number_and_ridge_with_one(advntk, tmp_path, seed):
    rng = np.random.default_rng(int(seed))
    images, labels = rng.uniform(0, 1, (130, 8, 8)), np.arange(130) % 3
    own = tmp_path / "own.npz"
    sizes = ("--training", "100", "--validation", "20", "--iterations", "1", "--attack-steps", "2")
    arguments = ("--data", own, *sizes, "--seed", seed, "--beside", "ridge,early-stopped", "--json")
    found = {}
    for twice in (False, True):
        if twice:
            # Every other image is one of another's, so that whatever is drawn holds some twice.
            images[1::2] = images[::2]
        np.savez(own, images=images, labels=labels)
        told = advntk("train", *arguments, "--test", "10", "--out", tmp_path / "m.npz")
        assert told.returncode == 0, told.stderr
        found[twice] = json.loads(told.stdout)
    assert found[False]["no_answer"] == {} and found[False]["accuracy"]["NTK regression"]["clean"] is not None
    assert found[True]["accuracy"]["NTK regression"] == {"clean": None, "robust": None}
    assert "singular to working precision" in found[True]["no_answer"]["NTK regression"]
    for name in ("Adv-NTK", "ridge", "early-stopped"):
        assert found[True]["accuracy"][name]["robust"] is not None


def test_one_implementation_does_not_go_on_where_another_was(advntk, tmp_path):
    arguments = ("train", *SMALL, "--out", tmp_path / "model.npz", "--iterations", "1")
    assert advntk(*arguments).returncode == 0
    found = advntk(*arguments, "--resume", "--implementation", "as_published")
    assert found.returncode == 2 and "made with implementation = krylov, not as_published" in found.stderr


def test_a_radius_that_means_nothing_is_refused_before_any_attack(advntk, tmp_path):
    model = tmp_path / "model.npz"
    assert advntk("train", *SMALL, "--iterations", "0", "--out", model).returncode == 0
    for norm, radius in (("linf", "0"), ("linf", "1"), ("l2", "9"), ("l1", "65")):
        found = advntk("evaluate", model, "--norm", norm, "--radius", radius)
        assert found.returncode == 2
        assert found.stderr.startswith(f"error: --radius {radius}: must be above 0")


def test_own_images_and_their_faults(advntk, tmp_path):
    rng = np.random.default_rng(0)
    images, labels = rng.uniform(0, 1, (80, 4, 4)), np.arange(80) % 3
    images[1] = images[0]
    np.savez(tmp_path / "mine.npz", images=images, labels=labels)
    sizes = ("--training", "50", "--validation", "20", "--test", "10", "--iterations", "1")
    found = advntk("train", "--data", "mine.npz", *sizes, cwd=tmp_path)
    assert found.returncode == 0, found.stderr
    assert "radius 0.0313725" in found.stdout and "repeat others" in found.stdout
    np.savez(tmp_path / "one.npz", images=images, labels=0 * labels)
    (tmp_path / "broken.npz").write_bytes((tmp_path / "mine.npz").read_bytes()[:100])
    for name in ("one.npz", "broken.npz"):
        failed = advntk("train", "--data", name, *sizes, cwd=tmp_path)
        assert failed.returncode == 2 and name in failed.stderr, failed.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_training_that_is_killed_goes_on_where_it_was(advntk, tmp_path):
    arguments = ("train", *SMALL, "--iterations", "400", "--json", "--seed", "3")
    whole = json.loads(advntk(*arguments, "--out", tmp_path / "whole.npz").stdout)
    model, checkpoint = tmp_path / "half.npz", tmp_path / "half.checkpoint.npz"
    process = subprocess.Popen(
        [sys.executable, "-m", "advntk", *arguments, "--out", str(model), "--checkpoint-seconds", "0"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 120
        while not checkpoint.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert checkpoint.exists() and not model.exists()
    resumed = json.loads(advntk(*arguments, "--out", model, "--resume").stdout)
    assert "resumed at iteration" in resumed["notes"][0]
    assert resumed["accuracy"] == whole["accuracy"]
    for name in ("strengths", "weights"):
        with np.load(model) as mine, np.load(tmp_path / "whole.npz") as theirs:
            np.testing.assert_array_equal(mine[name], theirs[name])


def test_a_checkpoint_of_another_training_is_refused(advntk, tmp_path):
    model = tmp_path / "model.npz"
    assert advntk("train", *SMALL, "--iterations", "1", "--out", model).returncode == 0
    refused = advntk("train", *SMALL, "--iterations", "2", "--radius", "0.1", "--out", model, "--resume")
    assert refused.returncode == 2 and "made with radius = 0.15, not 0.1" in refused.stderr


def test_a_finite_network_that_is_interrupted_goes_on_where_it_was(advntk, tmp_path):
    sizes = (*SMALL, "--iterations", "1", "--baselines", "adversarial", "--finite-steps", "60", "--json")
    whole = json.loads(advntk("train", *sizes, "--out", tmp_path / "whole.npz").stdout)
    model, checkpoint = tmp_path / "half.npz", tmp_path / "half.adversarial.checkpoint.npz"
    process = subprocess.Popen(
        [sys.executable, "-m", "advntk", "train", *sizes, "--out", str(model)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not checkpoint.exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.01)
    process.kill()
    process.wait()
    with np.load(checkpoint) as kept:
        steps = [row["step"] for row in json.loads(str(kept["about"]))["course"]]
    assert steps and steps[-1] < 60, "killed too late to test anything"
    resumed = advntk("train", *sizes, "--out", model, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    told = json.loads(resumed.stdout)
    assert told["baseline_histories"] == whole["baseline_histories"]
    assert told["accuracy"] == whole["accuracy"]
    longer = ["80" if word == "60" and before == "--finite-steps" else word for before, word in
              zip(("", *sizes), sizes, strict=False)]  # fmt: skip
    other = advntk("train", *longer, "--out", model, "--resume")
    assert other.returncode == 2 and "made with steps = 60, not 80" in other.stderr


@pytest.mark.skipif(shutil.which("nvidia-smi") is not None, reason="a GPU is here")
@pytest.mark.parametrize("command", [("train",), ("evaluate", "model.npz"), ("benchmark", "adv-ntk")])
def test_a_device_that_is_not_here_is_one_line(advntk, tmp_path, command):
    found = advntk(*command, "--device", "gpu", cwd=tmp_path)
    assert found.returncode == 2 and "--device gpu: not available here" in found.stderr
    assert len(found.stderr.strip().splitlines()) == 1


@pytest.mark.evidence
def test_the_benchmark_prints_a_table_and_json(advntk):
    arguments = ("benchmark", "adv-ntk", "--sizes", "256,320", "--repeats", "1", "--network", "mlp3")
    told = json.loads(advntk(*arguments, "--published-up-to", "256", "--json").stdout)
    small, large = told["sizes"]
    assert small["error_of_p"] < 1e-4 and small["published_over_ours"] > 0
    assert "published_step" not in large and told["exponent"] is not None
    table = advntk(*arguments).stdout
    assert "samples" in table and "to the power" in table
