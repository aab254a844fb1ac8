"""What Schemathesis loads beside the services' descriptions: a check that nothing is reached without its scope.

It runs in processes of its own. `ROLLCALL_TEST_SCOPE` says with which scope they come, and `ROLLCALL_TEST_KEYS` has a
key for each scope, as JSON.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from typing import Any, Final

import requests
import schemathesis

from tests.support.scopes import ANY_KEY, MAY, OLDER_CLIENTS, OPEN, QUEUES

NOBODY: Final = "nobody"
SCOPE: Final = os.environ["ROLLCALL_TEST_SCOPE"]
KEYS: Final[dict[str, str]] = json.loads(os.environ["ROLLCALL_TEST_KEYS"])
# How often each operation is asked with each scope that it is not for.
TIMES: Final = 2
# Nothing of the route was reached: what the server cannot read, or what is not said to be JSON, is refused before.
REFUSED_EARLIER: Final = {408, 415, 421, 431}
NO_SUCH_ROUTE: Final = {"not_found", "method_not_allowed"}
LONGEST_WAIT_SECONDS: Final = 1
NOBODYS_URL: Final = "http://127.0.0.1:9/"

_session: Final = requests.Session()
_times_asked: Counter[tuple[str, str]] = Counter()


@schemathesis.check
def reached_only_with_its_scope(
    context: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case[Any]
) -> None:
    """Neither by what was asked, nor by the same with each scope that it is not for."""
    request = response.request
    if request.method != case.operation.method.upper():
        return
    own_key = f"Bearer {KEYS.get(SCOPE)}"
    came_as = SCOPE if request.headers.get("Authorization") == own_key else NOBODY
    _require(case, came_as, response.status_code, response.content)
    for scope in (*KEYS, NOBODY):
        asked = (_operation_of(case), scope)
        if scope == SCOPE or _may(scope, case) or _times_asked[asked] >= TIMES:
            continue
        _times_asked[asked] += 1
        again = request.copy()
        again.headers.pop("Authorization", None)
        if scope != NOBODY:
            again.headers["Authorization"] = f"Bearer {KEYS[scope]}"
        answer = _session.send(again, timeout=60)
        _require(case, scope, answer.status_code, answer.content)
        described = case.operation.definition.raw["responses"]
        assert str(answer.status_code) in described, f"{answer.status_code} is not described"


@schemathesis.hook
def map_body(context: schemathesis.HookContext, body: Any) -> Any:
    """Receivers wait as long as they are told to, which nobody here has the time for. Pushes stay on this machine."""
    if not isinstance(body, dict):
        return body
    if isinstance(wait := body.get("waitSeconds"), int) and 0 <= wait <= 20:
        return {**body, "waitSeconds": min(wait, LONGEST_WAIT_SECONDS)}
    if isinstance(url := body.get("url"), str) and "//" in url:
        return {**body, "url": NOBODYS_URL}
    return body


def _require(case: schemathesis.Case[Any], scope: str, status: int, content: bytes) -> None:
    code = _code_in(content)
    if status in REFUSED_EARLIER or code in NO_SUCH_ROUTE:
        return
    with_scope = f"{_operation_of(case)} with the scope {scope}: {status} {code}"
    if _may(scope, case):
        assert status not in (401, 403) or code == "others_upload", f"not reached: {with_scope}"
    else:
        assert status == (401 if scope == NOBODY else 403), f"reached: {with_scope}"


def _may(scope: str, case: schemathesis.Case[Any]) -> bool:
    operation = _operation_of(case)
    if operation in OPEN or scope == NOBODY:
        return operation in OPEN
    if scope == "admin" or operation in ANY_KEY:
        return True
    if scope.startswith("queues:") and operation in QUEUES:
        return scope == "queues:*" or scope == f"queues:{(case.path_parameters or {}).get('queue')}"
    if scope.startswith("queues:") and operation in OLDER_CLIENTS:
        return scope in ("queues:*", "queues:default")
    return operation in MAY.get(scope, ())


def _operation_of(case: schemathesis.Case[Any]) -> str:
    return str(case.operation.definition.raw["operationId"])


def _code_in(content: bytes) -> str | None:
    try:
        document = json.loads(content)
    except ValueError:
        return None
    return document.get("code") if isinstance(document, dict) else None
