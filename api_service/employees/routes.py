"""The routes under /v1/employees."""

from typing import Annotated, Literal, NamedTuple, TypedDict
from urllib.parse import parse_qsl
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute
from starlette.types import Scope

from api_service.employees.dependencies import EmployeeListingDep
from api_service.employees.documents import EmployeeDocument, delete_employee
from api_service.employees.export import export_csv
from api_service.employees.history import EmployeeHistory, read_history
from api_service.employees.listing import EmployeeListing, EmployeePage, PageTooDeep
from api_service.employees.search_term import SearchTerm, TermTooVague, parse_search_term
from api_service.http.csv_download import stream_csv
from api_service.http.cursors import BIGINT_MAX
from api_service.http.dependencies import EngineDep
from api_service.http.direct_route import DirectRoute
from api_service.http.disconnect import cancel_on_disconnect
from api_service.http.json_response import json_response
from api_service.http.memory import MemoryDep
from api_service.http.pagination import PAGING_PARAMETERS, Listing, PagingDep, plain_paging
from api_service.http.problems import DATABASE_PROBLEMS, Problem, ProblemCode, problem_responses
from shared.database.tables import SEARCHED

router = APIRouter(prefix="/v1", tags=["employees"])

EmployeeId = Annotated[int, Path(ge=1, le=BIGINT_MAX, description="The employee's id.", examples=[42])]

SearchText = Annotated[
    str,
    Query(
        alias="searchTerm",
        description=f"Part of {' or '.join(field.name for field in SEARCHED)}, in any case. One or two characters that "
        "begin with a letter or digit are looked for at the start of words only, and any other term needs a letter or "
        "digit after its first character. `%`, `_` and `\\` mean themselves.",
        examples=["asha"],
    ),
]
Left = Annotated[
    Literal["include"] | None,
    Query(description="Employees with a `leftAt` too, whom an upload with `absent=deactivate` did not name."),
]


class EmployeeKey(NamedTuple):
    """The content of this list's cursors."""

    id: int


@router.get(
    "/employees",
    summary="Employees by id, all or those that a term matches",
    operation_id="listEmployees",
    response_model=Listing[EmployeeDocument],
    responses=problem_responses(
        ProblemCode.INVALID_REQUEST,
        ProblemCode.INVALID_CURSOR,
        ProblemCode.PAGE_TOO_DEEP,
        ProblemCode.SEARCH_TERM_TOO_VAGUE,
        ProblemCode.UNKNOWN_UPLOAD,
        ProblemCode.DATABASE_BUSY,
    ),
)
async def get_employees(
    request: Request,
    listing: EmployeeListingDep,
    paging: PagingDep,
    search_text: SearchText = "",
    upload_id: Annotated[
        UUID | None,
        Query(
            alias="uploadId", description="Only those that stand as that upload left them: no later one changed them."
        ),
    ] = None,
    left: Left = None,
) -> Response:
    """`totalData` is exact without a term, and with one up to 10,000 matches; beyond that it is an estimate.

    A search that has looked at a million rows answers what it found by then, be it less than `limit`; `nextCursor`
    goes on from there.
    """
    after = paging.after(EmployeeKey)
    term = _searched_term(search_text)
    part = _Part(
        after=after.id if after else 0,
        offset=paging.offset,
        limit=paging.limit + 1,
        with_left=left == "include",
    )
    finding = listing.page(term, **part) if upload_id is None else _page_of_upload(listing, upload_id, term, part)
    try:
        # Who types on gives up one search for the next: it leaves the line. A plain list is through before it could.
        is_short = term is None and upload_id is None
        page = await (finding if is_short else cancel_on_disconnect(request, finding, watch_from=listing.slow_searches))
    except PageTooDeep:
        detail = "Too many matches lie before this page to count them off: follow nextCursor from the first page."
        raise Problem(ProblemCode.PAGE_TOO_DEEP, detail) from None
    return paging.answer(
        page.employees,
        page.total,
        key=lambda employee: EmployeeKey(employee["id"]),
        resume_after=EmployeeKey(page.resume_after) if page.resume_after is not None else None,
    )


@router.get(
    "/employees.csv",
    summary="All employees, or those that a term matches, as CSV",
    operation_id="exportEmployees",
    response_class=StreamingResponse,
    responses={
        200: {"content": {"text/csv": {}}, "description": "UTF-8, with a header line"},
        **problem_responses(
            ProblemCode.INVALID_REQUEST,
            ProblemCode.SEARCH_TERM_TOO_VAGUE,
            ProblemCode.SERVICE_BUSY,
            ProblemCode.DATABASE_BUSY,
        ),
    },
)
async def get_employees_csv(
    listing: EmployeeListingDep, memory: MemoryDep, search_text: SearchText = "", left: Left = None
) -> Response:
    """Cells that a spreadsheet would run as a formula begin with `'`, which an upload here takes off again.

    With `left=include` there is a column `left_at`, too.
    """
    exported = export_csv(listing, _searched_term(search_text), with_left=left == "include")
    return await stream_csv(exported, "employees.csv", memory.downloads)


@router.get(
    "/employees/{employee_id}",
    summary="One employee",
    operation_id="getEmployee",
    response_model=EmployeeDocument,
    responses=problem_responses(ProblemCode.INVALID_REQUEST, ProblemCode.UNKNOWN_EMPLOYEE, ProblemCode.DATABASE_BUSY),
)
async def get_employee(listing: EmployeeListingDep, employee_id: EmployeeId) -> Response:
    found = await listing.one(employee_id)
    if found is None:
        raise _unknown_employee()
    return json_response(found)


@router.get(
    "/employees/{employee_id}/history",
    summary="What an employee was before uploads replaced it",
    description="The latest first, without what it is now: the values that each upload found and replaced, and which "
    "upload and row they had come from. They are kept for as long as the replacing upload can be undone.",
    operation_id="getEmployeeHistory",
    responses=problem_responses(ProblemCode.INVALID_REQUEST, ProblemCode.UNKNOWN_EMPLOYEE, *DATABASE_PROBLEMS),
)
async def get_employee_history(engine: EngineDep, employee_id: EmployeeId) -> EmployeeHistory:
    async with engine.connect() as connection:
        history = await read_history(connection, employee_id)
    if history is None:
        raise _unknown_employee()
    return history


@router.delete(
    "/employees/{employee_id}",
    summary="Delete one employee",
    operation_id="deleteEmployee",
    status_code=204,
    responses=problem_responses(ProblemCode.INVALID_REQUEST, ProblemCode.UNKNOWN_EMPLOYEE, ProblemCode.DATABASE_BUSY),
)
async def remove_employee(engine: EngineDep, employee_id: EmployeeId) -> Response:
    """The counts of the upload that it came from stay as they are."""
    async with engine.begin() as connection:
        deleted = await delete_employee(connection, employee_id)
    if not deleted:
        raise _unknown_employee()
    return Response(status_code=204)


class _Part(TypedDict):
    after: int
    offset: int
    limit: int
    with_left: bool


async def _page_of_upload(
    listing: EmployeeListing, upload_id: UUID, term: SearchTerm | None, part: _Part
) -> EmployeePage:
    page = await listing.page_of_upload(upload_id, term, **part)
    if page is None:
        raise Problem(ProblemCode.UNKNOWN_UPLOAD, "No upload has this id; it may have been deleted.")
    return page


def _searched_term(text: str) -> SearchTerm | None:
    try:
        return parse_search_term(text)
    except TermTooVague:
        detail = "Add a letter or digit to the search term, after its first character: punctuation alone fits too many."
        raise Problem(ProblemCode.SEARCH_TERM_TOO_VAGUE, detail) from None


def _unknown_employee() -> Problem:
    return Problem(ProblemCode.UNKNOWN_EMPLOYEE, "No employee has this id; the list at /v1/employees has all.")


_LISTING = "/v1/employees"
_LISTING_PARAMETERS = PAGING_PARAMETERS | {"searchTerm"}


def _listing_arguments(scope: Scope) -> dict[str, object] | None:
    """None for parameters that are not plainly right: the declared route says what is wrong with them."""
    if scope["path"] != _LISTING:
        return None
    parameters = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    if not _LISTING_PARAMETERS.issuperset(name for name, _ in parameters):
        return None
    try:
        paging = plain_paging(_LISTING, parameters)
    except Problem:
        return None
    return None if paging is None else {"paging": paging, "search_text": dict(parameters).get("searchTerm", "")}


DIRECT_ROUTES: list[BaseRoute] = [
    DirectRoute(route, _listing_arguments)
    for route in router.routes
    if isinstance(route, APIRoute) and route.endpoint is get_employees
]
