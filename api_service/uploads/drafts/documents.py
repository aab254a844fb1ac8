"""A sample of a stored file as the API shows it."""

from typing import Any

from pydantic import Field

from api_service.http.json_model import JsonModel
from api_service.http.row_faults import RowFaultDocument
from api_service.uploads.documents import FieldSource, field_source
from api_service.uploads.drafts.sample import Sample, SampledRow
from api_service.uploads.judgement import described_problem
from api_service.uploads.report_columns import FileColumns
from shared.database.upload_layout import stored_sources
from shared.rows.employee_row import storable
from shared.rows.fields import FIELD_NAMES, FIELDS


class SampleRowDocument(JsonModel):
    """One row, and what would become of it."""

    row_number: int = Field(description="Counts the records after the header, from 1.", examples=[1])
    line_number: int = Field(description="The line of the file on which the record starts.", examples=[2])
    cells: list[str] = Field(
        description="Under `columns`, in their order.", examples=[[field.example for field in FIELDS]]
    )
    values: dict[str, str | None] | None = Field(
        description="What would be stored; null if the row would be rejected, or the columns are in doubt.",
        examples=[{field.name: field.stored_example for field in FIELDS}],
    )
    faults: list[RowFaultDocument] = Field(description="All for which the row would be rejected.")


class SampleDocument(JsonModel):
    """How the first rows of a file read. Judged from its first part: the whole file may still show another problem."""

    sheet: str | None = Field(description="The sheet of a workbook that was read.", examples=["Staff"])
    encoding: str | None = Field(description="Null if the problem leaves it unknown.", examples=["utf-8"])
    encoding_guessed: bool
    delimiter: str | None = Field(description="Null if the problem leaves it unknown.", examples=[","])
    columns: list[str] = Field(description="The header; empty if it is in doubt.", examples=[list(FIELD_NAMES)])
    header_line: int | None = Field(
        description="The line of the file that the header is on; null for a file without one.", examples=[1]
    )
    preamble: list[str] = Field(description="The lines above the header.", examples=[["Staff list, November"]])
    fields: dict[str, FieldSource] = Field(
        description="For each field the columns that it is joined from, in this order, and why these.",
        examples=[{"mobile_no": {"columns": ["Mobile Phone"], "why": "alias"}}],
    )
    rows: list[SampleRowDocument] = Field(
        description="As many as were asked for and fit into 1 MiB. Where the columns are in doubt they are the lines "
        "from the top."
    )
    problem: dict[str, Any] | None = Field(
        description="What would keep a draft with these options from being started.",
        examples=[{"code": "missing_columns", "detail": "The file has no column for mobile_no.", "errors": []}],
    )


def sample_document(sample: Sample) -> SampleDocument:
    csv_format, problem = sample.csv_format, sample.problem
    names = () if csv_format is None else csv_format.columns
    columns = FileColumns.of(names, is_sheet=sample.sheet is not None)
    return SampleDocument(
        sheet=sample.sheet,
        encoding=csv_format.encoding if csv_format else None,
        encoding_guessed=csv_format is not None and csv_format.encoding_guessed,
        delimiter=csv_format.delimiter if csv_format else None,
        columns=storable(columns.names),
        header_line=csv_format.header_line if csv_format else None,
        preamble=storable(csv_format.preamble) if csv_format else [],
        fields={}
        if csv_format is None
        else {
            name: field_source(storable(names), csv_format.layout.columns[name], stored)
            for name, stored in stored_sources(csv_format).items()
        },
        rows=[_row_document(row, columns) for row in sample.rows],
        problem=None if problem is None else described_problem(problem),
    )


def _row_document(row: SampledRow, columns: FileColumns) -> SampleRowDocument:
    outcome = row.outcome
    return SampleRowDocument(
        row_number=row.row_number,
        line_number=row.line_number,
        cells=storable(columns.own_cells(row.cells)),
        values={name: value or None for name, value in zip(FIELD_NAMES, outcome, strict=True)}
        if isinstance(outcome, tuple)
        else None,
        faults=[RowFaultDocument(code=fault.code, field=fault.field, message=fault.message) for fault in outcome]
        if isinstance(outcome, list)
        else [],
    )
