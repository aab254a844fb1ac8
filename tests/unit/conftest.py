"""How the properties of all unit tests are tried: without a look at the time."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# On a crowded machine one example, or the making of ten, takes as long as others want.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")
