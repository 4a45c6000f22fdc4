"""The example report that the README shows: `python -m benchmarks.example [--evidence DIR]`.

Measures the standard profile on the digits (a quarter of an hour on two cores; goes on where it was
interrupted), and writes examples/standard-digits.html, .md and the picture .png; the page, of several
megabytes, stays out of the repository.  With --evidence a run that is there already is shown instead.  The
picture needs Chromium.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
OUT = ROOT / "examples" / "standard-digits"
MEASURED = ROOT / "examples" / "evidence"
_WIDTH, _HEIGHT = 1280, 1000


def main() -> None:
    """Measure, unless told where that was done, and show."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--evidence", type=Path, metavar="DIR", help="a finished run to show")
    evidence = parser.parse_args().evidence
    if evidence is None:
        evidence = MEASURED
        _advntk("check", "--profile", "standard", "--data", "digits", "--evidence", str(evidence), "--resume")
    score = ("--mutation-score", str(ROOT / "benchmarks" / "catch.json"))
    for name, more in (("html", score), ("md", ())):
        _advntk(
            "report",
            str(evidence),
            "--format",
            name,
            "--force",
            "--out",
            str(OUT.with_suffix(f".{name}")),
            *more,
        )
    _picture(OUT.with_suffix(".html"), OUT.with_suffix(".png"))


def _advntk(*arguments: str) -> None:
    status = subprocess.run([sys.executable, "-m", "advntk", *arguments], cwd=ROOT, check=False).returncode
    # 1 says that a verdict was unexpected: the example shows it.
    if status not in (0, 1):
        sys.exit(status)


def _picture(page: Path, picture: Path) -> None:
    from playwright.sync_api import sync_playwright

    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        sys.exit(f"no Chromium here to photograph {page} with")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        shown = browser.new_page(viewport={"width": _WIDTH, "height": _HEIGHT}, color_scheme="light")
        shown.goto(page.as_uri())
        shown.screenshot(path=picture)
        browser.close()


if __name__ == "__main__":
    main()
