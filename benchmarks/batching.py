"""A compiled loop over seeds against one batch: `python -m benchmarks.batching [--widths 32,64]`.

Times `train_seeds` both ways after compilation, in pairs that alternate which comes first (depth 2, erf,
inputs as many as the width, 4 trained and 2 unseen points, 2 outputs, 16 seeds), and writes a table to
benchmarks/batching.md, or to the file given with --out.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from pathlib import Path

TRAINED, UNSEEN, OUTPUTS, SEEDS, PAIRS = 4, 2, 2, 16, 3
WIDTHS = (32, 64, 128, 256, 512)


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--widths", default=",".join(map(str, WIDTHS)))
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("batching.md"))
    options = parser.parse_args()

    from advntk.implementations.runtime import configure, versions

    device = configure("cpu")
    rows = [(int(width), _pairs(int(width))) for width in options.widths.split(",")]
    options.out.write_text(_table(rows, options.widths, device, versions()), encoding="utf-8")
    print(options.out.read_text(encoding="utf-8"))


def _pairs(width: int) -> list[tuple[float, float]]:
    """Seconds (loop, batch) of each pair at one width."""
    import jax
    import jax.numpy as jnp

    from advntk.implementations.dynamics.adversarial_training import Batching, Points, train_seeds
    from advntk.implementations.dynamics.schedules import schedule
    from advntk.implementations.networks.architecture import architecture
    from advntk.implementations.networks.finite import forward_pass, initialize_seeds, weight_shapes

    arch = architecture(depth=2, activation_name="erf")
    forward = forward_pass(arch, weight_shapes(arch, (width,), width, OUTPUTS))
    seeds, x_key, y_key = jax.random.split(jax.random.key(0), 3)
    parameters = initialize_seeds(arch, jax.random.split(seeds, SEEDS), (width,), width, OUTPUTS)
    count = TRAINED + UNSEEN
    points = Points(
        jax.random.normal(x_key, (count, width)),
        jax.random.normal(y_key, (count, OUTPUTS)),
        schedule("growing", jnp.linspace(0.05, 0.15, count)),
    )
    times = jnp.linspace(0.0, 1.0, 9)

    def seconds(batching: Batching) -> float:
        start = time.perf_counter()
        found = train_seeds(forward, parameters, points, TRAINED, times, 3, batching=batching)
        if bool(found.result.any()):
            raise RuntimeError(f"the integrator stopped early at width {width}: its time says nothing")
        return time.perf_counter() - start

    def pair(number: int) -> tuple[float, float]:
        order: tuple[Batching, Batching] = ("loop", "vmap") if number % 2 == 0 else ("vmap", "loop")
        taken = {batching: seconds(batching) for batching in order}
        return taken["loop"], taken["vmap"]

    pair(0)  # compiles both
    return [pair(number) for number in range(PAIRS)]


def _table(
    rows: list[tuple[int, list[tuple[float, float]]]], widths: str, device: str, found: dict[str, str]
) -> str:
    lines = [
        "# Training 16 seeds in a compiled loop or in one batch",
        "",
        f"`python -m benchmarks.batching --widths {widths}`, {PAIRS} pairs each after compilation, times are "
        f"medians, ratios within pairs (vmap / loop: above 1 the loop wins), {os.cpu_count()} cores "
        f"({platform.machine()}, {device}), Python {found['python']}, JAX {found['jax']}.",
        "",
        "| width | loop s | vmap s | ratio median [min, max] |",
        "| ---: | ---: | ---: | ---: |",
    ]
    for width, pairs in rows:
        loop, batch = (statistics.median(times) for times in zip(*pairs, strict=True))
        ratios = sorted(batch / loop for loop, batch in pairs)
        spread = f"{statistics.median(ratios):.2f} [{ratios[0]:.2f}, {ratios[-1]:.2f}]"
        lines.append(f"| {width} | {loop:.2f} | {batch:.2f} | {spread} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
