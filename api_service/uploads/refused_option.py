"""How an option of an upload is refused."""

from __future__ import annotations

from typing import NoReturn

from api_service.http.problems import Problem, ProblemCode


def refuse_option(name: str, detail: str) -> NoReturn:
    """Raises `Problem` invalid_request; `detail` goes on after the option's name."""
    raise Problem(
        ProblemCode.INVALID_REQUEST,
        f"The field {name} {detail}.",
        errors=[{"location": f"body.{name}", "detail": detail}],
    )
