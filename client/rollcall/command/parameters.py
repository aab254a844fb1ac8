"""Arguments and options that several subcommands have."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer

UploadId = Annotated[str, typer.Argument(metavar="ID", help="The upload's id, as `rollcall uploads` lists it.")]
Limit = Annotated[
    int | None,
    typer.Option("--limit", min=0, help="So many at most; 0 is all. On a terminal 50 if not said, elsewhere all."),
]
AsCsv = Annotated[bool, typer.Option("--csv", help="As the service's own CSV, byte for byte.")]
OutputFile = Annotated[
    Path | None, typer.Option("--output", "-o", help="Write there instead of to standard output.", dir_okay=False)
]
Search = Annotated[str | None, typer.Option("--search", help="Only whose name or email has this in it.")]
WithLeft = Annotated[bool, typer.Option("--with-left", help="Those too who have left.")]

_READING: Final = "How the file is read"
_EFFECT: Final = "What it does"
Encoding = Annotated[
    str | None,
    typer.Option(help="As programs name it, such as cp1250; `guess` takes the likeliest.", rich_help_panel=_READING),
]
Delimiter = Annotated[
    str | None,
    typer.Option(help="One character, or comma, semicolon, tab, pipe.", rich_help_panel=_READING),
]
Header = Annotated[
    Literal["auto", "present", "absent"] | None,
    typer.Option(help="Whether the file has a header line.", rich_help_panel=_READING),
]
HeaderLine = Annotated[
    int | None, typer.Option(min=1, help="The line that the header is on.", rich_help_panel=_READING)
]
Columns = Annotated[
    str | None,
    typer.Option(
        help="Of a file without a header: its fields in order, such as -,email,employee_name.", rich_help_panel=_READING
    ),
]
Mapping = Annotated[
    list[str] | None,
    typer.Option(
        help="FIELD=COLUMN, several times; or FIELD=FIRST+LAST to join columns; or JSON.", rich_help_panel=_READING
    ),
]
Optional = Annotated[
    str | None,
    typer.Option(help="Fields that the file may lack, such as mobile_no,company_name.", rich_help_panel=_READING),
]
Escape = Annotated[
    Literal["backslash"] | None,
    typer.Option(help="How quotes inside quotes are written, if not doubled.", rich_help_panel=_READING),
]
Sheet = Annotated[str | None, typer.Option(help="Of a workbook: the sheet's name or number.", rich_help_panel=_READING)]
OnDuplicate = Annotated[
    Literal["skip", "update", "reject"] | None,
    typer.Option(help="What an email that is known already does; skip if not said.", rich_help_panel=_EFFECT),
]
MaxRejects = Annotated[
    int | None, typer.Option(min=0, help="Stop as failed past so many rejected rows.", rich_help_panel=_EFFECT)
]
Absent = Annotated[
    Literal["deactivate"] | None,
    typer.Option(help="Whom the file does not name has left.", rich_help_panel=_EFFECT),
]
AbsentScope = Annotated[str | None, typer.Option(help="Of --absent: a company, or all.", rich_help_panel=_EFFECT)]
AbsentAtMost = Annotated[
    str | None, typer.Option(help="Of --absent: a count or a share such as 10%.", rich_help_panel=_EFFECT)
]


def parse_mapping(given: list[str] | None) -> dict[str, Any] | None:
    """Raises typer.BadParameter."""
    if not given:
        return None
    if len(given) == 1 and given[0].lstrip().startswith("{"):
        try:
            return dict(json.loads(given[0]))
        except ValueError:
            raise typer.BadParameter("is no JSON object", param_hint="--mapping") from None
    mapping: dict[str, Any] = {}
    for each in given:
        field, is_there, columns = each.partition("=")
        if not is_there or not columns:
            raise typer.BadParameter(f"{each}: say FIELD=COLUMN", param_hint="--mapping")
        names = columns.split("+")
        mapping[field.strip()] = names if len(names) > 1 else columns
    return mapping


def given_options(**options: Any) -> dict[str, Any]:
    """Those that were said."""
    options["mapping"] = parse_mapping(options.get("mapping"))
    return {name: value for name, value in options.items() if value is not None}
