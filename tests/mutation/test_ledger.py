"""Results on disk: gone on with where they end, refused where they are of something else; and the score."""

from __future__ import annotations

from dataclasses import replace

import pytest

from advntk.checks.mutation.outcomes import (
    BadProgress,
    Fate,
    Ledger,
    MutantResult,
    by_function,
    kills_by_claim,
    tally,
)

HEAD = {"generator": "advntk mutate", "source": "abc", "claims": ["a.b"]}


def result(number, fate=Fate.KILLED, claim="a.b"):
    return MutantResult(
        f"m:f:constant:{number}", "m:f", "constant", "1 becomes 2", "1", "2", fate, claim, "so", "t", 1.5
    )


def test_results_are_read_back_as_they_were(tmp_path):
    ledger = Ledger(tmp_path / "deep" / "mutants.jsonl", HEAD)
    assert ledger.resume() == []
    found = [result(1), result(2, Fate.SURVIVED, "")]
    for one in found:
        ledger.add(one)
    assert Ledger(ledger.path, HEAD).resume() == found
    # A later line is what became of it in the end.
    ledger.add(replace(found[1], fate=Fate.EQUIVALENT))
    assert [one.fate for one in Ledger(ledger.path, HEAD).resume()] == [Fate.KILLED, Fate.EQUIVALENT]
    ledger.begin()
    assert ledger.resume() == []


def test_a_line_that_an_interruption_cut_is_left_out_and_goes(tmp_path):
    ledger = Ledger(tmp_path / "mutants.jsonl", HEAD)
    ledger.begin()
    ledger.add(result(1))
    whole = ledger.path.read_bytes()
    ledger.path.write_bytes(whole + whole.splitlines()[1][:40])
    assert ledger.resume() == [result(1)]
    assert ledger.path.read_bytes() == whole


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "holds no results of mutants; leave --resume out"),
        (b"no json\n", "holds no results of mutants"),
        (b"[1]\n", "holds no results of mutants"),
        (
            b'{"generator": "advntk mutate", "source": "other"}\n',
            "has results of another source, other and not abc",
        ),
        (
            b'{"generator": "advntk mutate", "source": "abc", "claims": []}\n',
            "has results of another claims, [] and not ['a.b']; leave --resume out to start anew",
        ),
    ],
)
def test_results_of_something_else_are_refused_and_stay(tmp_path, content, words):
    path = tmp_path / "mutants.jsonl"
    path.write_bytes(content)
    with pytest.raises(BadProgress) as caught:
        Ledger(path, HEAD).resume()
    assert str(caught.value).startswith(f"--resume: {path} ") and words in str(caught.value)
    assert path.read_bytes() == content


def test_the_score_is_of_falsehoods_only_and_never_rounded_up():
    fates = [Fate.KILLED] * 1997 + [Fate.ERROR, Fate.TIMED_OUT, Fate.SURVIVED] + [Fate.EQUIVALENT] * 2
    found = tally(result(n, fate) for n, fate in enumerate(fates))
    assert (found.caught, found.falsehoods, found.score) == (1999, 2000, 99.9)
    assert found.words() == (
        "1999 of 2000 mutants noticed by claims (1 by an error, 1 by taking too long): "
        "mutation score 99.9 %; 1 survived, 2 equivalent"
    )
    assert tally([result(1, Fate.NOT_RUN)]).score == 0
    assert tally([result(1, Fate.EQUIVALENT)]).words() == (
        "0 of 0 mutants noticed by claims: no mutant to judge by; 1 equivalent"
    )


def test_scores_are_told_by_function_and_by_claim():
    results = [
        result(1),
        replace(result(2), function="m:g"),
        result(3, Fate.SURVIVED, ""),
        result(4, Fate.ERROR, "c.d"),
    ]
    assert {name: (t.caught, t.falsehoods) for name, t in by_function(results).items()} == {
        "m:f": (2, 3),
        "m:g": (1, 1),
    }
    assert kills_by_claim(results) == {"a.b": 2, "c.d": 1}
