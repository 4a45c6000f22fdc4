"""The answer of `advntk benchmark adv-ntk`: what training costs, against the published procedure."""

from __future__ import annotations

import json
import math
import os
import platform
import statistics
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from advntk.implementations.memory import peak_memory_bytes
from advntk.speaking import note
from advntk.training import BadTraining
from advntk.wiring import cache_folder

if TYPE_CHECKING:
    from advntk.implementations.runtime import Device

# The published program's settings for CIFAR-10.
RADIUS, N_TRAIN, N_VALIDATION = 8 / 255, 10_000, 2_000


@dataclass(frozen=True)
class BenchmarkRequest:
    """Sizes to measure, up to which the published procedure is too, runs per median, the whole training."""

    sizes: tuple[int, ...]
    published_up_to: int
    repeats: int
    full: bool
    network: str
    device: Device


def benchmark(request: BenchmarkRequest, as_json: bool) -> str:
    """Measure and report; progress on standard error."""
    from advntk.implementations.runtime import configure, versions

    if min(request.sizes) < 2 * 128:
        raise BadTraining(f"--sizes {min(request.sizes)}: give at least 256 samples")
    found_on = configure(request.device, cache_folder() / "programs")
    found: dict[str, Any] = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "device": found_on,
        "versions": versions(),
        "network": request.network,
        "sizes": [_at(request, size) for size in sorted(request.sizes)],
    }
    found["exponent"] = _exponent(found["sizes"])
    if request.full:
        found["full"] = _full(request)
    return json.dumps(found, indent=2) if as_json else _text(found)


def _at(request: BenchmarkRequest, size: int) -> dict[str, Any]:
    import jax.numpy as jnp

    from advntk.implementations.adv_ntk.contract import AsPublished, Krylov, Reference
    from advntk.implementations.adv_ntk.settings import Settings
    from advntk.implementations.experiments.timing import (
        attack_and_products,
        predictor_at,
        solver_error,
        steps_of,
        synthetic_problem,
        timed_gram,
    )

    note(f"{size} samples: kernel and training steps")
    ours = Krylov()
    settings = Settings(RADIUS)
    problem = synthetic_problem(_kernel(request), size, N_VALIDATION, ours.dtype)
    ntk, seconds = timed_gram(problem)
    state, steps = steps_of(ours, problem, settings, ntk, warm=5, repeats=request.repeats)
    predictor = predictor_at(ours, problem, ntk, state)
    x, targets = jnp.asarray(problem.validation_x[:128]), jnp.asarray(problem.targets[:128])
    note(f"{size} samples: the attack beside its matrix products")
    pair = attack_and_products(predictor, x, targets, settings, request.repeats)
    found = {
        "samples": size,
        "kernel": seconds,
        "step": statistics.median(steps),
        "step_spread": [min(steps), max(steps)],
        "attack": pair.first,
        "products": pair.second,
        "attack_over_products": pair.ratio,
    }
    if size <= max(2000, request.published_up_to):
        note(f"{size} samples: the reference")
        found["error_of_p"] = solver_error(ours, Reference(), ntk, state, jnp.asarray(problem.y))
    if size <= request.published_up_to:
        note(f"{size} samples: the published procedure, then ours, in turn")
        found |= _against(AsPublished(), ours, problem, settings, ntk, state, request.repeats)
    return found


def _against(
    published: Any, ours: Any, problem: Any, settings: Any, ntk: Any, state: Any, repeats: int
) -> dict[str, Any]:
    """Steps of both from one state, in turn; one pair where a step of theirs takes over half a minute."""
    from advntk.implementations.adv_ntk.training import step

    def seconds(implementation: Any) -> float:
        return step(implementation, problem, settings, ntk, state).history[-1].seconds

    first = seconds(published)
    pairs = []
    for _ in range(1 if first > 30 else min(repeats, 5)):
        theirs = seconds(published)
        pairs.append((theirs, seconds(ours)))
    return {
        "published_step": statistics.median(theirs for theirs, _ in pairs),
        "published_over_ours": statistics.median(theirs / mine for theirs, mine in pairs),
        "pairs": len(pairs),
    }


def _full(request: BenchmarkRequest) -> dict[str, Any]:
    """The whole published training, 10 000 + 2 000 samples and 50 iterations."""
    from advntk.implementations.adv_ntk.contract import Krylov
    from advntk.implementations.adv_ntk.settings import Settings
    from advntk.implementations.adv_ntk.training import fit
    from advntk.implementations.experiments.timing import synthetic_problem

    problem = synthetic_problem(_kernel(request), N_TRAIN, N_VALIDATION, "float32")
    began = time.perf_counter()
    fitted = fit(
        Krylov(), problem, Settings(RADIUS),
        on_iteration=lambda state: note(f"{N_TRAIN} samples: iteration {state.iteration} of 50"),
    )  # fmt: skip
    return {
        "samples": N_TRAIN,
        "validation": N_VALIDATION,
        "seconds": time.perf_counter() - began,
        "peak_memory_bytes": peak_memory_bytes(),
        "unconverged": sum(not row.converged for row in fitted.state.history),
    }


def _kernel(request: BenchmarkRequest) -> Any:
    from advntk.implementations.experiments.adv_ntk import kernel_for
    from advntk.implementations.experiments.presets import preset

    try:
        return kernel_for(replace(preset("cifar10-mlp5-r8"), network=request.network))
    except ValueError as error:
        raise BadTraining(str(error)) from error


def _exponent(sizes: list[dict[str, Any]]) -> float | None:
    """Slope of log seconds per step over log samples, by least squares."""
    if len(sizes) < 2:
        return None
    logs = [(math.log(one["samples"]), math.log(one["step"])) for one in sizes]
    return statistics.linear_regression(*zip(*logs, strict=True)).slope


def _text(found: dict[str, Any]) -> str:
    lines = [
        f"{found['network']}, 3072 inputs, 10 classes, float32, batch 128, PGD-10; "
        f"{found['machine']}, {found['device']}; "
        "seconds",
        f"{'samples':>8}{'kernel':>9}{'step':>9}{'attack':>9}{'/products':>11}{'published':>11}{'/ours':>8}"
        f"{'error of p':>12}",
    ]
    for one in found["sizes"]:
        theirs, ratio = one.get("published_step"), one.get("published_over_ours")
        error = one.get("error_of_p")
        lines.append(
            f"{one['samples']:>8}{one['kernel']:>9.2f}{one['step']:>9.3f}{one['attack']:>9.3f}"
            f"{one['attack_over_products']:>11.2f}"
            + (f"{theirs:>11.2f}{ratio:>8.1f}" if theirs else f"{'':>19}")
            + (f"{error:>12.1e}" if error is not None else "")
        )
    if found["exponent"] is not None:
        lines.append(f"cost per step grows with samples to the power {found['exponent']:.2f}")
    if whole := found.get("full"):
        lines.append(
            f"whole training, {whole['samples']} + {whole['validation']} samples, 50 iterations: "
            f"{whole['seconds']:.0f} s, at most {whole['peak_memory_bytes'] / 2**30:.2f} GiB in this process"
        )
    return "\n".join(lines)
