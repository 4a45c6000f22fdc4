"""Makes the helpers of this suite, and made-up evidence, importable by name; `tests` itself is no package."""

from __future__ import annotations

import sys
from pathlib import Path

for folder in (Path(__file__).parent, Path(__file__).parents[1] / "formats"):
    sys.path.insert(0, str(folder))
