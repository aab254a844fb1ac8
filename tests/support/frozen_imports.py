"""Imported last by the process that services are forked from: their collector walks over nothing that it imported, and
writes into none of those pages, which each service would have to copy.
"""

import gc

gc.collect()
gc.freeze()
