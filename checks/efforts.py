"""How much is measured: profiles, and what each of them measures for a check."""

from __future__ import annotations

from dataclasses import dataclass, replace

from advntk.checks.spaces import Value


@dataclass(frozen=True)
class Measure:
    """How much of one check is measured.

    Args:
      scenarios: how many are sampled.
      seeds: random draws per scenario and point.  They are drawn first; where they do not decide, their
        number is doubled, `looks` - 1 times at most.  Every look spends its share of the error rates.
      points: values of the swept axis; empty where nothing sweeps.
      looks: how often a scenario is looked at.
      held: axes held at one value in this profile, because each of their values costs programs that take
        seconds to compile.
    """

    scenarios: int
    seeds: int
    points: tuple[int | float, ...] = ()
    looks: int = 1
    held: tuple[tuple[str, Value], ...] = ()


@dataclass(frozen=True)
class Effort:
    """What each profile measures of a check; where one is left out, as much as the one before it.

    Example: `Effort(quick=Measure(3, 64, (64, 128, 256, 512), looks=4))`.
    """

    quick: Measure
    standard: Measure | None = None
    thorough: Measure | None = None

    def of(self, profile: Profile) -> Measure:
        """The measure for a profile."""
        standard = self.standard or self.quick
        return {"quick": self.quick, "standard": standard}.get(profile.name, self.thorough or standard)

    def at(self, points: tuple[int | float, ...]) -> Effort:
        """The same at other points of the sweep."""

        def other(measure: Measure | None) -> Measure | None:
            return None if measure is None else replace(measure, points=points)

        return Effort(replace(self.quick, points=points), other(self.standard), other(self.thorough))


@dataclass(frozen=True)
class Profile:
    """A level of effort: how many examples a search for one finding may try, and how long nobody waits.

    `looks_as_measured`: at most so many looks at a claim without an expected verdict.  `minutes`: how long
    compilation and the like may take in all, unless more is allowed.
    """

    name: str
    search: int
    looks_as_measured: int = 1
    minutes: float = 20.0


PROFILES = {
    profile.name: profile
    for profile in (
        Profile("quick", search=60),
        Profile("standard", search=200, looks_as_measured=2, minutes=120.0),
        Profile("thorough", search=200, looks_as_measured=3, minutes=1440.0),
    )
}

# Points come from few buckets, so that shapes repeat and compiled programs serve again.
_TO_512, _TO_1024 = (64, 128, 256, 512), (64, 128, 256, 512, 1024)
_TO_2048 = (*_TO_1024, 2048)

# A rate along a sweep over width: several widths, tens of seeds.
RATE = Effort(
    quick=Measure(3, 64, _TO_512, looks=4),
    standard=Measure(6, 64, _TO_1024, looks=5),
    thorough=Measure(16, 96, _TO_2048, looks=6),
)
# A level that is extrapolated in 1/width: hundreds of seeds.
LEVEL = Effort(
    quick=Measure(2, 384, _TO_512, looks=3),
    standard=Measure(4, 512, _TO_1024, looks=4),
    thorough=Measure(8, 1024, _TO_2048, looks=5),
)
# Levels of ensembles of many small trained networks.
ENSEMBLE = Effort(
    quick=Measure(1, 256, (16, 32, 64, 128), looks=3),
    standard=Measure(3, 512, (16, 32, 64, 128, 256), looks=3),
    thorough=Measure(6, 1024, (16, 32, 64, 128, 256, 512), looks=4),
)
# Repeated splits of data.
SPLITS = Effort(
    quick=Measure(2, 12, looks=3), standard=Measure(4, 32, looks=4), thorough=Measure(8, 64, looks=4)
)
# Many scenarios, each at its own sizes.
EXACT = Effort(quick=Measure(12, 8), standard=Measure(40, 16), thorough=Measure(150, 32))
