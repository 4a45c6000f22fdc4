"""A theory with a claim that sees some faults and misses others, and a control."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np

from advntk import (
    Axis,
    BoundDecider,
    Claim,
    Effort,
    Kind,
    Measure,
    Source,
    Space,
    Theorem,
    Verdict,
    trial,
)

SOURCE = Source("a book", "page 1")
THEOREM = Theorem(
    id="toy",
    title="Means",
    statement="The mean of squares is the square of the norm, over the dimension.",
    source=SOURCE,
    claims=(
        Claim("toy.mean", "They are the same", Kind.EXACT, SOURCE),
        Claim(
            "toy.control",
            "Three times is once",
            Kind.EXACT,
            SOURCE,
            expected=Verdict.REFUTED,
            note="it is not",
        ),
        Claim("toy.measured", "Whatever", Kind.EXACT, SOURCE, expected=None, note="nothing is predicted"),
    ),
)
SPACE = Space(Axis("dimension", 4, low=2, symbol="d"), Axis("shift", 0.0))


@jax.jit
def mean_of_squares(x):
    return squared(x).sum() / size_of(len(x))


def squared(x):
    return x * x


@cache
def size_of(number):
    return number + 0


def scale_free(x):
    """Its result does not depend on the scale of `halved`."""
    y = halved(x)
    return y / jnp.linalg.norm(y)


def halved(x):
    return 0.5 * x


def inflated(x):
    return x * 3.0


def first(values):
    return values[0]


def never_run(x):
    return x + 1


def twice(x):
    """Symmetric in its terms, as nobody asks."""
    return x + 1.0 * x


def slow_to_end(number):
    """Ends at once, unless its condition is wrong."""
    while number > 0:
        number = number - 1
    return number


@trial(
    decides={
        "toy.mean": [BoundDecider("error", "allowed", "at most")],
        "toy.control": [BoundDecider("other", "allowed", "at most")],
        "toy.measured": [BoundDecider("direction", "allowed", "at most")],
    },
    space=SPACE.over(dimension=(4, 8, 16)),
    effort=Effort(Measure(3, 4)),
    random=True,
)
def means(scenario, keys):
    slow_to_end(1)
    draw = jax.vmap(lambda key: jax.random.normal(key, (scenario.dimension,)))
    x = first((draw(keys),))
    found = jax.vmap(mean_of_squares)(x)
    honest = np.square(x).mean(1)
    direction = jax.vmap(scale_free)(x)
    return {
        "error": jnp.abs(found - honest) / honest,
        "other": jnp.abs(inflated(honest) - honest) / honest,
        "direction": jnp.abs(jnp.linalg.norm(direction, axis=1) - 1) + 0 * twice(found),
        "allowed": jnp.full(len(keys), 1e-9),
    }
