"""Writes into docs/command.md each subcommand of `rollcall`, with its options: `make reference`. A test holds it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import typer

from rollcall.command.app import app
from tools.reference import replaced, row

PAGE: Final = Path(__file__).parents[1] / "docs" / "command.md"
_OF_ALL: Final = ("--url", "--api-key", "--profile", "--json")


def main() -> None:
    PAGE.write_text(written(PAGE.read_text()))


def written(page: str) -> str:
    """The page with its passage as the command has it now. Raises ValueError where it lacks one."""
    return replaced(page, "commands", "\n\n".join(_paragraphs()))


def _paragraphs() -> Iterator[str]:
    commands = list(_commands(typer.main.get_command(app), "rollcall"))
    yield "Every subcommand that asks the service takes these, `--json` where it has something to print:"
    first = {name: parameter for _, command in commands for parameter in command.params for name in parameter.opts}
    yield _table(first[name] for name in _OF_ALL)
    for name, command in commands:
        arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
        own = [parameter for parameter in command.params if not set(parameter.opts) & {*_OF_ALL}]
        yield f"#### {' '.join([name, *(_word(argument) for argument in arguments)])}"
        yield " ".join(str(command.help or "").split())
        if own:
            yield _table(own)


def _commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Those that do something, each with the words that call it."""
    within = getattr(command, "commands", None)
    if within is None:
        yield name, command
        return
    for word, each in within.items():
        yield from _commands(each, f"{name} {word}")


def _table(parameters: Any) -> str:
    rows = ["| option | what it says |", "| --- | --- |"]
    for parameter in parameters:
        names = [_word(parameter)] if parameter.param_type_name == "argument" else parameter.opts
        rows.append(row(", ".join(f"`{name}`" for name in names), " ".join((parameter.help or "").split())))
    return "\n".join(rows)


def _word(argument: Any) -> str:
    return f"{argument.name.upper()}…" if argument.nargs == -1 else str(argument.name.upper())


if __name__ == "__main__":
    main()
