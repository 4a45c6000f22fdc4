"""Peak memory is this process's own, whoever started it."""

from __future__ import annotations

import subprocess
import sys

import numpy as np

from advntk.implementations.memory import peak_memory_bytes


def test_the_peak_is_that_of_the_process_itself():
    held = np.ones(60 * 2**20)
    here = peak_memory_bytes()
    assert here > held.nbytes
    program = "from advntk.implementations.memory import peak_memory_bytes; print(peak_memory_bytes())"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert 2**20 < int(found.stdout) < held.nbytes / 2
