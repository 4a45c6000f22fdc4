"""A theorem of one's own in one file: a ReLU layer's kernel tends to the arc-cosine kernel."""

import jax
import jax.numpy as jnp

from advntk import Axis, Claim, Effort, Kind, Measure, Rate, RateDecider, Source, Space, Sweep, Theorem, trial

SOURCE = Source("Cho & Saul, Kernel Methods for Deep Learning, NeurIPS 2009", "equation 6")
THEOREM = Theorem(
    id="arc_cosine",
    title="Arc-cosine limit of a ReLU layer",
    statement=r"$\frac{1}{n}\sum_k \phi(w_k x)\phi(w_k x')$ tends to the arc-cosine kernel of degree 1.",
    source=SOURCE,
    claims=(
        Claim("arc_cosine.nngp", r"The relative error is $O(n^{-1/2})$", Kind.LIMIT, SOURCE, rate=Rate(0.5)),
    ),
)
SPACE = Space(
    Axis("width", 64, low=1, symbol="n", unit="neurons"),
    Axis("samples", 3, low=1, symbol="M"),
    Axis("dimension", 8, low=1, symbol="d"),
)


def arc_cosine(x):
    norm = jnp.linalg.norm(x, axis=1) / jnp.sqrt(x.shape[1])
    cosine = jnp.clip(x @ x.T / x.shape[1] / jnp.outer(norm, norm), -1, 1)
    angle = jnp.arccos(cosine)
    return jnp.outer(norm, norm) * (jnp.sin(angle) + (jnp.pi - angle) * cosine) / (2 * jnp.pi)


@trial(
    decides={"arc_cosine.nngp": [RateDecider("gap", 0.5)]},
    space=SPACE.over(samples=(3, 5), dimension=(8, 16)),
    sweep=Sweep("width"),
    effort=Effort(Measure(3, 64, points=(64, 128, 256, 512), looks=4)),
)
def relu_layer(scenario, keys):
    x = jax.random.normal(jax.random.key(scenario.samples), (scenario.samples, scenario.dimension))
    draw = jax.vmap(lambda key: jax.random.normal(key, (scenario.width, x.shape[1])))
    features = jax.nn.relu(draw(keys) @ x.T / jnp.sqrt(x.shape[1]))
    found = jnp.einsum("sni,snj->sij", features, features) / scenario.width
    limit = arc_cosine(x)
    return {"gap": jnp.linalg.norm(found - limit[None], axis=(1, 2)) / jnp.linalg.norm(limit)}
