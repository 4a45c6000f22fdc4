"""What is claimed, under which assumptions, and how theorems are found."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest
from latex2mathml.converter import convert

from advntk import theorems
from advntk.checks.trials.adv_ntk.space import ADV_NTK
from advntk.theorems.catalogue import UnknownName, load
from advntk.theorems.vocabulary import AS_MEASURED, Claim, Kind, Source, Theorem, Verdict
from advntk.theories.lazy_training.trials import SPACE as LAZY

CLAIMS = {
    f"{theorem}.{name}": None if expected == AS_MEASURED else Verdict(expected)
    for theorem, claims in tomllib.loads(
        Path(__file__).with_name("expected_verdicts.toml").read_text(encoding="utf-8")
    ).items()
    for name, expected in claims.items()
}

SOURCE = Source("a book", "page 1")

# One scenario inside all the assumptions of each claim.
SMALL = ADV_NTK.scenario(input_growth="fixed", input_width=16, samples=6, outputs=4, width=32)
OTHERWISE = {
    **{claim: SMALL for claim in CLAIMS if claim.startswith("ark_positive_definiteness.")},
    "diagonal_limit.ark_fixed_input": SMALL,
    "diagonal_limit.ark_fixed_input_converges": SMALL,
    "diagonal_limit.ark_fixed_input_value": SMALL,
    "linearization_equivalence.fixed_input": SMALL,
    "linearization_equivalence.nonsmooth": ADV_NTK.scenario(activation="relu"),
    "xi_fading.singular": ADV_NTK.scenario(arrangement="duplicate"),
    "xi_fading.singular_limit": ADV_NTK.scenario(arrangement="duplicate"),
    **{f"xi_fading.{c}": ADV_NTK.scenario(strength=-0.5) for c in ("negative_eta", "negative_eta_rate")},
    **{
        f"xi_fading.{name}": ADV_NTK.scenario(label_noise=0.1)
        for name in ("robust_overfitting", "search_course", "search_effect", "stopping_time")
    },
    "adv_ntk.robustness_gain": ADV_NTK.scenario(label_noise=0.1),
    **{claim: LAZY.scenario() for claim in CLAIMS if claim.startswith("lazy_training.")},
    "lazy_training.two_copies": LAZY.scenario(centring="antisymmetric"),
    **{f"lazy_training.{c}": LAZY.scenario(centring="none") for c in ("uncentred", "uncentred_limit")},
}
INSIDE = {claim: OTHERWISE.get(claim, ADV_NTK.scenario()) for claim in CLAIMS}
# Name of an assumption |-> changes of fields that leave it, and only it; then changes that do not.
LEAVES: dict[str, list[dict]] = {
    "a derivative of the limit kernel": [{"family": "cnn", "activation": "relu"}],
    "fully connected": [{"family": "cnn"}],
    "smooth activation": [{"activation": "relu"}, {"activation": "leaky_relu"}],
    "bounded inputs": [{"input_width": 0}],
    "joint limit": [{"input_growth": "fixed"}],
    "fixed input width": [{"input_growth": "joint"}],
    "several outputs": [{"outputs": 1}],
    "more rows than inputs": [{"samples": 4, "outputs": 4}, {"samples": 2}],
    "room for the outputs": [{"outputs": 17}, {"outputs": 4, "width": 3}],
    "slope nowhere zero on an interval": [{"activation": "relu"}],
    "bias, or no collinear inputs": [
        {"sigma_b": 0.0, "arrangement": kind} for kind in ("parallel", "antipodal", "two_antipodal")
    ],
    "activation with a kink": [{"activation": a} for a in ("erf", "tanh", "gelu", "softplus", "sigmoid")],
    "admissible strengths": [{"strength": -0.1}],
    "distinct inputs": [{"arrangement": "duplicate"}],
    "an input that occurs twice": [{"arrangement": kind} for kind in ("generic", "parallel", "antipodal")],
    "negative strengths": [{"strength": 0.0}, {"strength": 0.5}],
    "strengths that vary in time": [
        {"schedule": "constant"},
        {"strength": 0.0},
        {"samples": 1, "outputs": 1},
    ],
    "label noise": [{"label_noise": 0.0}],
    "clean labels": [{"label_noise": 0.1}],
    "centred start": [{"centring": "none"}],
    "outputs at the start subtracted": [{"centring": "antisymmetric"}, {"centring": "none"}],
    "two copies with opposite outputs": [{"centring": "subtracted"}, {"centring": "none"}],
    "a start of its own": [{"centring": "subtracted"}, {"centring": "antisymmetric"}],
}
STAYS: dict[str, list[dict]] = {
    "a derivative of the limit kernel": [{"activation": "relu"}],
    "fully connected": [{"depth": 3}],
    "smooth activation": [{"activation": a} for a in ("erf", "tanh", "gelu", "softplus", "sigmoid")],
    "bounded inputs": [{"input_width": 1}],
    "joint limit": [{"width": 8}],
    "fixed input width": [{"width": 8}],
    "several outputs": [{"outputs": 2}],
    "more rows than inputs": [{"samples": 17, "outputs": 1}],
    "room for the outputs": [{"outputs": 16, "width": 16}],
    "slope nowhere zero on an interval": [{"activation": "leaky_relu"}],
    "bias, or no collinear inputs": [
        {"sigma_b": 0.0, "arrangement": "generic"},
        {"sigma_b": 0.1, "arrangement": "antipodal"},
    ],
    "activation with a kink": [{"activation": "relu"}, {"activation": "leaky_relu"}],
    "admissible strengths": [{"strength": 0.0}, {"strength": 30.0}],
    "distinct inputs": [{"arrangement": kind} for kind in ("generic", "parallel", "antipodal")],
    "an input that occurs twice": [{"samples": 2}],
    "negative strengths": [{"strength": -1e-3}],
    "strengths that vary in time": [
        *({"schedule": kind} for kind in ("decaying", "oscillating", "early_stopped")),
        {"samples": 1, "outputs": 2},
        {"samples": 2, "outputs": 1},
    ],
    "label noise": [{"label_noise": 0.01}],
    "clean labels": [{"spread": 0.5}],
    "centred start": [{"centring": "subtracted"}, {"centring": "antisymmetric"}],
    "outputs at the start subtracted": [{"alpha": 2.0}],
    "two copies with opposite outputs": [{"alpha": 2.0}],
    "a start of its own": [{"alpha": 2.0}],
}

CATALOGUE = load()
PREMISES = [
    pytest.param(claim, assumption, id=f"{claim.id}: {assumption.name}")
    for _, claim in CATALOGUE.claims()
    for assumption in claim.assumptions
]


def statements() -> list:
    found = []
    for theorem in CATALOGUE.theorems:
        found.append((theorem.id, theorem.statement))
        found += [(claim.id, claim.statement) for claim in theorem.claims]
        found += [(claim.id + " note", claim.note) for claim in theorem.claims]
        found += [(f"{theorem.id} step {i}", s.statement) for i, s in enumerate(theorem.derivation)]
        found += [(a.name, a.statement) for claim in theorem.claims for a in claim.assumptions]
    return [pytest.param(text, id=name) for name, text in dict(found).items() if text]


def test_claims_and_their_expected_verdicts():
    assert {claim.id: claim.expected for _, claim in CATALOGUE.claims()} == CLAIMS


def test_every_claim_can_be_decided_and_cited():
    for theorem, claim in CATALOGUE.claims():
        assert (claim.rate is not None) == (claim.kind is Kind.LIMIT), claim.id
        assert claim.source.reference and claim.source.where, claim.id
        assert claim.statement and theorem.title and theorem.statement
        if claim.expected is not Verdict.HOLDS:
            assert claim.note, f"{claim.id} does not say why it is expected to fail"


@pytest.mark.parametrize("claim", [pytest.param(c, id=c.id) for _, c in CATALOGUE.claims()])
def test_nothing_unmet_inside_all_assumptions(claim):
    assert claim.unmet(INSIDE[claim.id]) == []


@pytest.mark.parametrize(("claim", "assumption"), PREMISES)
def test_unmet_names_exactly_the_assumption_that_was_left(claim, assumption):
    def at(change):  # statements know no ranges: some are left where no scenario can be
        return SimpleNamespace(**{**INSIDE[claim.id].as_dict(), **change})

    for change in LEAVES[assumption.name]:
        assert claim.unmet(at(change)) == [assumption], change
    for change in STAYS[assumption.name]:
        assert assumption.holds(at(change)), change


def test_expectation_in_words():
    def worded(expected):
        return Claim("mine.a", "s", Kind.LIMIT, SOURCE, expected=expected).expectation

    assert [worded(v) for v in (Verdict.HOLDS, Verdict.REFUTED, None)] == ["HOLDS", "REFUTED", "as measured"]


def test_unmet_lists_every_assumption_left_in_order():
    (claim,) = [c for _, c in CATALOGUE.claims() if c.id == "diagonal_limit.ntk"]
    unmet = claim.unmet(ADV_NTK.scenario(family="cnn", activation="relu", outputs=1))
    assert [a.name for a in unmet] == ["fully connected", "smooth activation", "several outputs"]


@pytest.mark.parametrize("name", ["other.claim", "mine2.claim", "claim", "", "mine", "Mine.claim", " mine.a"])
def test_theorem_rejects_a_claim_of_another_name(name):
    claim = Claim(name, "s", Kind.EXACT, SOURCE)
    with pytest.raises(ValueError, match=re.escape(repr(name)) + r".*'mine\.'"):
        Theorem("mine", "t", "s", SOURCE, (claim,))


def test_select():
    def ids(*names):
        return [claim.id for _, claim in CATALOGUE.select(names)]

    assert ids() == [claim.id for _, claim in CATALOGUE.claims()]
    assert ids("diagonal_limit.xi") == ["diagonal_limit.xi"]
    assert ids("diagonal_limit") == [c for c in ids() if c.startswith("diagonal_limit.")]
    # The catalogue's order, each claim once, however it was asked for.
    assert ids("diagonal_limit.xi", "diagonal_limit.ntk", "diagonal_limit.xi") == [
        "diagonal_limit.ntk",
        "diagonal_limit.xi",
    ]
    assert all(claim in theorem.claims for theorem, claim in CATALOGUE.select([]))


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("diagonal_limit.ntkk", "did you mean 'diagonal_limit.ntk'?"),
        ("diagonal_limits", "did you mean 'diagonal_limit'?"),
        ("qqqqqqqq", "`advntk claims` lists all of them"),
    ],
)
def test_select_unknown_suggests_the_nearest(name, hint):
    with pytest.raises(UnknownName) as raised:
        CATALOGUE.select(["diagonal_limit.ntk", name])
    assert f"{name!r} is unknown" in str(raised.value)
    assert str(raised.value).endswith(hint)


THEORY = """
from advntk.theorems.vocabulary import Claim, Kind, Source, Theorem
SOURCE = Source("me", "here")
THEOREM = Theorem("{name}", "t", "$x$", SOURCE, (Claim("{name}.a", "s", Kind.EXACT, SOURCE),))
"""


@pytest.fixture
def theory(tmp_path, request):
    """Writes a theory file; its module is forgotten afterwards."""

    def write(text: str, name: str = "my_theory") -> str:
        path = tmp_path / f"{name}.py"
        path.write_text(text)
        request.addfinalizer(lambda: sys.modules.pop(f"advntk_theory_{name}", None))
        return str(path)

    return write


def test_load_extra_file_comes_last(theory):
    path = theory(THEORY.format(name="mine"))
    found = load([path])
    assert [t.id for t in found.theorems] == [*(t.id for t in CATALOGUE.theorems), "mine"]
    assert [claim.id for _, claim in found.select(["mine"])] == ["mine.a"]
    assert found.modules[-1].__file__ == path
    assert load([path]).modules[-1] is found.modules[-1]  # not run twice


def test_two_files_of_one_name_are_two_modules(theory, tmp_path):
    first = load([theory(THEORY.format(name="mine"))])
    (tmp_path / "elsewhere").mkdir()
    other = tmp_path / "elsewhere" / "my_theory.py"
    other.write_text(THEORY.format(name="yours"))
    assert load([str(other)]).theorems[-1].id == "yours"
    assert first.theorems[-1].id == "mine"


def test_load_extra_module_by_name(tmp_path, monkeypatch):
    (tmp_path / "theory_found_by_name.py").write_text(THEORY.format(name="mine"))
    monkeypatch.syspath_prepend(tmp_path)
    try:
        assert load(["theory_found_by_name"]).theorems[-1].id == "mine"
    finally:
        sys.modules.pop("theory_found_by_name", None)


@pytest.mark.parametrize("name", ["nowhere.py", "no_such_module_here"])
def test_load_missing(name):
    with pytest.raises(UnknownName, match=rf"--theory {re.escape(name)}: .*give a module or a \.py file"):
        load([name])


@pytest.mark.parametrize("text", ["x = 1\n", "THEOREM = 'a string'\n", ""])
def test_load_file_without_theorem(theory, text, tmp_path, monkeypatch):
    theory(text)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnknownName, match=r"^--theory \./my_theory\.py: defines no THEOREM; add one$"):
        load(["./my_theory.py"])


def test_load_reused_id(theory, tmp_path, monkeypatch):
    theory(THEORY.format(name="diagonal_limit"))
    monkeypatch.chdir(tmp_path)
    expected = "--theory ./my_theory.py: theorem id 'diagonal_limit' is taken; rename it"
    with pytest.raises(UnknownName, match=f"^{re.escape(expected)}$"):
        load(["./my_theory.py"])


# What a file or module holds |-> what is said of it.
BROKEN = {
    "def f(:\n": "SyntaxError: ",
    "x = 1 / 0\n": "ZeroDivisionError: division by zero",
    "import no_such_module_here\n": "ModuleNotFoundError: No module named 'no_such_module_here'",
    "raise KeyError('depht')\n": "KeyError: 'depht'",
    "assert 1 == 2\n": "AssertionError",
}


@pytest.mark.parametrize(("text", "reason"), BROKEN.items())
def test_load_file_that_raises(theory, text, reason, tmp_path, monkeypatch):
    """Twice the same, however it is named, and it leaves no trace of the file."""
    path = theory(text)
    monkeypatch.chdir(tmp_path)
    before = set(sys.modules)
    for name in (path, "./my_theory.py", "my_theory.py", "./my_theory.py"):
        with pytest.raises(UnknownName) as raised:
            load([name])
        assert str(raised.value).startswith(f"--theory {name}: cannot be loaded ({reason}")
        assert set(sys.modules) == before
    Path(path).write_text(THEORY.format(name="mine"))
    assert load([path]).theorems[-1].id == "mine"


@pytest.mark.parametrize(("text", "reason"), BROKEN.items())
def test_load_module_that_raises(text, reason, tmp_path, monkeypatch):
    (tmp_path / "theory_that_raises.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    for _ in range(2):
        with pytest.raises(UnknownName, match=r"^--theory theory_that_raises: cannot be ") as raised:
            load(["theory_that_raises"])
        assert f"({reason}" in str(raised.value)
        assert set(sys.modules) == before


def test_two_broken_files_of_one_name_are_told_apart(theory, tmp_path):
    fine = load([theory(THEORY.format(name="mine"))])
    (tmp_path / "elsewhere").mkdir()
    other = tmp_path / "elsewhere" / "my_theory.py"
    other.write_text("x = 1 / 0\n")
    for _ in range(2):
        with pytest.raises(UnknownName, match=rf"^--theory {re.escape(str(other))}: cannot be loaded"):
            load([str(other)])
    assert fine.theorems[-1].id == "mine"
    assert load([str(tmp_path / "my_theory.py")]).theorems[-1].id == "mine"


def test_stating_theorems_imports_nothing_heavy():
    heavy = ("jax", "numpy", "sympy", "hypothesis", "scipy", "neural_tangents")
    code = (
        "import sys, advntk.theorems.catalogue as c\n"
        "assert len(c.load().claims()) >= 10\n"
        f"print(sorted(set({heavy!r}) & set(sys.modules)))"
    )
    root = Path(theorems.__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr


@pytest.mark.parametrize("text", statements())
def test_latex_is_balanced_and_converts(text):
    pieces = re.split(r"(?<!\\)\$", text)
    assert len(pieces) % 2 == 1, "an odd number of $"
    for math in pieces[1::2]:
        assert math.strip(), "an empty formula"
        depth = 0
        for brace in re.findall(r"(?<!\\)[{}]", math):
            depth += 1 if brace == "{" else -1
            assert depth >= 0, math
        assert depth == 0, math
        assert convert(math).startswith("<math")
    for words in pieces[::2]:
        assert "\\" not in words, f"LaTeX outside of $...$: {words!r}"
