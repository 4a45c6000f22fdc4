"""What the library of falsehoods proves: `python -m benchmarks.catch [-k EXPRESSION]`.

Mutation testing: plants every falsehood of tests/falsehoods, one after the other, and writes for each the
claim that must refute it, the verdict and its evidence: for people to benchmarks/catch.md (--out), as JSON
for `advntk report --mutation-score` to benchmarks/catch.json (--json).  Other options are pytest's; a
selection with -k replaces both whole tables, unless other files are named.  Fails, with the files written,
where a falsehood was missed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
SUITE = "tests/falsehoods/test_falsehoods.py"


def main() -> int:
    """Run the suite, write the tables, and pass pytest's exit status on."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".md"))
    parser.add_argument("--json", type=Path, default=Path(__file__).with_suffix(".json"))
    options, others = parser.parse_known_args()

    from advntk.checks.digests import source_digest
    from advntk.implementations.runtime import versions
    from advntk.reports.summary import finite, to_json

    code = source_digest()
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "caught.jsonl"
        # Every mark: what takes minutes is left out otherwise.
        command = [sys.executable, "-m", "pytest", SUITE, "-m", "", "-v", *others]
        status = subprocess.run(
            command, cwd=ROOT, env={**os.environ, "ADVNTK_CATCH_TABLE": str(table)}, check=False
        ).returncode
        if not table.exists():
            print("no falsehood was put to the test; nothing is written", file=sys.stderr)
            return status or 1
        caught = [json.loads(line) for line in table.read_text(encoding="utf-8").splitlines()]

    if source_digest() != code:
        code += ", changed while it was measured"
    found = {
        "command": shlex.join(["python", "-m", "benchmarks.catch", *sys.argv[1:]]),
        "code": code,
        "versions": versions(),
        "machine": f"{os.cpu_count()} cores ({platform.machine()})",
        "falsehoods": finite(caught),
    }
    options.json.write_text(to_json(found), encoding="utf-8")
    text = _table(found)
    options.out.write_text(text, encoding="utf-8")
    print(text)
    return status


def _table(found: dict) -> str:
    from advntk.reports.mutation_score import MutationScore

    caught, versions = found["falsehoods"], found["versions"]
    lines = [
        f"# {MutationScore(found['code'], tuple(caught)).words()}",
        "",
        f"`{found['command']}`, source {found['code']}, {found['machine']}, "
        + ", ".join(f"{name} {version}" for name, version in versions.items())
        + ".",
        "",
        "Each is planted alone and measured by the quick profile in one situation where it shows; without "
        "it the same claim HOLDS there (or is false as the catalogue states it, and says so).",
        "",
        "| falsehood | claim | verdict | evidence | trials | s |",
        "| --- | --- | --- | --- | ---: | ---: |",
    ]
    for line in caught:
        cells = (
            f"**{line['name']}**: {line['statement']}",
            f"`{line['claim']}`",
            line["verdict"],
            _evidence(line),
            line["trials"],
            f"{line['seconds']:.1f}",
        )
        lines.append("| " + " | ".join(str(cell).replace("|", r"\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _evidence(line: dict) -> str:
    """An exact claim's violation in words; else the estimate with its interval."""
    if line["kind"] == "exact" or line["estimate"] is None:
        return line["violation"]
    low, high = ("?" if end is None else f"{end:.3g}" for end in line["interval"])
    return f"{line['quantity']} of {line['statistic']}: {line['estimate']:.3g} in [{low}, {high}]"


if __name__ == "__main__":
    raise SystemExit(main())
