"""What the claims notice of generated mutants: `python -m benchmarks.mutate [--sample N] [--resume] ...`.

Makes functions of implementations/ and of the deciders wrong, one place at a time, and writes which claim
noticed: for people to benchmarks/mutation.md, as JSON for `advntk report --mutation-score` to
benchmarks/mutation.json.  Reasons why a mutant is no falsehood, or why no claim is about a function, stand in
benchmarks/mutation.toml.  Other options are those of `advntk mutate`; fails where less than 97 per cent are
noticed, with the files written.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

HERE = Path(__file__).parent
SAMPLE, ENOUGH = 330, 97


def main() -> int:
    """Measure, copy the results here, and pass the exit code on."""
    from advntk.cli import answer

    others = sys.argv[1:]
    out = HERE.parent / "advntk-mutation"
    sample = [] if "--sample" in others else ["--sample", str(SAMPLE)]
    code = answer(
        [
            *("mutate", "--equivalents", str(HERE / "mutation.toml"), "--fail-under", str(ENOUGH)),
            *("--out", str(out)),
            *sample,
            *others,
        ]
    )
    if code in (0, 1):
        for name in ("mutation.md", "mutation.json"):
            shutil.copyfile(out / name, HERE / name)
    return code


if __name__ == "__main__":
    raise SystemExit(main())
