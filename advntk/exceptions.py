"""The one root of what a user can get wrong."""

from __future__ import annotations


class UsageError(ValueError):
    """A request that cannot be met; one line says which argument, its value, and the fix."""


class Terminated(BaseException):
    """The process was asked to end (SIGTERM), by a scheduler or a container."""
