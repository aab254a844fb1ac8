"""What every subcommand has: its connection, its output, and how its errors read. None of them is a traceback."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from rollcall.command.exit_codes import Ended, Exit
from rollcall.command.output import Output, silence_broken_pipe
from rollcall.command.profiles import BadConfig, find_target

if TYPE_CHECKING:
    from rollcall import Client
    from rollcall.errors import Problem

_PANEL: Final = "Connection and output"
# A command does not look so long for a service that is away as a program does.
ATTEMPTS: Final = 4

Url = Annotated[
    str | None,
    typer.Option(
        "--url", help="Address of the service; else ROLLCALL_URL, else the profile's.", rich_help_panel=_PANEL
    ),
]
ApiKey = Annotated[
    str | None,
    typer.Option(
        "--api-key",
        help="Key; better in ROLLCALL_API_KEY or a profile, where other users of this machine do not see it.",
        rich_help_panel=_PANEL,
    ),
]
Profile = Annotated[
    str | None,
    typer.Option(
        "--profile", help="Profile of ~/.config/rollcall/config.toml; else ROLLCALL_PROFILE.", rich_help_panel=_PANEL
    ),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print JSON; a list is one object a line.", rich_help_panel=_PANEL)
]
_COMMON: Final = {"url": Url, "api_key": ApiKey, "profile": Profile, "as_json": AsJson}


class Run:
    """One call of a subcommand."""

    def __init__(self, *, url: str | None, api_key: str | None, profile: str | None, as_json: bool) -> None:
        self.out = Output(as_json=as_json)
        self._said = {"url": url, "api_key": api_key, "profile": profile}
        # What is to be said when somebody presses Ctrl-C now.
        self.when_interrupted = ""

    @cached_property
    def client(self) -> Client:
        import stamina.instrumentation

        import rollcall

        # Else each retry is a line in a log that nobody has set up.
        stamina.instrumentation.set_on_retry_hooks([])
        target = find_target(**self._said)
        return rollcall.Client(target.url, api_key=target.api_key, verify=target.ca_file, attempts=ATTEMPTS)

    def close(self) -> None:
        if "client" in self.__dict__:
            self.client.close()


def subcommand(
    app: typer.Typer, name: str | None = None, **more: Any
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Makes the function a subcommand of `app`, with the options that all have; its first parameter is the `Run`."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        def called(**given: Any) -> None:
            run = Run(**{common: given.pop(common) for common in _COMMON})
            try:
                function(run, **given)
            except BaseException as error:  # Ctrl-C too
                raise Ended(explain(run, error)) from error
            finally:
                run.close()

        _, *own = inspect.signature(function, eval_str=True).parameters.values()
        common = [
            inspect.Parameter(
                each,
                inspect.Parameter.KEYWORD_ONLY,
                default=False if each == "as_json" else None,
                annotation=annotation,
            )
            for each, annotation in _COMMON.items()
        ]
        keyword = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in own]
        called.__signature__ = inspect.Signature([*keyword, *common])  # type: ignore[attr-defined]
        called.__annotations__ = {each.name: each.annotation for each in [*keyword, *common]}
        called.__doc__ = function.__doc__
        called.__name__ = function.__name__
        app.command(name, **more)(called)
        return function

    return register


def explain(run: Run, error: BaseException) -> Exit:
    """Say what went wrong, what was kept and what to do; with which number the command ends. Raises what is a bug."""
    from rollcall.errors import Problem, RollcallError, UnexpectedAnswer, Unreachable
    from shared.errors import FileProblem

    match error:
        case Ended():
            return error.code
        case KeyboardInterrupt():
            run.out.note(f"\n{run.when_interrupted or 'Interrupted.'}")
            return Exit.INTERRUPTED
        case BrokenPipeError():
            silence_broken_pipe()
            return Exit.DONE
        case Problem():
            say_problem(run.out, error)
            return Exit.REFUSED if error.status < 500 else Exit.FAILED if error.status == 500 else Exit.UNREACHABLE
        case FileProblem():
            say(run.out, error.detail, str(error.code))
            return Exit.REFUSED
        case Unreachable():
            say(run.out, f"{error.url} cannot be reached: {error.reason}.", "unreachable")
            run.out.note(
                "Is it up, and is that its address? --url, ROLLCALL_URL or a profile say another.", style="dim"
            )
            return Exit.UNREACHABLE
        case UnexpectedAnswer():
            say(run.out, f"There is no Rollcall that this command can talk to at {run.client.url}: {error}.", "")
            return Exit.UNREACHABLE
        case BadConfig() | RollcallError():
            say(run.out, str(error), "")
            return Exit.REFUSED
        case OSError():
            where = f"{error.filename}: " if error.filename else ""
            say(run.out, f"{where}{str(error.strerror or error).rstrip('.')}.", "")
            return Exit.REFUSED
        case _:
            raise error


def say_problem(out: Output, problem: Problem) -> None:
    from rollcall.errors import UnclearEncoding

    say(out, problem.detail, problem.code)
    for each in problem.errors:
        place = each.get("field") or each.get("location") or ""
        out.note(f"  {place}: {each.get('detail', '')}")
    for fault in problem.faults:
        out.note(f"  {fault.field or 'row'}: {fault.message}")
    if isinstance(problem, UnclearEncoding):
        from rollcall.command.output import plain

        for candidate in problem.candidates:
            out.note(f"  --encoding {candidate.encoding:<14} {plain(' · '.join(candidate.samples))}")


def say(out: Output, detail: str, code: str) -> None:
    """An error: its words, and its code dimmed."""
    from rollcall.command.output import plain

    text = plain(detail)
    if sys.stderr.isatty() and "NO_COLOR" not in os.environ:
        from rich.text import Text

        out.errors.print(Text.assemble(("error: ", "bold red"), text, (f"  {code}" if code else "", "dim")))
    else:
        print(f"error: {text}" + (f" [{code}]" if code else ""), file=sys.stderr, flush=True)
