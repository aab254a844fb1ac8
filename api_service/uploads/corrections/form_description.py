"""The form of a corrections file as the API's documents describe it."""

from __future__ import annotations

from api_service.uploads.corrections.file_correction import FIELD_NAMES
from api_service.uploads.form_description import INTAKE_BODY
from api_service.uploads.intake import FILE_FIELD

_MEDIA_TYPE = "multipart/form-data"
_OF_UPLOADS = INTAKE_BODY["content"][_MEDIA_TYPE]["schema"]["properties"]  # type: ignore[index]

CORRECTIONS_BODY = {
    "required": True,
    "content": {
        _MEDIA_TYPE: {
            "schema": {
                "type": "object",
                "required": [FILE_FIELD],
                "properties": {
                    FILE_FIELD: {
                        "type": "string",
                        "format": "binary",
                        "description": "The upload's `rejects.csv`, corrected; also packed with gzip, or a workbook.",
                    },
                    **{name: _OF_UPLOADS[name] for name in sorted(FIELD_NAMES)},
                },
            }
        }
    },
}
