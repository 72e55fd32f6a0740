"""Of what hypothesis invents nothing is judged by its time: a busy machine is no failure."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("vramwise", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("vramwise")
