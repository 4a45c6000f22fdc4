"""Peak memory is this process's own, whoever started it; what it can have is what its surroundings leave."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from advntk.implementations.memory import peak_memory_bytes, usable_memory


def test_the_peak_is_that_of_the_process_itself():
    held = np.ones(60 * 2**20)
    here = peak_memory_bytes()
    assert here > held.nbytes
    program = "from advntk.implementations.memory import peak_memory_bytes; print(peak_memory_bytes())"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert 2**20 < int(found.stdout) < held.nbytes / 2


GIB = 2**30


@pytest.mark.parametrize(
    ("group", "files", "allowed"),
    [
        ("0::/\n", {"memory.max": "1073741824\n"}, GIB),
        ("0::/a/b\n", {"a/memory.max": "2147483648\n", "a/b/memory.max": "max\n"}, 2 * GIB),
        ("0::/a/b\n", {"a/memory.max": "3221225472\n", "a/b/memory.max": "1073741824\n"}, GIB),
        # In a container the path is the host's; what holds is mounted at the top.
        ("0::/system.slice/docker-1.scope\n", {"memory.max": "1073741824\n"}, GIB),
        ("5:cpu:/x\n4:memory:/docker/1\n", {"memory/docker/1/memory.limit_in_bytes": "1073741824\n"}, GIB),
        ("4:memory:/docker/1\n", {"memory/memory.limit_in_bytes": "1073741824\n"}, GIB),
        ("4:memory:/\n", {"memory/memory.limit_in_bytes": f"{2**63 - 4096}\n"}, None),
        ("0::/\n", {"memory.max": "max\n"}, None),
        ("0::/\n", {"memory.max": "rubbish\n"}, None),
        ("", {}, None),
    ],
)
def test_memory_that_a_control_group_leaves(tmp_path, group, files, allowed):
    groups, mount = tmp_path / "cgroup", tmp_path / "mount"
    groups.write_text(group)
    for name, text in files.items():
        (mount / name).parent.mkdir(parents=True, exist_ok=True)
        (mount / name).write_text(text)
    whole = usable_memory(tmp_path / "none", mount)
    assert usable_memory(groups, mount) == min(whole, allowed or whole)


def test_memory_that_a_resource_limit_leaves(monkeypatch, tmp_path):
    import resource

    monkeypatch.setattr(resource, "getrlimit", lambda kind: (GIB, GIB))
    assert usable_memory(tmp_path / "none", tmp_path) == GIB
