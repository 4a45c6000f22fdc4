"""Write foolbox_pgd.npz: what foolbox's projected gradient descent finds on one small network.

    uv run --no-project --python 3.11 --with foolbox==3.3.4 --with jax==0.10.2 \
        python tests/implementations/references/foolbox_pgd.py

Uses nothing of this project, the network is written out anew.  foolbox returns its last iterate and
its steps do not know how many will follow, so runs of 1, 2, ... steps give all iterates.  Works as well
with JAX 0.12 on Python 3.12, with another rounding.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import eagerpy
import foolbox
import jax
import jax.numpy as jnp
import numpy as np

SEED, SAMPLES, D, WIDTH, CLASSES = 11, 5, 6, 16, 4
SIGMA_W, SIGMA_B = 1.5, 0.1
TIGHT, WIDE = (-0.5, 0.5), (-5.0, 5.0)
LINF, L2 = foolbox.attacks.LinfPGD, foolbox.attacks.L2PGD
# name: attack, radius, step, steps, box.  A quantile of 1 is the coordinate of the largest slope.
CASES = {
    "linf": (LINF, 0.1, 0.03, 8, TIGHT),
    # Steps long enough to leap over a crest.
    "linf-long": (LINF, 0.8, 0.6, 4, WIDE),
    "l2": (L2, 0.4, 0.15, 8, WIDE),
    "l1": (lambda **more: foolbox.attacks.SparseL1DescentAttack(quantile=1.0, **more), 0.5, 0.09, 5, WIDE),
    "l2-tight": (L2, 0.4, 0.15, 8, TIGHT),
}
FAST = {
    "linf-fast": (foolbox.attacks.LinfFastGradientAttack, 0.1, TIGHT),
    "l2-fast": (foolbox.attacks.L2FastGradientAttack, 0.4, WIDE),
}


def network(parameters, x):
    """Two hidden layers of erf, in the NTK parameterization."""
    for i, (weights, bias) in enumerate(parameters):
        x = SIGMA_W / weights.shape[1] ** 0.5 * (x @ weights.T) + SIGMA_B * bias
        x = jax.scipy.special.erf(x) if i < len(parameters) - 1 else x
    return x


def drawn() -> dict[str, np.ndarray]:
    """Weights, inputs and labels; of single precision, so that both precisions start from the same."""
    rng = np.random.default_rng(SEED)
    sizes = (D, WIDTH, WIDTH, CLASSES)
    table = {}
    for i, (n_in, n_out) in enumerate(pairwise(sizes)):
        table[f"w{i}"] = rng.standard_normal((n_out, n_in)).astype(np.float32)
        table[f"b{i}"] = rng.standard_normal(n_out).astype(np.float32)
    table["x"] = rng.uniform(*TIGHT, (SAMPLES, D)).astype(np.float32)
    table["labels"] = rng.integers(0, CLASSES, SAMPLES).astype(np.int32)
    return table


def main() -> None:
    """Run every case in both precisions and store iterates, settings and versions."""
    jax.config.update("jax_enable_x64", True)
    table = drawn()
    criterion = foolbox.criteria.Misclassification(jnp.asarray(table["labels"]))
    for dtype in ("float32", "float64"):
        x = jnp.asarray(table["x"], dtype)
        parameters = [
            (jnp.asarray(table[f"w{i}"], dtype), jnp.asarray(table[f"b{i}"], dtype)) for i in range(3)
        ]

        def ran(attack, radius, box, x=x, parameters=parameters):
            model = foolbox.JAXModel(lambda at: network(parameters, at), bounds=box)
            found = np.asarray(attack.run(model, x, criterion, epsilon=radius))
            assert found.dtype == x.dtype
            return found

        for name, (attack, radius, step, steps, box) in CASES.items():
            iterates = [np.asarray(x)]
            for count in range(1, steps + 1):
                one = attack(rel_stepsize=1.0, abs_stepsize=step, steps=count, random_start=False)
                iterates.append(ran(one, radius, box))
            table[f"{name}-{dtype}"] = np.stack(iterates)
            table[f"{name}-settings"] = np.array([radius, step, *box])
        for name, (attack, radius, box) in FAST.items():
            table[f"{name}-{dtype}"] = np.stack([x, ran(attack(random_start=False), radius, box)])
            table[f"{name}-settings"] = np.array([radius, radius, *box])
    versions = {"foolbox": foolbox, "eagerpy": eagerpy, "jax": jax, "numpy": np}
    table["versions"] = np.array([f"{name} {module.__version__}" for name, module in versions.items()])
    np.savez_compressed(Path(__file__).with_suffix(".npz"), **table)


if __name__ == "__main__":
    main()
