"""Imported last by the process that services are forked from: their collector walks over nothing that it imported, and
writes into none of those pages, which each service would have to copy.

Not `leave_startup_objects_alone`, which does it once a process: each service still calls that for what it makes itself.
"""

import gc

gc.collect()
gc.freeze()
