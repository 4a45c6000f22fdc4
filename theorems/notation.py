"""Statements for a terminal: LaTeX between dollar signs, put into Unicode."""

from __future__ import annotations

import re

_MATH = re.compile(r"\$([^$]+)\$")


def plain(statement: str) -> str:
    """A LaTeX statement for a terminal: the commonest symbols in Unicode, the rest as LaTeX."""
    return _MATH.sub(lambda match: _unicode(match.group(1)), statement)


_GREEK = {
    "Theta": "Θ", "theta": "θ", "Xi": "Ξ", "sigma": "σ", "Sigma": "Σ", "eta": "η", "phi": "φ",
    "kappa": "κ", "lambda": "λ", "partial": "∂", "infty": "∞", "to": "→", "otimes": "⊗",
    "succ": "≻", "geq": "≥", "leq": "≤", "prod": "∏", "int": "∫", "dots": "…", "sqrt": "√",
    "top": "ᵀ", "min": "min", "max": "max", "ln": "ln", "exp": "exp", "tau": "τ", "dot": "",
    "rho": "ρ", "arccos": "arccos", "pi": "π", "sin": "sin", "cos": "cos", "cdot": "·",
}  # fmt: skip


def _unicode(latex: str) -> str:
    text = re.sub(r"\\hat\\([A-Za-z]+)", lambda m: _GREEK.get(m.group(1), m.group(1)) + "\u0302", latex)
    text = re.sub(r"\\frac\{([^{}]*)\}\{([^{}]*)\}", r"(\1)/(\2)", text)
    text = re.sub(r"\\math(?:rm|bb)\{(\w+)\}", r"\1", text)
    # Brackets only around what has several parts.
    text = re.sub(r"\\sqrt\{([^{}]*[ ,+^][^{}]*)\}", r"√(\1)", text)
    text = re.sub(r"\\([A-Za-z]+)", lambda m: _GREEK.get(m.group(1), m.group(1)), text)
    text = re.sub(r"\\[,;! ]", " ", text).replace("\\|", "‖").replace("{", "").replace("}", "")
    return " ".join(text.split())
