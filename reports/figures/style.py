"""The look that all figures share: panels that flow, colours that everyone can tell apart, vector output."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from textwrap import wrap
from typing import Any, Literal

import matplotlib
import numpy as np
from matplotlib.figure import Figure as Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator
from matplotlib.ticker import MaxNLocator as MaxNLocator

from advntk.checks.evidence.rows import DecisionRow

# Okabe & Ito's palette.  The page replaces each colour by a variable of that name, which has another value
# in the dark theme; a drawing taken out of the page keeps these.
MEASURED, FITTED, PREDICTED, ALARM, BAND, ASIDE = (
    "#0072B2", "#000000", "#E69F00", "#D55E00", "#009E73", "#999999"
)  # fmt: skip
PALETTE = {
    "measured": MEASURED,
    "ink": FITTED,
    "predicted": PREDICTED,
    "alarm": ALARM,
    "band": BAND,
    "aside": ASIDE,
}
_NAMES = {colour: name for name, colour in PALETTE.items()}

_FONT = "'DejaVu Sans'"
_RC: Any = {
    "svg.fonttype": "none",  # text stays text: searchable, and small files
    "svg.hashsalt": "advntk",  # same evidence, same bytes
    "font.family": ["DejaVu Sans"],
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.labelsize": 8,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "text.parse_math": False,  # a dollar sign in somebody's name is a dollar sign
}

MOST_PANELS = 6  # panels of single scenarios; more are shown together
MOST_ROWS = 40  # scenarios in one panel, a row each
MOST_DOTS = 240  # per point of a sweep, or per scenario
MOST_CURVES = 240

_WIDTH, _HEIGHT = 3.5, 2.89  # inches; at 72 points an inch and the page's column near the size of its text
# Margins in inches.  Fixed ones keep the axes of neighbours in line and cost no layout.
_LEFT, _RIGHT, _BOTTOM, _TOP = 0.7, 0.1, 0.44, 0.6
_TITLE_LINES, _TITLE_LETTERS = 3, 54


@dataclass(frozen=True)
class Key:
    """One entry of a legend, which the page sets in its own type."""

    shape: Literal["dot", "small", "line", "dashed", "dotted", "band", "diamond"]
    colour: str
    text: str

    @property
    def variable(self) -> str:
        """The page's name of the colour."""
        return _NAMES[self.colour]


@dataclass(frozen=True)
class Drawing:
    """A figure: one <svg> per panel, what it shows in words, and its legend."""

    svg: str
    words: str
    legend: tuple[Key, ...] = ()


@contextmanager
def figure_style() -> Iterator[None]:
    """The context in which figures are drawn and written; leaves matplotlib as it was.

    Text stays text, so that letters which matplotlib's own font lacks are the reader's font's to show.
    """
    with matplotlib.rc_context(), warnings.catch_warnings():
        # The user's own style is for the user's own figures.
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_RC)
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        yield


def panels(count: int, height: float = _HEIGHT, left: float = _LEFT) -> list[Any]:
    """`count` axes, each in a figure of its own: the page puts as many side by side as there is room.

    `height` and `left` (the margin of the axis' labels) in inches.
    """
    return [_panel(height, left) for _ in range(count)]


def _panel(height: float, left: float) -> Any:
    figure = Figure(figsize=(_WIDTH, height))
    place = (
        left / _WIDTH,
        _BOTTOM / height,
        1 - (left + _RIGHT) / _WIDTH,
        1 - (_BOTTOM + _TOP) / height,
    )
    return figure.add_axes(place)


def title(axis: Any, text: str) -> None:
    """Up to three lines over a panel, from its left edge; what is longer is broken, and the first is cut."""
    figure = axis.figure
    first, *others = text.split("\n")
    rest = [part for line in others for part in wrap(line, _TITLE_LETTERS)]
    lines = wrap(first, _TITLE_LETTERS, max_lines=max(1, _TITLE_LINES - len(rest)), placeholder=" …")
    text = "\n".join([*lines, *rest])
    height = figure.get_size_inches()[1]
    figure.text(0.01, 1 - 0.03 / height, text, va="top", fontsize=8, linespacing=1.35)


def dots(
    axis: Any, x: np.ndarray, y: np.ndarray, size: float = 2.2, alpha: float = 0.4, colour: str = MEASURED
) -> None:
    """Many small dots as one path (zero-length strokes with round ends): a tenth of the bytes."""
    if len(x) == 0:
        return
    points = np.repeat(np.column_stack([x, y]), 2, axis=0)
    path = Path(points, np.tile([Path.MOVETO, Path.LINETO], len(x)))
    path.should_simplify = False
    axis.add_patch(PathPatch(path, lw=size, edgecolor=colour, alpha=alpha, fill=False, capstyle="round"))


def thinned(values: np.ndarray, most: int = MOST_DOTS) -> np.ndarray:
    """Indices of at most `most` values, evenly spaced by rank with both extremes, in their own order."""
    order = np.argsort(values, kind="stable")
    if len(order) <= most:
        return np.arange(len(order))
    return np.sort(order[np.linspace(0, len(order) - 1, most).round().astype(int)])


def short(value: float) -> str:
    """A number for a tick: 0.001, 1e−6, 1e12."""
    mantissa, exponential, exponent = f"{value:g}".partition("e")
    return (mantissa + (f"e{int(exponent)}" if exponential else "")).replace("-", "−")


def plain_log_labels(axis: Any) -> None:
    """Label a log axis 0.1, 0.2, 0.5, 1, ... (1e−6 where that is shorter): no superscripts to typeset."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
    axis.set_minor_formatter(NullFormatter())
    low, high = sorted(axis.get_view_interval())
    # Small ticks say little where steps are labelled, and take longest of all to draw.
    axis.set_minor_locator(NullLocator())
    # Fewer than two decades: powers of ten alone would leave the axis bare.
    axis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=9) if high < 100 * low else _decades())


def _decades() -> LogLocator:
    return LogLocator(numticks=7)


def few_ticks(axis: Any) -> None:
    """At most six ticks on a linear axis."""
    axis.set_major_locator(MaxNLocator(5))


def nearest_to_failing(decisions: Sequence[DecisionRow], most: int) -> list[int]:
    """Indices of at most `most` decisions, the worst first; a severity that is no number comes last."""
    severities = [row.decision.severity for row in decisions]
    known = [float("-inf") if s != s else s for s in severities]
    return sorted(range(len(decisions)), key=lambda i: -known[i])[:most]


def brief(label: str, most: int) -> str:
    """As many groups of a label, which stand between commas, as fit; a part of the first if none does."""
    if len(label) <= most:
        return label
    cut = label[: most + 1].rfind(",")
    return label[:cut] if cut > 0 else label[: most - 1] + "…"


# What is rounded: coordinates, and nothing that people read.
_COORDINATES = re.compile(r'(?<= )(d|x|y|x1|y1|x2|y2|transform|width|height)="([^"]*)"')
_DECIMALS = re.compile(r"(\.\d\d)\d+")
_DOTS = re.compile(r"(?:M (-?[\d.]+ -?[\d.]+) L \1 ?)+")
_DOT = re.compile(r"M (-?[\d.]+) (-?[\d.]+) L")
_GLOBAL_STYLE = re.compile(r"<defs>\s*<style[^>]*>.*?</style>\s*</defs>", re.S)
_COLOURS = {colour.lower(): f"var(--{name},{colour.lower()})" for colour, name in _NAMES.items()}
_COLOUR = re.compile("|".join(_COLOURS))
_STYLE = re.compile(r'style="([^"]*)"')


_TAG = re.compile(r"<[^<>]*>")
_ID = re.compile(r' id="([^"]*)"')
_REFERENCE = re.compile(r'(\burl\(#|\bhref="#)([^")]*)')


def with_ids_of(prefix: str, svg: str) -> str:
    """The drawing for a page with others: only ids that it refers to, each with the prefix and a dash."""
    used = {found.group(2) for tag in _TAG.findall(svg) for found in _REFERENCE.finditer(tag)}

    def named(match: re.Match) -> str:
        return f' id="{prefix}-{match.group(1)}"' if match.group(1) in used else ""

    def renamed(match: re.Match) -> str:
        # In tags alone: the same signs in a label are text.
        return _REFERENCE.sub(rf"\g<1>{prefix}-\g<2>", _ID.sub(named, match.group(0)))

    return _TAG.sub(renamed, svg)


def to_svg(axes: Sequence[Any]) -> str:
    """The <svg> elements of these panels, without XML prologue, one after the other."""
    # Panels that draw the same shape would give it the same id.
    return "".join(with_ids_of(f"p{i}", _one_svg(axis.figure)) for i, axis in enumerate(axes))


def _one_svg(figure: Figure) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    # matplotlib's style sheet would hold for the whole page; groups' names would be there many times.
    text = _GLOBAL_STYLE.sub("", text, count=1)
    text = re.sub(r'<g id="[^"]*"', "<g", text)
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.S)
    text = _COORDINATES.sub(_shortened, text)
    text = _STYLE.sub(_themed, text)
    return re.sub(r">\s+<", "><", text)


def _shortened(match: re.Match) -> str:
    name, value = match.groups()
    value = _DECIMALS.sub(r"\1", " ".join(value.split()))
    if name == "d":
        value = _DOTS.sub(_few_dots, value)
    return f'{name}="{value}"'


def _few_dots(match: re.Match) -> str:
    """Dots of one path; those on the same tenth of a point are one."""
    places = {(f"{float(x):.1f}", f"{float(y):.1f}"): None for x, y in _DOT.findall(match.group(0))}
    return "".join(f"M{x} {y}h0" for x, y in places)


def _themed(match: re.Match) -> str:
    style = _COLOUR.sub(lambda found: _COLOURS[found.group(0)], match.group(1))
    # The family is the page's.
    style = re.sub(r"font: ([\d.]+)px [^;]*", r"font-size: \1px", style)
    return f'style="{style.replace("; ", ";").replace(": ", ":")}"'
