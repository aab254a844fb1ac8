"""`rollcall queue`: lease queues over HTTP."""

from __future__ import annotations

import base64
import json
import secrets
import sys
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from rollcall.command import parameters as of
from rollcall.command.exit_codes import Ended, Exit
from rollcall.command.run import Run, subcommand

if TYPE_CHECKING:
    from rollcall import NewMessage, QueueState, RedriveTask, Subscription

app = typer.Typer(help="Lease queues: send, receive, acknowledge, and look into them.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="QUEUE", help="The queue's name.")]
Receipt = Annotated[str, typer.Argument(metavar="RECEIPT", help="As `receive` printed it.")]
MessageId = Annotated[int, typer.Argument(metavar="ID", min=1, help="As `send` printed it.")]
State = Annotated[
    Literal["visible", "inFlight", "delayed", "blocked", "dead"] | None,
    typer.Option(help="Only messages in this state."),
]


@subcommand(app, "list")
def list_queues(run: Run, limit: of.Limit = None) -> None:
    """List the queues with their messages by state."""
    names = ("name", "visible", "in_flight", "delayed", "dead", "oldest_age_seconds")
    run.out.list(
        run.client.queues(),
        [name.replace("_", " ") for name in names],
        lambda each: [getattr(each, name) for name in names],
        limit=limit,
        what="queues",
    )


@subcommand(app)
def send(
    run: Run,
    queue: Name,
    payloads: Annotated[
        list[str], typer.Argument(metavar="PAYLOAD…", help="JSON, else a text; - takes one a line from standard input.")
    ],
    delay: Annotated[int | None, typer.Option(min=0, help="Seconds before they can be received.")] = None,
    group: Annotated[str | None, typer.Option(help="Of a group one at a time is leased, in order.")] = None,
    priority: Annotated[int | None, typer.Option(min=0, max=9, help="Higher comes first.")] = None,
    header: Annotated[list[str] | None, typer.Option(help="NAME=VALUE, comes back as sent; several times.")] = None,
) -> None:
    """Send messages; prints their ids once they are durable."""
    from rollcall.models import NewMessage

    if wrong := [each for each in header or () if "=" not in each]:
        raise typer.BadParameter(f"{wrong[0]}: say NAME=VALUE", param_hint="--header")
    headers = dict(each.partition("=")[::2] for each in header or ()) or None
    batch: list[NewMessage] = []
    for text in _texts(payloads):
        batch.append(
            NewMessage(_payload(text), delay_seconds=delay, group_id=group, priority=priority, headers=headers)
        )
        if len(batch) == 1000:
            _send(run, queue, batch)
            batch = []
    if batch:
        _send(run, queue, batch)


@subcommand(app)
def receive(
    run: Run,
    queue: Name,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="So many at most.")] = 1,
    wait: Annotated[int, typer.Option(min=0, max=20, help="Seconds to wait for one where there is none.")] = 0,
    lease: Annotated[int | None, typer.Option(min=1, max=43200, help="Seconds of the lease; else the queue's.")] = None,
    consumer: Annotated[str | None, typer.Option(help="Who receives, for whoever looks into the queue.")] = None,
    ack: Annotated[bool, typer.Option(help="Acknowledge them as soon as they are printed.")] = False,
) -> None:
    """Lease messages and print each with its receipt; ends with 1 when there was none."""
    messages = run.client.queue(queue).receive(
        limit, wait_seconds=wait, visibility_timeout_seconds=lease, consumer_id=consumer
    )
    run.out.rows(
        messages,
        ("receipt", "payload"),
        lambda each: (each.receipt, json.dumps(each.payload, ensure_ascii=False)),
        what="messages",
    )
    sys.stdout.flush()
    if ack and messages:
        run.client.queue(queue).acknowledge_many(messages)
    if not messages:
        raise Ended(Exit.FAILED)


@subcommand(app)
def ack(run: Run, queue: Name, receipts: Annotated[list[str], typer.Argument(metavar="RECEIPT…")]) -> None:
    """Say that messages are done; they go."""
    lost = []
    for begin in range(0, len(receipts), 1000):
        outcomes = run.client.queue(queue).acknowledge_many(receipts[begin : begin + 1000])
        run.out.rows(outcomes, ("receipt", "outcome"), lambda each: (each.receipt, each.outcome), what="receipts")
        lost += [each for each in outcomes if each.outcome != "acknowledged"]
    if lost:
        raise Ended(Exit.REFUSED)


@subcommand(app)
def extend(
    run: Run,
    queue: Name,
    receipt: Receipt,
    seconds: Annotated[int, typer.Argument(min=0, max=43200, help="From now on; 0 gives it back.")],
) -> None:
    """Keep a message for longer, or give it back."""
    lease = run.client.queue(queue).extend(receipt, seconds)
    run.out.item(lease, [("receipt", lease.receipt), ("until", f"{lease.lease_expires_at.astimezone():%H:%M:%S}")])


@subcommand(app)
def peek(run: Run, queue: Name, state: State = None, limit: of.Limit = None) -> None:
    """Look at messages without leasing them."""
    run.out.list(
        run.client.queue(queue).peek(state=state),
        ("id", "state", "received", "consumer", "payload"),
        lambda each: (
            each.id,
            each.state,
            each.receive_count,
            each.consumer_id,
            json.dumps(each.payload, ensure_ascii=False),
        ),
        limit=limit,
        what="messages",
    )


@subcommand(app)
def stats(run: Run, queue: Name) -> None:
    """Show how many messages are in each state, and the queue's settings."""
    _say(run, run.client.queue(queue).stats())


@subcommand(app)
def configure(
    run: Run,
    queue: Name,
    max_receives: Annotated[
        int | None, typer.Option(min=1, help="Received so often without an acknowledgement, a message is dead.")
    ] = None,
    lease: Annotated[int | None, typer.Option(min=1, max=43200, help="Seconds of a lease, if none is said.")] = None,
    deduplication: Annotated[int | None, typer.Option(min=1, help="Seconds that an id is remembered.")] = None,
    retention: Annotated[int | None, typer.Option(min=0, help="Seconds that messages are kept; 0: for good.")] = None,
    dead_letter_queue: Annotated[
        str | None, typer.Option(help="Where dead messages move to; none if it is empty.")
    ] = None,
) -> None:
    """Set a queue's settings, or make it with them; what is not said stays."""
    from rollcall.problem_codes import UnknownQueue

    said: dict[str, Any] = {
        "max_receives": max_receives,
        "visibility_timeout_seconds": lease,
        "deduplication_seconds": deduplication,
    }
    settings = {name: value for name, value in said.items() if value is not None}
    if retention is not None:
        settings["retention_seconds"] = retention or None
    if dead_letter_queue is not None:
        settings["dead_letter_queue"] = dead_letter_queue or None
    try:
        state = run.client.queue(queue).change(**settings)
    except UnknownQueue:
        state = run.client.queue(queue).configure(**settings)
    _say(run, state)


@subcommand(app)
def pause(run: Run, queue: Name) -> None:
    """Hand nothing out until it is resumed; sends go on."""
    _say(run, run.client.queue(queue).change(paused=True))


@subcommand(app)
def resume(run: Run, queue: Name) -> None:
    """Hand messages out again."""
    _say(run, run.client.queue(queue).change(paused=False))


@subcommand(app)
def show(run: Run, queue: Name, message_id: MessageId) -> None:
    """Show one message without leasing it."""
    message = run.client.queue(queue).message(message_id)
    names = ("id", "state", "receive_count", "consumer_id", "group_id", "priority", "headers")
    payload = json.dumps(message.payload, ensure_ascii=False)
    run.out.item(message, [*((name.replace("_", " "), getattr(message, name)) for name in names), ("payload", payload)])


@subcommand(app)
def cancel(run: Run, queue: Name, message_ids: Annotated[list[int], typer.Argument(metavar="ID…")]) -> None:
    """Take messages out of the line that nobody works on."""
    for message_id in message_ids:
        run.client.queue(queue).cancel(message_id)
        run.out.note(f"Cancelled {message_id}.")


@subcommand(app)
def delete(
    run: Run,
    queue: Name,
    if_empty: Annotated[bool, typer.Option("--if-empty", help="Only if there is no message in it.")] = False,
) -> None:
    """Delete a queue with its messages and settings."""
    removed = run.client.queue(queue).delete(if_empty=if_empty).removed
    run.out.item({"removed": removed}, [("removed", removed)])


@subcommand(app)
def subscribe(
    run: Run,
    queue: Name,
    endpoint: Annotated[str, typer.Argument(metavar="URL", help="Where messages are POSTed to.")],
    secret_file: Annotated[
        typer.FileText | None,
        typer.Option(help="Holds the secret to sign with; - is standard input. Without it a new one is made."),
    ] = None,
) -> None:
    """Push a queue's messages to a URL; a secret that is made for it is printed this once."""
    secret = _new_secret() if secret_file is None else secret_file.read().strip()
    found = run.client.queue(queue).subscribe(endpoint, secret)
    if secret_file is not None:
        _say_subscription(run, found)
    elif run.out.as_json:
        run.out.json({"secret": secret})
    else:
        print(secret)
        run.out.note("What is pushed is signed with it. Nobody can ask for it again.")


@subcommand(app)
def subscription(run: Run, queue: Name) -> None:
    """Show where a queue's messages are pushed to, and how that goes."""
    _say_subscription(run, run.client.queue(queue).subscription())


@subcommand(app)
def unsubscribe(run: Run, queue: Name) -> None:
    """Push no more of a queue's messages; they stay."""
    run.client.queue(queue).unsubscribe()
    run.out.note(f"Nothing of {queue} is pushed any more.")


@subcommand(app)
def purge(run: Run, queue: Name, state: State = None) -> None:
    """Delete a queue's messages, or those in one state."""
    removed, is_complete = 0, False
    while not is_complete:
        purged = run.client.queue(queue).purge(state=state)
        removed, is_complete = removed + purged.removed, purged.complete
    run.out.item({"removed": removed}, [("removed", removed)])


@subcommand(app)
def redrive(
    run: Run,
    queue: Name,
    ids: Annotated[list[int] | None, typer.Option("--id", help="Only this message; several times.")] = None,
    to: Annotated[str | None, typer.Option(help="Into another queue.")] = None,
    rate: Annotated[int | None, typer.Option(min=1, max=1000, help="So many a second; it goes on by itself.")] = None,
) -> None:
    """Let dead messages be received again."""
    if rate is not None:
        if ids:
            raise typer.BadParameter("cannot come with --id", param_hint="--rate")
        _say_task(run, run.client.queue(queue).redrive_slowly(rate, to=to))
        return
    redriven, is_complete = 0, False
    while not is_complete:
        moved = run.client.queue(queue).redrive(ids=ids or None, to=to)
        redriven, is_complete = redriven + moved.redriven, moved.complete
    run.out.item({"redriven": redriven}, [("redriven", redriven)])


@subcommand(app)
def job(
    run: Run,
    queue: Name,
    job_id: Annotated[str, typer.Argument(metavar="JOB", help="Of `redrive --rate`.")],
    stop: Annotated[bool, typer.Option("--cancel", help="Stop it: what is not back stays dead.")] = False,
) -> None:
    """Show how far a slow redrive is, or stop it."""
    of_queue = run.client.queue(queue)
    _say_task(run, of_queue.cancel_redrive(job_id) if stop else of_queue.redrive_task(job_id))


def _send(run: Run, queue: str, batch: list[NewMessage]) -> None:
    ids = run.client.queue(queue).send_many(batch)
    run.out.rows(ids, ("id",), lambda each: (each,), what="messages")


def _texts(payloads: list[str]) -> Any:
    for payload in payloads:
        if payload == "-":
            yield from (line.rstrip("\n") for line in sys.stdin if line.strip())
        else:
            yield payload


def _payload(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _say(run: Run, state: QueueState) -> None:
    counts = ("name", "visible", "in_flight", "delayed", "blocked", "dead", "oldest_age_seconds")
    settings = ("max_receives", "visibility_timeout_seconds", "deduplication_seconds", "retention_seconds")
    names = (*counts, *settings, "dead_letter_queue", "paused")
    run.out.item(state, [(name.replace("_", " "), getattr(state, name)) for name in names])


def _new_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def _say_subscription(run: Run, found: Subscription) -> None:
    names = ("url", "state", "delivered", "failed", "last_status", "last_error", "failing_since")
    run.out.item(found, [(name.replace("_", " "), getattr(found, name)) for name in names])


def _say_task(run: Run, task: RedriveTask) -> None:
    names = ("id", "state", "rate", "to", "redriven")
    run.out.item(task, [(name, getattr(task, name)) for name in names])
