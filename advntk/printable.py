"""Text on its way to people: what a terminal would obey is written out, and lines are short."""

from __future__ import annotations

import re

MOST_CHARACTERS = 300
MOST_QUOTED = 100

# Control characters (terminals obey them) but line ends and tabs, lone surrogates and noncharacters (no
# UTF-8), and marks that change the order in which neighbours are shown.
_OBEYED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"
)
_ELLIPSIS = " … "


def printable(text: str) -> str:
    r"""The text with what a terminal would obey written out, such as \u001b; lines and tabs stay.

    JSON stays JSON that says the same.
    """
    return _OBEYED.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


def one_line(text: str, most: int = MOST_CHARACTERS) -> str:
    """A printable line of at most `most` characters: cut in its middle, as what to do stands at its end."""
    line = " ".join(printable(text).split())
    if len(line) <= most:
        return line
    end = (most - len(_ELLIPSIS)) // 3
    return line[: most - len(_ELLIPSIS) - end] + _ELLIPSIS + line[-end:]


def excerpt(text: object, most: int = MOST_QUOTED) -> str:
    """The beginning of a text on one line, as messages quote what somebody gave."""
    line = " ".join(str(text).split())
    return line if len(line) <= most else line[: most - 1] + "…"
