"""The form of an upload as the API's documents describe it, and what a file is refused with."""

from __future__ import annotations

from api_service.uploads.absent_options import DEACTIVATE, DEFAULT_AT_MOST
from api_service.uploads.intake import FILE_FIELD
from shared.duplicate_mode import DEFAULT_DUPLICATE_MODE, DUPLICATE_MODES
from shared.errors import FileCode
from shared.rows.fields import FIELD_NAMES, FIELDS

FILE_REFUSALS = (
    FileCode.EMPTY_FILE,
    FileCode.NOT_CSV,
    FileCode.DAMAGED_FILE,
    FileCode.TOO_LARGE_UNPACKED,
    FileCode.UNKNOWN_SHEET,
    FileCode.UNKNOWN_ENCODING,
    FileCode.WRONG_ENCODING,
    FileCode.ENCODING_UNCLEAR,
    FileCode.INVALID_DELIMITER,
    FileCode.INVALID_MAPPING,
    FileCode.MISSING_COLUMNS,
    FileCode.AMBIGUOUS_COLUMNS,
    FileCode.UNKNOWN_COLUMN,
    FileCode.UNLIKELY_COLUMNS,
    FileCode.NO_HEADER,
    FileCode.HEADER_TOO_LONG,
    FileCode.UNCLOSED_QUOTE,
)
_CAN_BE_OPTIONAL = [field.name for field in FIELDS if field.optional_in]
INTAKE_BODY = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": [FILE_FIELD],
                "properties": {
                    FILE_FIELD: {
                        "type": "string",
                        "format": "binary",
                        "description": "The CSV, also packed with gzip; "
                        "or a workbook (.xlsx, .xlsm, .xlsb, .xls, .ods).",
                    },
                    "onDuplicate": {
                        "type": "string",
                        "enum": list(DUPLICATE_MODES),
                        "default": DEFAULT_DUPLICATE_MODE,
                        "description": "What an email that is known already does.",
                    },
                    "delimiter": {
                        "type": "string",
                        "description": "One character, or comma, semicolon, tab, pipe. Found out if not given.",
                        "examples": [";"],
                    },
                    "encoding": {
                        "type": "string",
                        "description": "As programs name it. Found out if not given, or asked for with "
                        "`encoding_unclear`; `guess` takes the likeliest without asking.",
                        "examples": ["cp1252", "guess"],
                    },
                    "header": {
                        "type": "string",
                        "enum": ["auto", "present", "absent"],
                        "default": "auto",
                        "description": f"`absent`: the columns are {', '.join(FIELD_NAMES)}. `present` says too that "
                        "the columns are what they are called, whatever their cells look like.",
                    },
                    "headerLine": {
                        "type": "integer",
                        "minimum": 1,
                        "description": "The line of the file that the header is on, if it is not to be looked for.",
                        "examples": [4],
                    },
                    "mapping": {
                        "type": "string",
                        "description": "JSON: field to column name, or to names that are joined with a space.",
                        "examples": ['{"employee_name": ["First", "Last"], "mobile_no": "Cell"}'],
                    },
                    "sheet": {
                        "type": "string",
                        "description": "Of a workbook: the name of the sheet, or its number from 1. The first that is "
                        "shown if not given.",
                        "examples": ["Staff"],
                    },
                    "columns": {
                        "type": "string",
                        "description": "Of a file without a header: the fields in its order, or the parts of a name, "
                        "with - for a column that is none of them.",
                        "examples": ["-,email,first name,last name,mobile_no,company_name"],
                    },
                    "optional": {
                        "type": "string",
                        "description": "Fields that the file may lack and whose cells may be empty, separated by "
                        f"commas: {', '.join(_CAN_BE_OPTIONAL)}. Nobody is inserted without a name, so "
                        "`employee_name` can be optional with `onDuplicate=update` alone. There an empty cell keeps "
                        "what is stored.",
                        "examples": ["mobile_no,company_name"],
                    },
                    "escape": {
                        "type": "string",
                        "enum": ["backslash"],
                        "description": "How the file writes a quote inside a quoted cell, if it does not double it.",
                    },
                    "start": {
                        "type": "string",
                        "enum": ["now", "draft"],
                        "default": "now",
                        "description": "`draft`: the file is stored and judged, and nothing is done with it before it "
                        "is started.",
                    },
                    "absent": {
                        "type": "string",
                        "enum": [DEACTIVATE],
                        "description": "The file names everybody of `absentScope`: after all its rows went in, whom it "
                        "does not name gets `leftAt`. Nobody, if they are more than `absentAtMost`, or if the email of "
                        "a rejected row cannot be read. An undo takes it back.",
                    },
                    "absentScope": {
                        "type": "string",
                        "description": "Whose employees `absent` is about: those of this company, whatever the case of "
                        "its letters, or `all`.",
                        "examples": ["Initech"],
                    },
                    "absentAtMost": {
                        "type": "string",
                        "default": DEFAULT_AT_MOST,
                        "description": "Of the employees who were in the scope before, so many may be lacking: a count "
                        "or a share. Past it the upload ends `partially_succeeded`, `too_many_absent`.",
                        "examples": ["10%", "25"],
                    },
                    "maxRejects": {
                        "type": "integer",
                        "minimum": 0,
                        "description": "Past so many rejected rows the upload ends `failed`, `too_many_rejects`: rows "
                        "that are in stay in, the rest is `unprocessed`. The service has a default and a largest "
                        "number; 0 ends it at the first.",
                        "examples": [100],
                    },
                },
            }
        }
    },
}
