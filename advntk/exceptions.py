"""The one root of what a user can get wrong."""

from __future__ import annotations

from advntk.printable import printable


class UsageError(ValueError):
    """A request that cannot be met; one line says which argument, its value, and the fix."""

    def __str__(self) -> str:
        # It may quote what somebody gave, or what somebody's code raised.
        return printable(super().__str__())


class Terminated(BaseException):
    """The process was asked to end (SIGTERM), by a scheduler or a container."""
