"""Makes the helpers of this suite importable by name; `tests` itself is no package."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
