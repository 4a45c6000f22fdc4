"""How command lines are read: what cannot be meant is one line with option, value, and what would do."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from advntk.exceptions import UsageError
from advntk.speaking import answers_alone

# What typer's own exceptions of the parser have in common.
ParserError: type[Exception] = typer.BadParameter.__mro__[2]

_MOST_NAMED = 40


class BadCommandLine(UsageError):
    """A command line that cannot be read; the message names the option, the value and the fix."""


class Command(TyperCommand):
    """A command whose options have one value each, and whose answers stand alone on standard output."""

    def make_parser(self, ctx: Any) -> Any:
        """The parser, which notes what was given for each option."""
        parser: Any = super().make_parser(ctx)
        given: dict[str, tuple[str, Any]] = ctx.meta.setdefault(_GIVEN, {})
        options = {id(one): one for one in (*parser._long_opt.values(), *parser._short_opt.values())}
        for option in options.values():
            option.process = partial(_once, option, option.process, given)
        return parser

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments.

        Raises:
          BadCommandLine: they cannot be meant.
        """
        return _read(ctx, lambda: super(Command, self).parse_args(ctx, args))

    def invoke(self, ctx: Any) -> Any:
        """Carry the command out."""
        with answers_alone():
            return super().invoke(ctx)


class CommandGroup(TyperGroup):
    """A command with commands."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments before the name of a command.

        Raises:
          BadCommandLine: they cannot be meant.
        """
        return _read(ctx, lambda: super(CommandGroup, self).parse_args(ctx, args))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that is named.

        Raises:
          BadCommandLine: there is none of that name.
        """
        name, known = args[0], self.list_commands(ctx)
        if name in known or name.startswith("-"):
            return _read(ctx, lambda: super(CommandGroup, self).resolve_command(ctx, args))
        near = difflib.get_close_matches(name, known, 1)
        fix = f"did you mean {near[0]!r}?" if near else f"choose one of: {', '.join(known)}"
        raise BadCommandLine(f"{_cut(name)!r} is no command of `{ctx.command_path}`; {fix}")


_GIVEN = "advntk.given"


def _once(option: Any, process: Callable, given: dict[str, tuple[str, Any]], value: Any, state: Any) -> None:
    """Take what is given for an option, which has one value at most unless it is repeatable."""
    said, now = _said(option, value), value if option.takes_value else option.const
    if option.takes_value and value == "" and option.obj.default != "":
        raise BadCommandLine(f"{said}: is empty; give {_metavar(option.obj)}")
    before = given.setdefault(option.dest, (said, now))
    if option.action.startswith("append") or option.action == "count":
        given[option.dest] = (said, now)
    elif before[1] != now:
        raise BadCommandLine(f"{before[0]} and {said}: one value only can be meant; keep one of them")
    process(value, state)


def _said(option: Any, value: Any) -> str:
    """An option as it was written, nearly."""
    names = [*option._long_opts, *option._short_opts]
    return f"{names[0]} {_cut(str(value))}" if option.takes_value else names[0]


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_NAMED * 2 else f"{text[:_MOST_NAMED]} … {text[-_MOST_NAMED:]}"


def _metavar(parameter: Any) -> str:
    annotation = getattr(getattr(parameter, "type_descriptor", None), "annotation", None)
    numbers = {int: "a whole number", float: "a number"}
    return parameter.metavar or numbers.get(annotation, "a value")  # type: ignore[arg-type]


def _read(ctx: Any, job: Callable) -> Any:
    try:
        return job()
    except ParserError as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            raise
        raise BadCommandLine(_words(ctx, error)) from error


def _words(ctx: Any, error: Any) -> str:
    """What the parser found wrong, in our words."""
    parameter = getattr(error, "param", None)
    kind = type(error).__name__
    if kind == "NoSuchOption":
        near = difflib.get_close_matches(error.option_name, _options(ctx), 1)
        fix = f"did you mean {near[0]}?" if near else f"`{ctx.command_path} --help` lists all"
        return f"{_cut(error.option_name)}: no such option of `{ctx.command_path}`; {fix}"
    if kind == "BadOptionUsage":
        wanted = next((p for p in ctx.command.params if error.option_name in p.opts), None)
        if "requires" in error.message:
            return f"{error.option_name}: a value is missing; give {_metavar(wanted)}"
        return f"{error.option_name}: {_plain(error.message)}"
    if kind == "MissingParameter" and parameter is not None:
        name = parameter.metavar or parameter.name
        return f"{name}: is missing; `{ctx.command_path} --help` says what it is"
    if parameter is not None:
        return f"{_given(ctx, parameter)}: {_plain(error.message)}"
    return f"`{ctx.command_path}`: {_plain(error.message)}"


def _given(ctx: Any, parameter: Any) -> str:
    """A parameter with the value that was given for it, on the command line or in the environment."""
    found = ctx.meta.get(_GIVEN, {}).get(parameter.name)
    if found is not None:
        return found[0]
    name = (parameter.opts[0] if parameter.param_type_name == "option" else None) or parameter.name
    if (from_environment := parameter.resolve_envvar_value(ctx)) is not None:
        return f"${parameter.envvar}={_cut(from_environment)} ({name})"
    return str(parameter.metavar or parameter.name.upper())


def _plain(message: str) -> str:
    """The parser's words, shorter: what an input should be is what would do."""
    text = message.strip().rstrip(".").removeprefix("Value error, ")
    text = text.replace("Input should be", "must be").partition(", unable to parse")[0]
    return text[:1].lower() + text[1:]


def _options(ctx: Any) -> Sequence[str]:
    return [name for p in ctx.command.params for name in (*p.opts, *p.secondary_opts) if name[:2] == "--"]
