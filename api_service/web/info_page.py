"""Pages for a browser: /info shows the lease queues and their messages."""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse

from api_service.http.pagination import MAX_PAGE
from api_service.http.problems import DATABASE_PROBLEMS, ProblemCode, problem_responses
from api_service.lease_queues import queue_queries
from api_service.lease_queues.messages import DEFAULT_QUEUE, MAX_PAYLOAD_BYTES, QUEUE_NAME_PATTERN
from api_service.lease_queues.routes.dependencies import LeaseQueuesDep
from api_service.web.queues_page import QueuesPage, render

# One of the two servers whose addresses the older clients know had this page.
router = APIRouter(tags=["lease queues for older clients"])

ROWS_A_PAGE = 50
HEADERS = {
    "Cache-Control": "no-store",
    # Payloads come from anybody: whatever got past the escaping would find nothing that it may load or run.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'",
}


@router.get(
    "/info",
    summary="Queues and their messages, as a page for a browser",
    operation_id="showQueues",
    response_class=HTMLResponse,
    responses=problem_responses(ProblemCode.INVALID_REQUEST, *DATABASE_PROBLEMS),
)
async def show_queues(
    queues: LeaseQueuesDep,
    queue: Annotated[str, Query(pattern=QUEUE_NAME_PATTERN, description="Whose messages are shown.")] = DEFAULT_QUEUE,
    page: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 1,
    queues_page: Annotated[int, Query(alias="queuesPage", ge=1, le=MAX_PAGE)] = 1,
) -> HTMLResponse:
    # One row more than is shown says whether there is another page.
    limit = ROWS_A_PAGE + 1
    async with queues.inspecting() as connection:
        listed = await queue_queries.list_queues(
            connection, after="", offset=(queues_page - 1) * ROWS_A_PAGE, limit=limit
        )
        queue_id = await queue_queries.queue_id(connection, queue)
        messages = await queue_queries.list_messages(
            connection,
            queue_id or 0,
            None,
            after=0,
            offset=(page - 1) * ROWS_A_PAGE,
            limit=limit,
            # Pages that are numbered cannot end early.
            max_bytes=limit * MAX_PAYLOAD_BYTES,
        )
    shown = QueuesPage(queue, page, queues_page, listed, messages.rows, ROWS_A_PAGE)
    return HTMLResponse(render(shown), headers=HEADERS)
