"""What the library raises becomes an error of the broker's, and a cancellation stays one."""

from __future__ import annotations

import asyncio

import pytest
from aiormq.exceptions import AMQPConnectionError

from shared.amqp.connection import BrokerUnavailable, broker_errors


@pytest.mark.parametrize("error", [AMQPConnectionError(), ConnectionResetError(), TimeoutError()])
async def test_errors_of_the_library_are_the_brokers(error: Exception) -> None:
    with pytest.raises(BrokerUnavailable, match="cannot connect"), broker_errors("cannot connect"):
        raise error


async def test_cancellation_of_a_stuck_connection_is_not_this_tasks() -> None:
    with pytest.raises(BrokerUnavailable), broker_errors("cannot connect"):
        raise asyncio.CancelledError


async def test_task_that_is_cancelled_ends_whatever_the_library_makes_of_it() -> None:
    async def connect_for_ever() -> None:
        while True:
            try:
                with broker_errors("cannot connect"):
                    await _made_an_error_of_the_broker()
            except BrokerUnavailable:
                await asyncio.sleep(0)

    task = asyncio.create_task(connect_for_ever())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task}, timeout=5)
    assert task.cancelled()


async def _made_an_error_of_the_broker() -> None:
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError as error:
        raise AMQPConnectionError from error
