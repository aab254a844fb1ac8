"""A draft: how its first rows read under the options that are chosen, its preview, and the start with exactly these."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from fastapi import Request, Response
from fastapi.responses import RedirectResponse
from starlette.datastructures import FormData, QueryParams

from api_service.web.own_api import OwnApi, Refused
from api_service.web.rendering import render
from shared.errors import FileCode
from shared.rows.fields import FIELD_NAMES

NOT_USED: Final = "-"
# Of a column that nobody has said anything of while the header is in doubt: the API takes it as it is called.
BY_NAME: Final = ""
_PLAIN: Final = ("encoding", "delimiter", "headerLine", "sheet", "onDuplicate", "maxRejects")
# Of a preview, by the names that an upload has for the same.
_PREVIEWED: Final = ("rowsRead", "rowsDone", "progress", "rejectedBy", "outcome", "problem", "deactivated", "absence")
# Of these the first line that is shown is the header: its columns only are not the right ones.
_HEADER_IS_THERE: Final = frozenset(
    {FileCode.MISSING_COLUMNS, FileCode.AMBIGUOUS_COLUMNS, FileCode.UNKNOWN_COLUMN, FileCode.UNLIKELY_COLUMNS}
)
# The API's texts name its options; here they are choices that stand below.
HINTS: Final = {
    FileCode.ENCODING_UNCLEAR: "Choose the encoding in which the names below read right.",
    FileCode.WRONG_ENCODING: "Choose another encoding.",
    FileCode.MISSING_COLUMNS: "Choose below which column has what is missing, or tick what may be empty.",
    FileCode.AMBIGUOUS_COLUMNS: "Choose below which of the columns it is.",
    FileCode.UNKNOWN_COLUMN: "Let the columns be found out again, or choose them below.",
    FileCode.UNLIKELY_COLUMNS: "Look at the cells below: choose another column, or say that they are right.",
    FileCode.NO_HEADER: "Choose the field of each column below, or say on which line the header is.",
}
SHOWN_ROWS: Final = 20
DELIMITERS: Final = {",": "comma ,", ";": "semicolon ;", "\t": "tab", "|": "pipe |"}
# Those that files of employees come in most; any other that the API knows can be written.
ENCODINGS: Final = (
    "utf-8",
    "utf-16",
    "cp1250",
    "cp1251",
    "cp1252",
    "cp1253",
    "cp1254",
    "cp1257",
    "iso8859-2",
    "iso8859-15",
    "cp437",
    "cp850",
    "cp852",
    "mac-roman",
    "shift_jis",
    "gb18030",
    "big5",
    "cp949",
)


async def draft_page(request: Request, api: OwnApi, upload: dict[str, Any], chosen: QueryParams) -> Response:
    options = {**(upload["options"] or {}), **chosen_options(chosen)} if chosen else dict(upload["options"] or {})
    sample, problem = None, None
    try:
        query = _as_query(options, upload["options"] or {})
        sample = await api.get(f"/v1/uploads/{upload['id']}/sample", {**query, "rows": SHOWN_ROWS})
        # Of the whole file more is known than of its first part, as long as nothing else is tried.
        problem = sample["problem"] or (None if chosen else upload["problem"])
    except Refused as refusal:
        problem = refusal.document
    # What is chosen but not kept yet is another upload than the one that was previewed.
    is_previewed = upload["status"] == "previewed" and upload["preview"] is not None and not chosen
    rows = sample["rows"] if sample else []
    columns = _columns(sample) if sample else []
    has_header = bool(sample and sample["headerLine"])
    no_field = NOT_USED
    if problem and problem["code"] in _HEADER_IS_THERE and not columns:
        columns, rows = _header_of(rows, options)
        has_header = True
        no_field = BY_NAME if columns else NOT_USED
    return render(
        request,
        "draft.html",
        upload=upload,
        options=options,
        sample=sample,
        problem=problem,
        hints=HINTS,
        columns=columns or _unnamed(rows, str(options.get("columns") or "")),
        rows=rows,
        has_header=has_header,
        no_field=no_field,
        row_count=upload["preview"]["rowsRead"] if is_previewed else _row_count(upload, rows),
        is_row_count_exact=is_previewed or len(rows) < SHOWN_ROWS,
        delimiters=DELIMITERS,
        encodings=ENCODINGS,
        optional=_optional(options),
        preview=preview_counts(upload) if is_previewed else None,
    )


async def start_draft(request: Request, upload_id: str) -> Response:
    """With what its form says now, and only if nobody else changed the draft meanwhile."""
    return await _change_and(request, upload_id, "start")


async def preview_draft(request: Request, upload_id: str) -> Response:
    """The same, but nothing is done: all of its rows are checked."""
    return await _change_and(request, upload_id, "preview")


async def start_previewed(request: Request, upload_id: str) -> Response:
    """Exactly what the preview says, or nothing."""
    api = OwnApi(request)
    revision = str((await api.form()).get("revision", ""))
    await api.send("POST", f"/v1/uploads/{upload_id}/start", {"ifUnchanged": True}, headers={"if-match": revision})
    return RedirectResponse(f"/uploads/{upload_id}", 303)


def preview_counts(upload: dict[str, Any]) -> dict[str, Any]:
    """As an upload has them, of what it would do; what is not known yet is none."""
    preview = upload["preview"]
    counts = {name: preview[name] or 0 for name in ("inserted", "updated", "duplicates", "rejected", "unprocessed")}
    named = {name: preview[name] for name in _PREVIEWED}
    return {"id": upload["id"], "status": upload["status"], **named, **counts}


async def _change_and(request: Request, upload_id: str, step: str) -> Response:
    api = OwnApi(request)
    form = await api.form()
    address = f"/v1/uploads/{upload_id}"
    changed = chosen_options(form)
    given: dict[str, Any] = {name: value if value != "" else None for name, value in changed.items()}
    for name in ("headerLine", "maxRejects"):
        if given.get(name) is not None and str(given[name]).isdecimal():
            given[name] = int(given[name])
    if given.get("mapping"):
        given["mapping"] = msgspec.json.decode(given["mapping"])
    revision = str(form.get("revision", ""))
    answer = await api.send("PATCH", address, given, headers={"if-match": revision})
    if answer.document["problem"] is None:
        await api.send("POST", f"{address}/{step}", headers={"if-match": str(answer.document["revision"])})
    return RedirectResponse(f"/uploads/{upload_id}", 303)


def chosen_options(chosen: QueryParams | FormData) -> dict[str, Any]:
    """The options of the API that a draft's form says; an empty text takes one back."""
    options: dict[str, Any] = {name: str(chosen[name]).strip(" ") for name in _PLAIN if name in chosen}
    for name in ("mapping", "columns", "header"):
        options[name] = "" if "anew" in chosen else str(chosen.get(name, ""))
    options["optional"] = ",".join(map(str, chosen.getlist("optional")))
    options["absent"] = str(chosen.get("absent", ""))
    for name in ("absentScope", "absentAtMost"):
        # Left standing in the form, they say nothing of an upload in which nobody leaves.
        options[name] = str(chosen.get(name, "")).strip() if options["absent"] else ""
    fields = list(map(str, chosen.getlist("column")))
    # The API takes the columns by itself until somebody chose another one.
    if fields != list(map(str, chosen.getlist("columnWas"))):
        if chosen.get("hasHeader"):
            names = list(map(str, chosen.getlist("columnName")))
            options |= {"mapping": msgspec.json.encode(_mapping(fields, names)).decode(), "columns": ""}
        else:
            options |= {"columns": ",".join(fields), "mapping": "", "header": "", "headerLine": ""}
    return options


def _mapping(fields: list[str], names: list[str]) -> dict[str, list[str]]:
    mapping: dict[str, list[str]] = {}
    for field, name in zip(fields, names, strict=False):
        if field in FIELD_NAMES:
            mapping.setdefault(field, []).append(name)
    return mapping


def _as_query(options: dict[str, Any], stored: dict[str, Any]) -> dict[str, str]:
    """What the form says otherwise than the draft; an option that it took back is empty."""
    query = {}
    for name, value in options.items():
        if name in stored and value == stored[name]:
            continue
        text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        if isinstance(value, list):
            text = ",".join(value)
        if text or name in stored:
            query[name] = text
    return query


def _columns(sample: dict[str, Any]) -> list[dict[str, str]]:
    """Each column of the file with its name and the field that takes it; none where they are in doubt."""
    fields = {name: field for field, source in sample["fields"].items() for name in source["columns"]}
    return [{"name": name, "field": fields.get(name, NOT_USED)} for name in sample["columns"]]


def _header_of(
    rows: list[dict[str, Any]], options: dict[str, Any]
) -> tuple[list[dict[str, str]], list[dict[str, Any]]]:
    """Of lines from the top: the header with what is said of it so far, and the rows below it."""
    line, mapping = options.get("headerLine"), options.get("mapping") or {}
    if isinstance(mapping, str):
        mapping = msgspec.json.decode(mapping)
    fields = {
        name: field for field, names in mapping.items() for name in ([names] if isinstance(names, str) else names)
    }
    for place, row in enumerate(rows):
        if not line or str(row["lineNumber"]) == str(line):
            header = [{"name": name, "field": fields.get(name, BY_NAME)} for name in row["cells"]]
            return header, rows[place + 1 :]
    return [], rows


def _unnamed(rows: list[dict[str, Any]], said: str) -> list[dict[str, str]]:
    """Columns of lines from the top, with what is said of them so far."""
    fields = said.split(",") if said else []
    width = max((len(row["cells"]) for row in rows), default=0)
    return [{"name": "", "field": fields[at] if at < len(fields) else NOT_USED} for at in range(width)]


def _row_count(upload: dict[str, Any], rows: list[dict[str, Any]]) -> int:
    """About how many rows the file has, by the length of the first ones."""
    if len(rows) < SHOWN_ROWS:
        return len(rows)
    average = sum(sum(len(cell.encode()) + 1 for cell in row["cells"]) for row in rows) / len(rows)
    return max(len(rows), round(upload["bytes"] / average)) if average else len(rows)


def _optional(options: dict[str, Any]) -> list[str]:
    given = options.get("optional") or ""
    return given if isinstance(given, list) else [name.strip() for name in given.split(",")]
