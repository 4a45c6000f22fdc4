"""Cutting a text at a size: as many items as fit, found by trying."""

from __future__ import annotations

from collections.abc import Callable


def truncated(render: Callable[[int], str], items: int, limit: int) -> str:
    """`render(k)` for the largest k <= items with at most `limit` bytes of UTF-8; it must grow with k.

    Raises:
      ValueError: not even `render(0)` fits.
    """

    def fits(count: int) -> bool:
        return len(render(count).encode()) <= limit

    if fits(items):
        return render(items)
    if not fits(0):
        raise ValueError(f"limit={limit}: less than the text takes without any item; choose a larger one")
    low, high = 0, items  # low fits, high does not
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return render(low)
