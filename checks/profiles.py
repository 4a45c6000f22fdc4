"""How much is measured: the efforts behind quick, standard and thorough."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Measure:
    """Scenarios per check, seeds per scenario and width, and the ladder (empty: scenario's own)."""

    scenarios: int
    seeds: int
    widths: tuple[int, ...] = ()
    # Axes held at one value, because each of their values costs programs that take seconds to compile.
    held: tuple[tuple[str, int | float | str], ...] = ()


@dataclass(frozen=True)
class Profile:
    """One `Measure` per kind of effort, and how many examples a search for one finding may try."""

    name: str
    ladder: Measure
    level: Measure
    flow: Measure
    contrast: Measure
    ensemble: Measure
    splits: Measure
    exact: Measure
    search: int

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
            ladder=Measure(3, 96, (64, 128, 256, 512)),
            level=Measure(2, 384, (64, 128, 256, 512)),
            flow=Measure(2, 64, (32, 64, 128, 256), held=(("depth", 1),)),
            contrast=Measure(1, 160, (64, 128, 256, 512)),
            ensemble=Measure(1, 384, (16, 32, 64, 128)),
            splits=Measure(2, 32),
            exact=Measure(12, 8),
            search=60,
        ),
        Profile(
            "standard",
            ladder=Measure(6, 128, (64, 128, 256, 512, 1024)),
            level=Measure(4, 1024, (64, 128, 256, 512, 1024)),
            flow=Measure(4, 64, (32, 64, 128, 256, 512, 1024)),
            contrast=Measure(2, 192, (64, 128, 256, 512, 1024)),
            ensemble=Measure(3, 512, (16, 32, 64, 128, 256)),
            splits=Measure(4, 64),
            exact=Measure(40, 16),
            search=200,
        ),
        Profile(
            "thorough",
            ladder=Measure(16, 192, (64, 128, 256, 512, 1024, 2048)),
            level=Measure(8, 2048, (64, 128, 256, 512, 1024, 2048)),
            flow=Measure(12, 64, (32, 64, 128, 256, 512, 1024, 2048)),
            contrast=Measure(4, 256, (64, 128, 256, 512, 1024, 2048)),
            ensemble=Measure(6, 1024, (16, 32, 64, 128, 256, 512)),
            splits=Measure(8, 128),
            exact=Measure(150, 32),
            search=200,
        ),
    )
}
