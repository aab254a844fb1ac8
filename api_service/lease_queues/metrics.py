"""The metrics of lease queues. Clients make up names without end, so only what is bounded has them as labels."""

from prometheus_client import Counter, Gauge, Histogram

MESSAGES = Counter("rollcall_api_queue_messages_total", "Messages of lease queues by what was done", ["done"])
BATCH_ITEMS = Histogram(
    "rollcall_api_queue_statement_messages",
    "Messages or receipts that shared one statement",
    ["statement"],
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000),
)
QUEUE_MESSAGES = Gauge(
    "rollcall_api_queue_depth",
    "Messages of a lease queue by state; of the first ROLLCALL_API_QUEUE_METRICS queues by name",
    ["queue", "state"],
)
QUEUE_OLDEST_SECONDS = Gauge(
    "rollcall_api_queue_oldest_seconds", "Age of the first visible message of a lease queue, if there is one", ["queue"]
)
RECEIVERS_WAITING = Gauge("rollcall_api_queue_receivers_waiting", "Receivers that wait for a message")
PUSHES = Counter(
    "rollcall_api_queue_pushes_total",
    "Requests that pushed a message, by what came of them: delivered, refused or unanswered",
    ["outcome"],
)
PUSHES_IN_HAND = Gauge("rollcall_api_queue_pushes_in_hand", "Requests that push a message and wait for their answer")
LISTENER_LOSSES = Counter(
    "rollcall_api_queue_listener_losses_total", "Times that the connection which hears of new messages was lost"
)
