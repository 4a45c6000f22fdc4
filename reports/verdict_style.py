"""How verdicts look wherever they are shown: one table for terminals, pages and figures.

The order of the table is that in which verdicts are listed.  JUnit, Markdown and LaTeX show a verdict as a
word, with the note of `advntk.reports.formatting.verdict_note`.
"""

from __future__ import annotations

from dataclasses import dataclass

from advntk.theorems.vocabulary import Verdict


@dataclass(frozen=True)
class PageColour:
    """A colour of a page by the name of its CSS variable; contrast of text and ground is 4.5 to 1 or more.

    Attributes:
      variable: holds the colour of text; with `tint-` before it that of the ground behind.
      light: text and ground on a light page.
      dark: text and ground on a dark page.
    """

    variable: str
    light: tuple[str, str]
    dark: tuple[str, str]


@dataclass(frozen=True)
class VerdictStyle:
    """The look of one verdict; a mark or a shape always goes with the colour, which not everyone can see.

    Attributes:
      mark: one character, for pages.
      terminal: a style of rich.
      colour: of its badges and tables on pages.
      marker: matplotlib's name of its shape in figures.
      shape: that shape in words.
      palette: the name of its colour in figures, of `advntk.reports.figures.style.PALETTE`.
    """

    mark: str
    terminal: str
    colour: PageColour
    marker: str
    shape: str
    palette: str


_GREEN = PageColour("holds", ("#116329", "#dcf3e2"), ("#6fdd8b", "#12301c"))
_RED = PageColour("refuted", ("#a8320a", "#fde5db"), ("#ff9a76", "#401d10"))
_YELLOW = PageColour("inconclusive", ("#7a5300", "#fbefc8"), ("#e8bf4b", "#362a08"))
_BLUE = PageColour("scope", ("#0550ae", "#e2effd"), ("#8cc4ff", "#10294a"))

STYLES: dict[str, VerdictStyle] = {
    Verdict.HOLDS: VerdictStyle("✓", "green", _GREEN, "o", "dot", "measured"),
    Verdict.REFUTED: VerdictStyle("✗", "red", _RED, "X", "cross", "alarm"),
    Verdict.INCONCLUSIVE: VerdictStyle("?", "yellow", _YELLOW, "^", "triangle", "aside"),
    Verdict.OUT_OF_SCOPE: VerdictStyle("–", "blue", _BLUE, "D", "diamond", "band"),
    Verdict.ERROR: VerdictStyle("!", "bold red", _RED, "P", "plus", "ink"),
}


def css_variables(dark: bool) -> str:
    """Declarations of the colours of all verdicts, for a rule of a style sheet."""
    return " ".join(_declared(colour, dark) for colour in dict.fromkeys(s.colour for s in STYLES.values()))


def _declared(colour: PageColour, dark: bool) -> str:
    text, ground = colour.dark if dark else colour.light
    return f"--{colour.variable}: {text}; --tint-{colour.variable}: {ground};"


def css_classes() -> str:
    """A rule for each verdict, with it as the class: `--tone` is its colour, `--tint` the ground behind."""
    names = {verdict: style.colour.variable for verdict, style in STYLES.items()}
    return "\n".join(
        f".{verdict} {{ --tone: var(--{name}); --tint: var(--tint-{name}); }}"
        for verdict, name in names.items()
    )
