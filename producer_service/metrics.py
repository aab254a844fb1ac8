"""The producer's metrics."""

from prometheus_client import Counter, Gauge

UPLOADS_IN_PROGRESS = Gauge("rollcall_producer_uploads_in_progress", "Uploads that this producer works on.")
UPLOADS_FINISHED = Counter("rollcall_producer_uploads_finished_total", "Uploads by final state.", ["status"])
CHUNKS_PUBLISHED = Counter("rollcall_producer_chunks_published_total", "Chunks that the broker confirmed.")
CHUNKS_REPUBLISHED = Counter("rollcall_producer_chunks_republished_total", "Chunks sent again for lack of an answer.")
CHUNKS_FOUND_DONE = Counter(
    "rollcall_producer_chunks_found_done_total", "Chunks that the ledger, not a reply, showed as done."
)
DEAD_CHUNKS = Counter(
    "rollcall_producer_dead_chunks_total", "What the broker dead-lettered at the delivery limit.", ["outcome"]
)
NEWER_REPLIES = Counter(
    "rollcall_producer_newer_replies_total", "Replies and announcements ignored because a newer release wrote them."
)
LATE_REPLIES = Counter("rollcall_producer_late_replies_total", "Replies that nobody waited for any more.")
LEASES_LOST = Counter("rollcall_producer_leases_lost_total", "Uploads given up because another producer had them.")
