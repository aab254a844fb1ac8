"""Rules of the architecture that imports do not show, so that import-linter cannot hold them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SERVICES = ("api_service", "producer_service", "consumer_service", "shared")

SETTLING = frozenset({"ack", "nack", "reject"})
ENDING = frozenset({"begin", "commit", "rollback"})


def modules(*packages: str) -> Iterator[Path]:
    for package in packages:
        yield from sorted((ROOT / package).rglob("*.py"))


def called_method(node: ast.AST) -> ast.Attribute | None:
    return node.func if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else None


def settlements(source: str) -> list[int]:
    """The lines that settle a message. They are awaited, which tells them from other methods of these names."""
    awaited = (node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Await))
    methods = (called_method(node) for node in awaited)
    return [method.lineno for method in methods if method is not None and method.attr in SETTLING]


def foreign_transactions(source: str) -> list[int]:
    """The lines of functions that begin or end a transaction on a connection that they were given."""
    return [
        method.lineno
        for function in ast.walk(ast.parse(source))
        if isinstance(function, ast.AsyncFunctionDef)
        for given in [_given_connections(function)]
        for method in map(called_method, ast.walk(function))
        if method is not None
        and method.attr in ENDING
        and isinstance(method.value, ast.Name)
        and method.value.id in given
    ]


def _given_connections(function: ast.AsyncFunctionDef) -> set[str]:
    parameters = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    return {
        parameter.arg
        for parameter in parameters
        if parameter.annotation is not None and "AsyncConnection" in ast.unparse(parameter.annotation)
    }


@pytest.mark.slow
def test_messages_are_settled_in_one_place_and_where_the_dead_letters_are_turned() -> None:
    settling = {str(path.relative_to(ROOT)) for path in modules(*SERVICES) if settlements(path.read_text())}
    # import-linter holds who may use the first.
    assert settling == {"shared/amqp/acknowledgement.py", "api_service/dead_letters/rotation.py"}


@pytest.mark.slow
def test_whoever_opens_a_connection_owns_its_transaction() -> None:
    offending = {
        str(path.relative_to(ROOT)): lines
        for path in modules(*SERVICES)
        if (lines := foreign_transactions(path.read_text()))
    }
    assert offending == {}


@pytest.mark.parametrize("call", ["message.ack()", "message.nack(requeue=True)", "self._message.reject()"])
def test_a_settlement_is_seen(call: str) -> None:
    assert settlements(f"async def settle():\n    await {call}\n") == [2]


@pytest.mark.parametrize("call", ["await connection.commit()", "connection.begin()", "await connection.rollback()"])
def test_the_end_of_a_foreign_transaction_is_seen(call: str) -> None:
    assert foreign_transactions(f"async def insert(connection: AsyncConnection, *, id: int):\n    {call}\n") == [2]


def test_a_transaction_of_ones_own_and_a_savepoint_are_no_offence() -> None:
    source = """
async def take(engine: AsyncEngine):
    async with engine.connect() as connection:
        await connection.commit()

async def write(connection: AsyncConnection):
    async with connection.begin_nested():
        pass
"""
    assert foreign_transactions(source) == []
