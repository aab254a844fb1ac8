"""Every advisory lock, by its number: Postgres keeps one space of numbers for all of a database's users.

A lock is taken with `pg_advisory_lock` and its like. A new one gets the next number here, and no number is used again.
"""

from typing import Final

# One migration at a time: two at once wait for each other instead of colliding.
MIGRATIONS: Final = 7_265_110_001
# One replica of the API at a time deletes what is past its time.
RETENTION: Final = 7_265_110_004
# One redrive, deletion or clean-up of the dead letters at a time.
DEAD_LETTERS: Final = 7_265_110_005
# One process at a time decides which upload store is this system's.
UPLOAD_STORE: Final = 7_265_110_006
# Entries of the audit are committed in the order of their ids.
AUDIT: Final = 7_265_110_007
# Changes of who is suppressed come one after the other.
SUPPRESSIONS: Final = 7_265_110_008

# The first of two keys; the second is a queue's id. Senders to one lease queue take it in turn. Postgres keeps pairs of
# keys apart from the single ones above.
LEASE_QUEUE_SENDS: Final = 726_511_001
# Likewise; the second is the hash of a key's name. Uploads of one name are accepted one after the other.
STORED_SHARES: Final = 726_511_002
