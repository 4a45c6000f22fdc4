"""Statements for a terminal: LaTeX between dollar signs, put into Unicode."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import Any

_MATH = re.compile(r"\$([^$]+)\$")
# What needs no brackets: a number, perhaps with a sign, or a word; indices apart by commas.
_WHOLE = re.compile(r"[+-]?\d+|[\w,'∞]+|[^\w\s]")
_RELATION = re.compile(r"\s*([≤≥→≻≺≽≼≠≈⊗∈])\s*")
# LaTeX ends a command by a blank, which is none of the formula, so that some are lost before a sign.
_SIGN = re.compile(r"(?<=[^\s(])([+=-]) ")
_HAT = re.compile(r"[\w]\u0302|\w\u0307")


@lru_cache(maxsize=4096)
def plain(statement: str) -> str:
    """A LaTeX statement for a terminal: what it says in Unicode; a formula that cannot be read as LaTeX."""
    return _MATH.sub(lambda match: _unicode(match.group(1)), statement)


def _unicode(latex: str) -> str:
    try:
        text = _converter().latex_to_text(latex)
    except Exception:  # the converter raises its own kinds for what a user calls LaTeX
        return latex
    text = _SIGN.sub(r" \1 ", _RELATION.sub(r" \1 ", text.replace("^ᵀ", "ᵀ")))
    return " ".join(text.split())


def _together(text: str) -> str:
    """In brackets, unless it is one thing without them."""
    text = text.strip()
    return text if _WHOLE.fullmatch(text) or _HAT.fullmatch(text) else f"({text})"


@cache
def _converter() -> Any:
    """Pylatexenc's conversion to text; what it would drop or run together is written out.

    Imported here: most commands state no formula.
    """
    from pylatexenc import latex2text

    def argument(place: int, node: Any, l2tobj: Any) -> str:
        return str(l2tobj.nodelist_to_text([node.nodeargd.argnlist[place]])).strip()

    def fraction(node: Any, l2tobj: Any) -> str:
        return f"{_bare(argument(0, node, l2tobj))}/{_bare(argument(1, node, l2tobj))}"

    def _bare(text: str) -> str:
        # A group has its brackets already.
        return text if text.startswith("(") and text.endswith(")") else _together(text)

    def unknown(node: Any, l2tobj: Any) -> str:
        return f"{node.macroname}{node.macro_post_space}"

    def root(node: Any, l2tobj: Any) -> str:
        return f"√{_bare(argument(1, node, l2tobj))}"

    class Converter(latex2text.LatexNodes2Text):  # type: ignore[misc]
        """Groups keep together what they hold, in brackets where that is several things."""

        def group_node_to_text(self, node: Any) -> str:
            """`{-1/2}` of an exponent as `(-1/2)`."""
            return _together(self.nodelist_to_text(node.nodelist))

    specs = latex2text.get_default_latex_context_db()
    specs.add_context_category(
        "advntk",
        prepend=True,
        macros=[
            latex2text.MacroTextSpec("|", simplify_repl="‖"),
            latex2text.MacroTextSpec("top", simplify_repl="ᵀ"),
            latex2text.MacroTextSpec("frac", simplify_repl=fraction),
            latex2text.MacroTextSpec("sqrt", simplify_repl=root),
        ],
    )
    # What nobody knows keeps its name: without it a formula would say something else.
    specs.set_unknown_macro_spec(latex2text.MacroTextSpec("", simplify_repl=unknown))
    return Converter(latex_context=specs, math_mode="text", strict_latex_spaces="based-on-source")
