"""The command's subcommands, put together, and how it ends."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from rollcall.command import access, checks, dead_letters, employees, erasures, queues, rejects, system, uploads
from rollcall.command.exit_codes import Ended, Exit
from shared.version import VERSION

app = typer.Typer(
    name="rollcall",
    help="Employee CSVs in, each row accounted for: send files, follow them, see what was refused and why.",
    epilog="Ends with 0: all in · 2: some rows were rejected · 1: failed · 3: refused · 4: cannot reach the service · "
    "130: interrupted.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def main(
    version: Annotated[bool, typer.Option("--version", "-V", help="Print the version and end.")] = False,
) -> None:
    if version:
        print(f"rollcall {VERSION}")
        raise typer.Exit


uploads.add_to(app)
rejects.add_to(app)
employees.add_to(app)
checks.add_to(app)
erasures.add_to(app)
system.add_to(app)
access.add_to(app)
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(queues.app, name="queue")
app.add_typer(access.app, name="keys")


def run() -> None:
    """Ends the process."""
    try:
        code = typer.main.get_command(app).main(prog_name="rollcall", standalone_mode=False)
    except Ended as ended:
        code = ended.code
    except typer.Abort:
        code = Exit.INTERRUPTED
    except KeyboardInterrupt:
        code = Exit.INTERRUPTED
    except BrokenPipeError:
        code = Exit.DONE
    except Exception as error:
        show = getattr(error, "show", None)
        if show is None:
            raise
        # Of the arguments: typer ends with 2, which says here that rows were rejected.
        show()
        code = Exit.REFUSED
    sys.exit(int(code or 0))
