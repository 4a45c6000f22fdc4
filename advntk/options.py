"""Options that several commands have, and what all commands refuse."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperOption


class DeviceName(StrEnum):
    """Where it is computed."""

    cpu = "cpu"
    gpu = "gpu"


AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
OnDevice = Annotated[DeviceName, typer.Option(help="Where to compute.")]


class Command(TyperCommand):
    """A command whose options are given once each, or twice with the same value.

    Of contradictory values the parser would silently take the last one.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As inherited, after a look at which values each option has been given.

        Raises:
          UsageError: two values for an option that takes one; both are named.
        """
        single = [p for p in self.get_params(ctx) if isinstance(p, TyperOption) and not p.multiple]
        for option in single:
            option.multiple = True
        try:
            given, _, _ = self.make_parser(ctx).parse_args(args=list(args))
        finally:
            for option in single:
                option.multiple = False
        for option in single:
            first, *more = given.get(option.name or "") or [None]
            for other in more:
                if other != first:
                    ctx.fail(f"{_said(option, first)} and {_said(option, other)}: choose one of them")
        return super().parse_args(ctx, args)


def _said(option: TyperOption, value: Any) -> str:
    """The option as it was written."""
    if option.is_flag:
        return (option.opts if value else option.secondary_opts)[0]
    return f"{max(option.opts, key=len)} {value}"
