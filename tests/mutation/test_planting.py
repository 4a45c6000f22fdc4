"""A function is wrong under every name it goes by while it is planted, and exactly what it was afterwards."""

from __future__ import annotations

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental.compilation_cache import compilation_cache

from advntk.checks.mutation.functions import UnknownTarget, chosen, modules_named
from advntk.checks.mutation.mutants import mutants_of
from advntk.checks.mutation.planting import CannotPlant, forget, honest, planted, wrong
from advntk.checks.mutation.wrapping_operators import facts_of

TOY = '''
from __future__ import annotations

import functools
from functools import lru_cache, partial

import jax
import jax.numpy as jnp


def plain(x):
    """Twice."""
    return 2.0 * x


@jax.jit
def jitted(x):
    return 2.0 * x


@partial(jax.jit, static_argnames="times")
def static(x, times=2):
    return times * x


@lru_cache(maxsize=8)
def cached(x):
    return 2.0 * x


@jax.custom_jvp
def custom(x):
    return 2.0 * x


@custom.defjvp
def _slope(primals, tangents):
    return custom(primals[0]), 2.0 * tangents[0]


mapped = jax.vmap(plain)
compiled = jax.jit(lambda x: plain(x))
halfway = partial(plain)


class Holder:
    def method(self, x):
        return 2.0 * x

    @staticmethod
    def alone(x):
        return 2.0 * x

    @property
    def number(self):
        return 2.0

    @functools.cached_property
    def kept(self):
        return 2.0


class Child(Holder):
    def method(self, x):
        return super().method(x) * 1.0


def maker(factor):
    def made(x):
        return factor * x + 0.0

    return made


MADE = maker(2.0)
'''


def mutant(target, operator, arguments=None, result=None, number=0):
    facts = {} if arguments is None else facts_of(arguments, result)
    return [m for m in mutants_of(target, facts) if m.operator == operator][number]


X = jnp.array([1.0, 3.0])


def uses(module):
    holder = module.Holder()
    return {
        "plain": [module.plain, module.mapped, module.compiled, module.halfway, jax.jit(module.plain)],
        "jitted": [module.jitted, jax.vmap(module.jitted)],
        "static": [module.static, lambda x: module.static(x, times=2), jax.jit(module.static)],
        "custom": [module.custom, jax.jit(module.custom)],
        "Holder.method": [holder.method, jax.jit(holder.method), module.Child().method],
        "Holder.alone": [holder.alone, module.Holder.alone],
    }


@pytest.mark.parametrize("name", ["plain", "jitted", "static", "custom", "Holder.method", "Holder.alone"])
def test_every_name_of_a_function_is_wrong_within_and_right_again_after(toy, name):
    module, targets = toy(TOY)
    target = targets[name]
    one = mutant(target, "sign", {"x": X}, 2 * X)
    assert one.id == f"toy_module:{name}:sign:result"
    signature = inspect.signature(target.function)
    for use in uses(module)[name]:
        np.testing.assert_array_equal(use(X), 2 * X)
        with planted(one, target, ("toy_module",)):
            np.testing.assert_array_equal(use(X), -2 * X)
            assert inspect.signature(target.function) == signature
        np.testing.assert_array_equal(use(X), 2 * X)
    assert target.function.__code__ is target.codes[0]


def test_names_that_were_imported_before_are_wrong_as_well(toy):
    module, targets = toy(TOY)
    other, _ = toy("from toy_module import plain as another, jitted\nNAMES = [another, jitted]\n", "importer")
    one = mutant(targets["plain"], "sign", {"x": X}, 2 * X)
    assert other.another is module.plain
    with planted(one, targets["plain"], ("toy_module",)):
        np.testing.assert_array_equal(other.another(X), -2 * X)
        np.testing.assert_array_equal(other.NAMES[0](X), -2 * X)
        np.testing.assert_array_equal(other.jitted(X), 2 * X)


def test_cached_results_are_forgotten_before_and_after(toy):
    module, targets = toy(TOY)
    one = mutant(targets["cached"], "constant")
    assert module.cached(3.0) == 6.0
    with planted(one, targets["cached"], ("toy_module",)):
        assert module.cached(3.0) == 12.0
    assert module.cached(3.0) == 6.0


def test_functions_that_were_made_before_are_wrong_within(toy):
    module, targets = toy(TOY)
    (one,) = (
        (m for m in mutants_of(targets["maker"], {}) if m.after == "return factor + x + 0.0")
        if False
        else (m for m in mutants_of(targets["maker"], {}) if m.after == "return factor / x + 0.0")
    )
    np.testing.assert_array_equal(module.MADE(X), 2 * X)
    with planted(one, targets["maker"], ("toy_module",)):
        np.testing.assert_array_equal(module.MADE(X), 2 / X)
        np.testing.assert_array_equal(module.maker(3.0)(X), 3 / X)
    np.testing.assert_array_equal(module.MADE(X), 2 * X)


def test_a_name_that_a_function_closes_over_may_be_dropped(toy):
    module, targets = toy(TOY)
    (one,) = (m for m in mutants_of(targets["maker"], {}) if m.after == "return x + 0.0")
    with planted(one, targets["maker"], ("toy_module",)):
        np.testing.assert_array_equal(module.MADE(X), X)


def test_a_method_that_calls_its_parents_can_be_wrong(toy):
    module, targets = toy(TOY)
    child = module.Child()
    for one in mutants_of(targets["Child.method"], facts_of({"x": X}, 2 * X)):
        with planted(one, targets["Child.method"], ("toy_module",)):
            child.method(X)
    np.testing.assert_array_equal(child.method(X), 2 * X)


def test_what_raises_within_leaves_nothing_behind(toy):
    module, targets = toy(TOY)
    one = mutant(targets["plain"], "sign", {"x": X}, 2 * X)
    with pytest.raises(KeyError), planted(one, targets["plain"], ("toy_module",)):
        raise KeyError
    np.testing.assert_array_equal(module.mapped(X), 2 * X)


def test_the_honest_and_the_wrong_function_can_be_had_beside_each_other(toy):
    module, targets = toy(TOY)
    one = mutant(targets["plain"], "sign", {"x": X}, 2 * X)
    right, other = honest(targets["plain"]), wrong(one, targets["plain"])
    np.testing.assert_array_equal(right(X), -other(X))
    np.testing.assert_array_equal(module.plain(X), 2 * X)


def test_a_mutant_of_another_text_cannot_be_planted(toy):
    _, targets = toy(TOY)
    one = mutant(targets["plain"], "constant")
    with pytest.raises(CannotPlant), planted(one, targets["jitted"], ("toy_module",)):
        pass


def test_gradients_go_through_a_wrong_function(toy):
    module, targets = toy(TOY)
    one = mutant(targets["plain"], "factor-2", {"x": X}, 2 * X)
    slope = jax.grad(lambda x: module.plain(x).sum())
    np.testing.assert_array_equal(slope(X), [2.0, 2.0])
    with planted(one, targets["plain"], ("toy_module",)):
        np.testing.assert_array_equal(slope(X), [4.0, 4.0])
    forget(("toy_module",))


def test_functions_are_found_below_what_decorates_them(toy):
    _, targets = toy(TOY)
    assert list(targets) == [
        "plain", "jitted", "static", "cached", "custom", "_slope", "Holder.method", "Holder.alone",
        "Holder.number", "Holder.kept", "Child.method", "maker",
    ]  # fmt: skip
    assert [name for name, target in targets.items() if not target.public] == ["_slope"]


def test_targets_are_chosen_by_module_function_and_class(toy):
    _, targets = toy(TOY)
    every = list(targets.values())
    assert chosen(every, "toy_module") == every
    assert [t.name for t in chosen(every, "toy_module:Holder")] == [
        n for n in targets if n.startswith("Holder")
    ]
    assert [t.name for t in chosen(every, "toy_module:plain")] == ["plain"]
    with pytest.raises(UnknownTarget, match=r"--only toy_module:plane: .* did you mean toy_module:plain\?"):
        chosen(every, "toy_module:plane")
    with pytest.raises(UnknownTarget, match="no_such_module: cannot be imported"):
        modules_named("no_such_module")


def test_programs_kept_on_disk_are_neither_stale_nor_spoilt(toy, tmp_path):
    module, targets = toy(TOY)
    one = mutant(targets["jitted"], "constant")
    names = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")
    before = [getattr(jax.config, name) for name in names]
    folder = tmp_path / "programs"
    try:
        for name, value in zip(names, (str(folder), 0.0), strict=True):
            jax.config.update(name, value)
        compilation_cache.reset_cache()
        for _ in range(2):
            forget(("toy_module",))
            np.testing.assert_array_equal(module.jitted(X), 2 * X)
            with planted(one, targets["jitted"], ("toy_module",)):
                np.testing.assert_array_equal(module.jitted(X), 4 * X)
        programs = {path.name for path in folder.iterdir() if path.name.startswith("jit_jitted")}
        # One of the honest function and one of the wrong one, whoever asked for them, and how often.
        assert len({name.rsplit("-", 1)[0] for name in programs}) == 2
    finally:
        for name, value in zip(names, before, strict=True):
            jax.config.update(name, value)
        compilation_cache.reset_cache()
