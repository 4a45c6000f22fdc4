"""The commands `train` and `evaluate`: their options; what they do is in `advntk.training`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from advntk.command_parsing import BadCommandLine
from advntk.options import AsJson, DeviceName, OnDevice
from advntk.speaking import say

_AT_REDUCED_SIZE = "With a preset, the data's own name or 'digits' (then at reduced size)."


def _fraction(option: str, text: str | None) -> float | None:
    """'8/255' or '0.03'; pixels run from -1/2 to 1/2."""
    if text is None:
        return None
    above, slash, below = text.partition("/")
    try:
        found = float(above) / float(below) if slash else float(above)
    except (ValueError, ZeroDivisionError):
        found = math.nan
    if not math.isfinite(found):
        raise BadCommandLine(f"{option} {text}: give a number, or a fraction such as 8/255")
    return found


Folder = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR", help="Where CIFAR-10 and SVHN are; default $ADVNTK_DATA, else ~/.cache/advntk/data."
    ),
]
Memory = Annotated[
    float | None,
    typer.Option(
        metavar="GIB",
        min=0.1,
        max=1e6,
        help="What may be taken; default half of the RAM, or the whole of a GPU's.",
    ),
]


def train(
    preset: Annotated[
        str | None,
        typer.Option(metavar="DATA-NETWORK-RADIUS", help="A published experiment, such as cifar10-mlp5-r8."),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(metavar="digits|cifar10|svhn|FILE.npz", help=f"What to train on. {_AT_REDUCED_SIZE}"),
    ] = None,
    data_dir: Folder = None,
    network: Annotated[
        str | None,
        typer.Option(help="mlpN (N layers in all), cnnN or cnnN-pool (N convolutions), resnet18, resnet34."),
    ] = None,
    activation: Annotated[str | None, typer.Option(help="Activation of the network; default relu.")] = None,
    radius: Annotated[
        str | None, typer.Option(metavar="R", help="Perturbation radius in l_inf, as 0.03 or 8/255.")
    ] = None,
    training: Annotated[int | None, typer.Option(min=1, help="Training samples.")] = None,
    validation: Annotated[
        int | None, typer.Option(min=1, help="Validation samples, which varpi is fitted to.")
    ] = None,
    test: Annotated[int | None, typer.Option(min=0, help="Test samples; 0: the whole test set.")] = None,
    label_noise: Annotated[
        float | None, typer.Option(min=0, max=1, help="Share of training labels to replace by others.")
    ] = None,
    per_class: Annotated[
        bool | None,
        typer.Option("--per-class/--per-sample", help="One varpi per sample and class, or per sample."),
    ] = None,
    iterations: Annotated[int | None, typer.Option(min=0, help="Iterations; published: 50.")] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Validation samples per iteration.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Learning rate.")] = None,
    optimizer: Annotated[str | None, typer.Option(help="sgd or adam.")] = None,
    momentum: Annotated[float | None, typer.Option(help="Momentum of SGD.")] = None,
    weight_decay: Annotated[float | None, typer.Option(help="Weight decay.")] = None,
    decay_every: Annotated[
        int | None, typer.Option(help="Iterations between decays of the rate; 0: never.")
    ] = None,
    attack_steps: Annotated[int | None, typer.Option(min=1, help="Steps of PGD, each radius/5 long.")] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, max=2**32 - 1, help="Seed of split, batches and random starts.")
    ] = None,
    implementation: Annotated[
        str,
        typer.Option(metavar="NAME|MODULE:ATTRIBUTE", help="krylov, reference, as_published, or one's own."),
    ] = "krylov",
    out: Annotated[Path, typer.Option(metavar="FILE.npz", help="Where to keep the model.")] = Path(
        "adv-ntk.npz"
    ),
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the checkpoint beside the model, exactly.")
    ] = False,
    baselines: Annotated[
        str,
        typer.Option(
            metavar="NAME,...",
            help="Also train ridge, early-stopped (infinite), standard, adversarial (finite networks).",
        ),
    ] = "",
    beside: Annotated[str, typer.Option(hidden=True, help="The former name of --baselines.")] = "",
    finite_steps: Annotated[
        int | None,
        typer.Option(min=1, help="Steps of finite networks; default 20000, 2000 on digits."),
    ] = None,
    checkpoint_seconds: Annotated[
        float, typer.Option(min=0, help="How often the checkpoint is kept at most.")
    ] = 10.0,
    memory: Memory = None,
    device: OnDevice = DeviceName.cpu,
    as_json: AsJson = False,
) -> None:
    """Train Adv-NTK, keep the model, and compare how robust it is with NTK regression.

    A checkpoint (FILE.checkpoint.npz, and one for each finite network) is kept as training goes; `--resume`
    continues an interrupted run as if it had not been interrupted.
    """
    from advntk.training import TrainingRequest
    from advntk.training import train as run

    if baselines and beside and baselines != beside:
        raise BadCommandLine(f"--baselines {baselines} and --beside {beside}: one means the other; keep one")
    asked = {
        "data": data, "network": network, "activation": activation, "n_train": training,
        "n_validation": validation, "n_test": test, "label_noise": label_noise, "data_seed": seed,
    }  # fmt: skip
    settings = {
        "radius": _fraction("--radius", radius),
        "shape": None if per_class is None else "per_sample_and_class" if per_class else "per_sample",
        "iterations": iterations, "batch": batch, "learning_rate": learning_rate, "optimizer": optimizer,
        "momentum": momentum, "weight_decay": weight_decay, "decay_every": decay_every,
        "attack_steps": attack_steps, "seed": seed,
    }  # fmt: skip
    request = TrainingRequest(
        preset, asked, settings, data_dir, implementation, out, resume,
        tuple(dict.fromkeys(name for name in (baselines or beside).split(",") if name)), finite_steps,
        checkpoint_seconds, memory, device.value,
    )  # fmt: skip
    say(run(request, as_json))


def evaluate(
    model: Annotated[Path, typer.Argument(metavar="MODEL.npz", help="A model that `train` has kept.")],
    data: Annotated[
        str | None,
        typer.Option(metavar="digits|cifar10|svhn|FILE.npz", help="Other data than those of its training."),
    ] = None,
    data_dir: Folder = None,
    test: Annotated[
        int | None, typer.Option(min=1, help="How many test samples; default as trained, at most all.")
    ] = None,
    radius: Annotated[str | None, typer.Option(metavar="R", help="Another radius, as 0.03 or 8/255.")] = None,
    norm: Annotated[str, typer.Option(help="linf, l2 or l1.")] = "linf",
    baselines: Annotated[
        str,
        typer.Option(
            metavar="all|NAME,...",
            help="Also attack what was trained beside it: ntk-regression, and those of `train --baselines`.",
        ),
    ] = "",
    audit: Annotated[
        bool, typer.Option("--audit/--no-audit", help="Look for attacks that fail for the wrong reasons.")
    ] = True,
    device: OnDevice = DeviceName.cpu,
    as_json: AsJson = False,
) -> None:
    """Attack a model with all there is, PGD, APGD and Square, and keep the worst case of each sample.

    Other images are scaled as those of its training were, and compared with them: size, classes by name, box,
    and whether it was trained on any of them.
    """
    from advntk.evaluating import EvaluationRequest
    from advntk.evaluating import evaluate as run

    wanted = tuple(dict.fromkeys(name for name in baselines.split(",") if name))
    request = EvaluationRequest(
        model, data, data_dir, test, _fraction("--radius", radius), norm, audit, wanted, device.value
    )
    say(run(request, as_json))


def benchmark_adv_ntk(
    sizes: Annotated[
        str, typer.Option(metavar="N,N,...", help="Numbers of training samples.")
    ] = "1000,2000,4000,8000",
    published_up_to: Annotated[
        int, typer.Option(metavar="N", help="Largest size at which the published procedure is timed too.")
    ] = 2000,
    repeats: Annotated[int, typer.Option(min=1, help="Runs per median.")] = 9,
    full: Annotated[
        bool, typer.Option("--full", help="Also the whole published training: 10000 + 2000 samples.")
    ] = False,
    network: Annotated[str, typer.Option(help="mlpN, cnnN, ...")] = "mlp5",
    device: OnDevice = DeviceName.cpu,
    as_json: AsJson = False,
) -> None:
    """Time Adv-NTK on synthetic images of 3072 pixels, against the published procedure."""
    from advntk.benchmarking import BenchmarkRequest, benchmark

    try:
        numbers = tuple(int(size) for size in sizes.split(","))
    except ValueError:
        numbers = ()
    if not numbers or min(numbers) < 1:
        raise BadCommandLine(f"--sizes {sizes}: give whole numbers above 0, for example 1000,2000")
    say(benchmark(BenchmarkRequest(numbers, published_up_to, repeats, full, network, device.value), as_json))
