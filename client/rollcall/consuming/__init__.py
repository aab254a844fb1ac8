"""Working through a lease queue: leases that are extended, acknowledged after the work, given back when it failed."""
