"""How much is measured: the efforts behind quick, standard and thorough."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Measure:
    """Scenarios per check, seeds per scenario and width, and the ladder (empty: scenario's own).

    `seeds` are drawn first.  Where they do not decide, the number is doubled, `looks` - 1 times at most;
    every look spends its share of the error rates.
    """

    scenarios: int
    seeds: int
    widths: tuple[int, ...] = ()
    looks: int = 1
    # Axes held at one value, because each of their values costs programs that take seconds to compile.
    held: tuple[tuple[str, int | float | str], ...] = ()


@dataclass(frozen=True)
class Profile:
    """One `Measure` per kind of effort, and how many examples a search for one finding may try.

    `looks_as_measured`: at most so many looks at a claim without an expected verdict, which nobody waits for.
    """

    name: str
    ladder: Measure
    level: Measure
    flow: Measure
    contrast: Measure
    ensemble: Measure
    splits: Measure
    exact: Measure
    search: int
    looks_as_measured: int = 1

    def of(self, effort: str) -> Measure:
        """The measure for an effort."""
        return getattr(self, effort)

    def with_widths(self, widths: tuple[int, ...]) -> Profile:
        """The same with another ladder."""
        return replace(
            self,
            ladder=replace(self.ladder, widths=widths),
            level=replace(self.level, widths=widths),
            flow=replace(self.flow, widths=widths),
            contrast=replace(self.contrast, widths=widths),
            ensemble=replace(self.ensemble, widths=widths),
        )


# Widths come from few buckets, so that shapes repeat and compiled programs serve again.
PROFILES = {
    profile.name: profile
    for profile in (
        Profile(
            "quick",
            ladder=Measure(3, 64, (64, 128, 256, 512), looks=4),
            level=Measure(2, 384, (64, 128, 256, 512), looks=3),
            flow=Measure(2, 32, (32, 64, 128, 256), looks=4, held=(("depth", 1),)),
            contrast=Measure(1, 80, (64, 128, 256, 512), looks=3),
            ensemble=Measure(1, 384, (16, 32, 64, 128), looks=3),
            splits=Measure(2, 12, looks=3),
            exact=Measure(12, 8),
            search=60,
        ),
        Profile(
            "standard",
            ladder=Measure(6, 64, (64, 128, 256, 512, 1024), looks=5),
            level=Measure(4, 512, (64, 128, 256, 512, 1024), looks=4),
            flow=Measure(2, 24, (32, 64, 128, 256, 512, 1024), looks=4),
            contrast=Measure(2, 80, (64, 128, 256, 512), looks=3),
            ensemble=Measure(3, 512, (16, 32, 64, 128, 256), looks=3),
            splits=Measure(4, 32, looks=4),
            exact=Measure(40, 16),
            search=200,
            looks_as_measured=2,
        ),
        Profile(
            "thorough",
            ladder=Measure(16, 96, (64, 128, 256, 512, 1024, 2048), looks=6),
            level=Measure(8, 1024, (64, 128, 256, 512, 1024, 2048), looks=5),
            flow=Measure(12, 32, (32, 64, 128, 256, 512, 1024, 2048), looks=5),
            contrast=Measure(4, 64, (64, 128, 256, 512, 1024, 2048), looks=4),
            ensemble=Measure(6, 1024, (16, 32, 64, 128, 256, 512), looks=4),
            splits=Measure(8, 64, looks=4),
            exact=Measure(150, 32),
            search=200,
            looks_as_measured=3,
        ),
    )
}
