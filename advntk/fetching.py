"""The answers of `advntk data fetch` and `advntk data check`."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from advntk.implementations.data.fetching import REMOTE, Show, default_folder, fetch
from advntk.implementations.data.splits import not_trainable, read_pools
from advntk.progress import SECONDS_BETWEEN_LINES
from advntk.speaking import note

if TYPE_CHECKING:
    from rich.progress import TaskID


def fetch_data(name: str, folder: Path | None) -> str:
    """Fetch, verify and unpack; then say what is there."""
    folder = folder or default_folder()
    with _progress() as show:
        fetch(name, folder, show)
    return check_data(name, folder, as_json=False)


def check_data(source: str, folder: Path | None, as_json: bool) -> str:
    """What is found of `source`: sets, counts, shapes and classes.

    Raises:
      BadData: nothing that can be used, and why.
    """
    folder = folder or default_folder()
    found = _found(source, folder)
    if as_json:
        return json.dumps(found, ensure_ascii=False, indent=2)
    where = f" in {folder}" if found["folder"] else ""
    lines = [f"{source}{where}: {_count(found['classes'])}"]
    for name, one in found["sets"].items():
        height, columns, channels = one["shape"]
        lines.append(
            f"  {name}: {one['images']} images, {height} x {columns}, "
            f"{channels} {'channel' if channels == 1 else 'channels'}; {_per_class(one['per_class'])}"
        )
    if found["names"] != [str(number) for number in range(found["classes"])]:
        shown = ", ".join(found["names"][:10]) + (", ..." if found["classes"] > 10 else "")
        lines.append(f"  labels: {shown}")
    if "0" not in found["names"] and all(name.isdecimal() for name in found["names"]):
        lines.append("  no image is labelled 0: the classes are those that occur")
    if found["not_trainable"]:
        lines.append(f"  not to be trained on: {found['not_trainable']}")
    return "\n".join(lines)


def _found(source: str, folder: Path) -> dict[str, Any]:
    pools = read_pools(source, folder)
    sets = {"all" if pools.test_images is None else "training": (pools.images, pools.labels)}
    if pools.test_images is not None and pools.test_labels is not None:
        sets["test"] = (pools.test_images, pools.test_labels)
    return {
        "source": source,
        "folder": str(folder) if source in REMOTE else None,
        "classes": pools.classes,
        "names": list(pools.class_names),
        "not_trainable": not_trainable(pools) or None,
        "sets": {
            name: {
                "images": len(images),
                "shape": list(images.shape[1:]),
                "per_class": [int((labels == k).sum()) for k in range(pools.classes)],
            }
            for name, (images, labels) in sets.items()
        },
    }


def _count(classes: int) -> str:
    return "1 class" if classes == 1 else f"{classes} classes"


def _per_class(counts: list[int]) -> str:
    fewest, most = min(counts), max(counts)
    return f"{fewest} per class" if fewest == most else f"{fewest} to {most} per class"


@contextmanager
def _progress() -> Iterator[Show]:
    """A bar of bytes on a terminal, plain lines elsewhere; always on standard error."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield _lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=30),
        DownloadColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        tasks: dict[str, TaskID] = {}

        def show(done: int, total: int, what: str) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what)
            progress.update(tasks[what], completed=done, total=total or None)

        yield show


def _lines() -> Show:
    last = time.monotonic()

    def show(done: int, total: int, what: str) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= SECONDS_BETWEEN_LINES or done == total:
            last = now
            note(f"{what}: {done / 1e6:.0f} of {total / 1e6:.0f} MB")

    return show
