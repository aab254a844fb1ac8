"""What became of a row, as the API shows it."""

from pydantic import Field

from api_service.http.json_model import JsonModel
from api_service.http.row_faults import RowFaultDocument
from api_service.uploads.report_columns import FileColumns
from api_service.uploads.results.fates import Outcome
from api_service.uploads.results.results import Result
from shared.rows.fields import FIELDS


class ResultDocument(JsonModel):
    """One row of the file, and its outcome."""

    row_number: int = Field(description="Counts the records after the header, from 1.", examples=[17])
    line_number: int = Field(description="The line of the file on which the record starts.", examples=[18])
    outcome: Outcome = Field(examples=["duplicate"])
    faults: list[RowFaultDocument] = Field(description="All that is wrong with a rejected row.", examples=[[]])
    same_as: str | None = Field(
        description="What stands instead of a duplicate, as far as it still does: a row of this upload, or an employee "
        "that was there before or came from elsewhere; with the name, but of a row of a preview.",
        examples=["row 3: Asha Rao"],
    )
    corrected: bool = Field(description="Whether the row was corrected: then `cells` are those of its correction.")
    cells: list[str] = Field(examples=[[field.example for field in FIELDS]])


def result_document(result: Result, columns: FileColumns) -> ResultDocument:
    return ResultDocument(
        row_number=result.row_number,
        line_number=result.line_number,
        outcome=result.outcome,
        faults=result.faults,
        same_as=result.same_as,
        corrected=result.is_corrected,
        cells=columns.own_cells(result.cells),
    )
