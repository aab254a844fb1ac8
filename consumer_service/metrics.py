"""The consumer's metrics. No label holds anything out of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import Counter, Histogram

if TYPE_CHECKING:
    from shared.messages import ChunkReply

CHUNK_SECONDS = Histogram(
    "rollcall_consumer_chunk_seconds",
    "From the delivery of a request to its acknowledgement.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
ROWS = Counter("rollcall_consumer_rows_total", "Rows by what became of them.", ["outcome"])
PREVIEWED = Counter("rollcall_consumer_previewed_rows_total", "Rows that were checked for a preview.")
REJECTED = Counter("rollcall_consumer_rejected_rows_total", "Rejected rows by code.", ["code"])
MALFORMED = Counter("rollcall_consumer_malformed_messages_total", "Messages that were no requests.")
NEWER = Counter("rollcall_consumer_newer_messages_total", "Messages given back because a newer release wrote them.")
HOLDS = Counter("rollcall_consumer_holds_total", "Times that consuming paused because the database was away or failed.")
HUNG_ROWS = Counter("rollcall_consumer_hung_rows_total", "Rows that took too long, each a death of its consumer.")
CONFLICTS = Counter("rollcall_consumer_conflicts_total", "Transactions retried after a deadlock or a lock time-out.")
REPLIES_DROPPED = Counter("rollcall_consumer_replies_dropped_total", "Replies that no callback queue took.")


def count_rows(reply: ChunkReply) -> None:
    counts = reply.counts
    ROWS.labels("inserted").inc(counts.inserted)
    ROWS.labels("updated").inc(counts.updated)
    ROWS.labels("duplicate").inc(counts.duplicates)
    ROWS.labels("rejected").inc(counts.rejected)
    for code, number in counts.rejected_by.items():
        REJECTED.labels(code).inc(number)


def count_previewed_rows(reply: ChunkReply) -> None:
    PREVIEWED.inc(reply.row_count)
