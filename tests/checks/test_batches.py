"""What a trial gives becomes numbers by seed: whatever the split into batches, and in whatever order."""

from __future__ import annotations

import itertools
import random
from concurrent.futures import Future
from dataclasses import dataclass, field
from math import nan
from threading import Timer

import jax
import numpy as np
import pytest
from made_up_theories import POINTS, SMALL, carry_out, theory

from advntk.checks.deciders.bound import BoundDecider
from advntk.checks.deciders.rate import RateDecider
from advntk.checks.efforts import Measure
from advntk.checks.evidence import EvidenceStore, Outcome
from advntk.checks.measuring import Batch, keys_for, measured
from advntk.checks.recording import Recorder
from advntk.checks.sweeps import Sweep
from advntk.checks.trial import Observation
from advntk.implementations.foreign_code import Failure
from advntk.implementations.results import Result

SEEDS = 12


@dataclass
class Shuffling:
    """Measures in an order of its own, in as many parts as it is told to."""

    splits: int
    order: int
    costs: list = field(default_factory=list)
    sizes: list = field(default_factory=list)

    def submit(self, batches, run_seed):
        promised = [Future() for _ in batches]
        places = list(range(len(batches)))
        random.Random(self.order).shuffle(places)
        for delay, place in enumerate(places):
            batch = batches[place]
            self.sizes.append(len(batch.seeds))
            check, chunk = batch.planned.check, batch.scenario.chunk
            found = measured(check, batch.at.scenario, batch.seeds, chunk, run_seed)
            # Some come in together, and some one after the other.
            Timer(0.002 * (delay // 2), promised[place].set_result, (found,)).start()
        return promised


def noisy(scenario, keys):
    luck = np.asarray(jax.vmap(jax.random.normal)(keys))
    stopped = np.where(luck > 1.2, int(Result.breakdown), 0)
    return Observation(
        {"gap": scenario.width**-0.4 * np.exp(2 * luck), "row": luck[:, None] * np.arange(3)},
        {"curves": {"x": np.tile(np.arange(3.0), (len(keys), 1)), "y": luck[:, None] ** np.arange(3)}},
        stopped,
    )


def plan(memory):
    """Three calls a batch at least, of at most four seeds each."""
    made = theory(
        noisy,
        {"mine.a": [RateDecider("gap", 0.5)]},
        SMALL.over(depth=(1, 2)),
        Measure(2, SEEDS, POINTS, looks=3),
        Sweep("width"),
        memory=lambda _: memory,
    )
    return made.plan(memory=2**40)


FOUR_SEEDS = 2**29 // 4


def test_results_do_not_depend_on_the_split_or_on_the_order(tmp_path):
    wanted = carry_out(plan(FOUR_SEEDS), tmp_path / "threads")
    assert any(row.outcome is Outcome.BREAKDOWN for rows in wanted.trials.values() for row in rows)
    sizes = set()
    for splits, order in itertools.product((1, 2, 3), (0, 1)):
        executor = Shuffling(splits, order)
        found = carry_out(plan(FOUR_SEEDS), tmp_path / f"{splits}{order}", executor=executor)
        assert found.decisions == wanted.decisions
        # To the last bit: floats of the evidence are equal, or they are not.
        assert found.trials == wanted.trials
        sizes.add(tuple(sorted(executor.sizes)))
    assert len(sizes) == 3  # they were split in three ways


def test_numbers_do_not_depend_on_how_many_seeds_go_into_a_call(tmp_path):
    wanted, found = (carry_out(plan(m), tmp_path / str(m)) for m in (0, FOUR_SEEDS))
    for key, rows in wanted.trials.items():
        for one, other in zip(rows, found.trials[key], strict=True):
            assert (one.numbers, one.figures, one.seed) == (other.numbers, other.figures, other.seed)


class TestParts:
    @staticmethod
    def batch(seeds, chunk_memory=FOUR_SEEDS):
        planned = plan(chunk_memory).checks[0]
        one = planned.scenarios[0]
        return Batch(planned, one, one.points[0], seeds)

    @pytest.mark.parametrize("seeds", [range(12), range(12, 24), range(24, 48), range(4)])
    @pytest.mark.parametrize("most", [1, 2, 3, 5, 100])
    def test_they_are_whole_calls_and_make_up_the_batch(self, seeds, most):
        batch = self.batch(seeds)
        assert batch.scenario.chunk == 4
        parts = batch.parts(most)
        assert [s for part in parts for s in part.seeds] == list(seeds)
        assert all(len(part.seeds) % 4 == 0 and len(part.seeds) for part in parts)
        assert len(parts) == min(most, len(seeds) // 4)
        assert max(len(p.seeds) for p in parts) - min(len(p.seeds) for p in parts) <= 4

    def test_what_is_one_call_is_not_split(self):
        (part,) = self.batch(range(12), 0).parts(4)
        assert part.seeds == range(12)


def test_deciders_see_values_in_the_order_of_seeds(tmp_path):
    seen = []

    @dataclass(frozen=True)
    class Watching(RateDecider):
        def decide(self, observations, rates):
            seen.append({point: o["seed"].tolist() for point, o in observations.items()})
            return super().decide(observations, rates)

    def trial(scenario, keys):
        # Which seed a key belongs to is known to whoever drew it.
        place = [known.index(tuple(k)) for k in np.asarray(jax.random.key_data(keys)).tolist()]
        return {"gap": np.exp(3 * np.sin(np.array(place, float))), "seed": np.array(place)}

    made = theory(
        trial,
        {"mine.a": [Watching("gap", 0.5)]},
        SMALL,
        Measure(1, SEEDS, POINTS, looks=2),
        Sweep("width"),
        memory=lambda _: FOUR_SEEDS,
    )
    planned = made.plan(memory=2**40)
    known = [
        tuple(k)
        for at in planned.checks[0].scenarios[0].points
        for k in np.asarray(
            jax.random.key_data(keys_for(made.check, at.scenario, 0, np.arange(2 * SEEDS)))
        ).tolist()
    ]
    carry_out(planned, tmp_path, executor=Shuffling(3, 5))
    assert seen, "nothing was decided"
    for observed in seen:
        for place, found in enumerate(observed[point] for point in POINTS):
            first = place * 2 * SEEDS
            assert found == list(range(first, first + len(found)))


# --- what a trial may give ------------------------------------------------------------------------------

COUNT = 3
# What is wrong with an observation |-> (the observation, what is said of it).
WRONG = {
    "text": ({"gap": ["a", "b", "c"]}, "TypeError: 'gap' has the type <U1; a trial gives real numbers"),
    "complex numbers": ({"gap": np.ones(3) * 1j}, "TypeError: 'gap' has the type complex128"),
    "objects": ({"gap": [object()] * 3}, "TypeError: 'gap' has the type object"),
    "nothing": ({"gap": None}, "TypeError: 'gap' has the type object"),
    "dates": ({"gap": np.zeros(3, "datetime64[s]")}, "TypeError: 'gap' has the type datetime64[s]"),
    "one number": ({"gap": 1.0}, "ValueError: 'gap' has shape (); its first axis must be the 3 seeds"),
    "too few seeds": ({"gap": np.ones(2)}, "ValueError: 'gap' has shape (2,); its first axis must be the 3"),
    "seeds on the second axis": ({"gap": np.ones((2, 3))}, "ValueError: 'gap' has shape (2, 3)"),
    "rows of different lengths": ({"gap": [[1], [1, 2], [3]]}, "ValueError: "),
    "a figure that is text": (
        Observation({"gap": np.ones(3)}, {"curves": {"x": ["a", "b", "c"]}}),
        "TypeError: 'curves.x' has the type <U1",
    ),
    "a figure of other seeds": (
        Observation({"gap": np.ones(3)}, {"curves": {"x": np.ones(4)}}),
        "ValueError: 'curves.x' has shape (4,)",
    ),
    "a result of other seeds": (
        Observation({"gap": np.ones(3)}, result=np.zeros(2, int)),
        "ValueError: 'result' has shape (2,)",
    ),
    "no mapping": (np.ones(3), "TypeError: what it gave is of type ndarray"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_no_observation_breaks_the_trial_in_one_line_that_names_it(wrong):
    given, said = WRONG[wrong]
    check = theory(lambda scenario, keys: given, {"mine.a": [BoundDecider("gap", "b", "above")]}).check
    found = measured(check, SMALL.scenario(), range(COUNT), COUNT, 0)
    assert isinstance(found, Failure)
    assert found.error.startswith(said) and "\n" not in found.error
    assert "Traceback" in found.trace


@pytest.mark.parametrize(
    "fine", [[1.0, nan, 2.0], [True, False, True], np.arange(3), np.ones((3, 2, 2)), np.float32([1, 2, 3])]
)
def test_real_numbers_of_any_kind_are_fine(fine):
    check = theory(
        lambda scenario, keys: {"gap": fine}, {"mine.a": [BoundDecider("gap", "b", "above")]}
    ).check
    found = measured(check, SMALL.scenario(), range(COUNT), COUNT, 0)
    np.testing.assert_array_equal(found.values["gap"], np.asarray(fine))
    assert found.result is None and found.figures == {}


def test_figures_and_results_pass_through_the_store_and_back(tmp_path):
    planned = plan(0)
    first = carry_out(planned, tmp_path)
    store = EvidenceStore(tmp_path)
    recorder = Recorder(store, first.id, planned.request.seed)
    one = planned.checks[0].scenarios[0]
    for at in one.points:
        batch = Batch(planned.checks[0], one, at, range(SEEDS))
        fresh = measured(planned.checks[0].check, at.scenario, batch.seeds, one.chunk, 0)
        found = recorder.find(batch)
        for name, value in fresh.values.items():
            np.testing.assert_array_equal(found.values[name], value)
        for name, value in fresh.figures["curves"].items():
            np.testing.assert_array_equal(found.figures["curves"][name], value)
        np.testing.assert_array_equal(found.result, fresh.result)
        assert (found.device, set(found.figures)) == ("cpu", {"curves"})
    assert recorder.find(Batch(planned.checks[0], one, one.points[0], range(10**6, 10**6 + SEEDS))) is None
    store.close()
