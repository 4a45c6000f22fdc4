"""A theorem without any network: the error of Monte Carlo integration falls like the root of the samples."""

import jax
import jax.numpy as jnp

from advntk import (
    Assumption,
    Axis,
    Claim,
    Effort,
    Kind,
    Measure,
    Rate,
    RateDecider,
    Source,
    Space,
    Sweep,
    Theorem,
    Verdict,
    trial,
)

REPETITIONS = 64
SOURCE = Source("Metropolis & Ulam, The Monte Carlo Method, 1949", "the central limit theorem")
FINITE_VARIANCE = Assumption("finite variance", r"$p < 1/2$", lambda s: s.power < 0.5, ("power",))
THEOREM = Theorem(
    id="monte_carlo",
    title="Monte Carlo integration",
    statement=r"The mean of $u^{-p}$ over $N$ uniform samples tends to $1 / (1 - p)$.",
    source=SOURCE,
    claims=(
        Claim(
            "monte_carlo.root",
            r"The root mean square error is $O(N^{-1/2})$",
            Kind.LIMIT,
            SOURCE,
            (FINITE_VARIANCE,),
            Rate(0.5, "samples"),
        ),
        Claim(
            "monte_carlo.heavy_tail",
            r"The same for $p > 1/2$",
            Kind.LIMIT,
            SOURCE,
            rate=Rate(0.5, "samples"),
            expected=Verdict.REFUTED,
            note="A control: the variance is infinite, and the error falls like N^(p - 1).",
        ),
    ),
)
SPACE = Space(
    Axis("samples", 64, low=1, symbol="N", description="uniform samples"),
    Axis("power", 0.25, low=0.0, high=0.99, symbol="p", shown=True, description="the integrand is u^-p"),
)
SAMPLES = Sweep("samples")


def error(scenario, keys):
    """Root mean square over repetitions, per key."""
    u = jax.vmap(lambda key: jax.random.uniform(key, (REPETITIONS, scenario.samples), minval=1e-300))(keys)
    off = (u**-scenario.power).mean(2) - 1 / (1 - scenario.power)
    return {"error": jnp.sqrt((off**2).mean(1))}


@trial(
    decides={"monte_carlo.root": [RateDecider("error", 0.5)]},
    space=SPACE.over(power=(0.1, 0.2, 0.3)),
    sweep=SAMPLES,
    effort=Effort(quick=Measure(2, 32, (64, 128, 256, 512), looks=2)),
)
def light_tail(scenario, keys):
    return error(scenario, keys)


@trial(
    decides={"monte_carlo.heavy_tail": [RateDecider("error", 0.5)]},
    space=SPACE.over(power=(0.9, 0.95)),
    sweep=SAMPLES,
    effort=Effort(quick=Measure(1, 64, (64, 256, 1024, 4096), looks=2)),
)
def heavy_tail(scenario, keys):
    return error(scenario, keys)
