"""The passwords that services' users are to have, as an operator gives them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TypeVar

from shared.service.secret_files import secret_from_file

Service = TypeVar("Service", bound=str)


def given_passwords(services: Iterable[Service], variable_of: str) -> dict[Service, str]:
    """By service, each from the variable that `variable_of` makes of its name, or its file.

    Raises `ValueError`, which names what is missing.
    """
    passwords = {}
    for service in services:
        variable = variable_of.format(service.upper())
        password = secret_from_file(variable) or os.environ.get(variable)
        if not password:
            raise ValueError(f"Set {variable} or {variable}_FILE: the password that rollcall_{service} is to have.")
        passwords[service] = password
    return passwords
