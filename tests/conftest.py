"""Hypothesis profiles: how many examples, and how many programs a machine draws."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

for name, examples in {"ci": 20, "dev": 50, "hunt": 1000}.items():
    settings.register_profile(
        name, max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
settings.load_profile("ci" if os.environ.get("CI") else "dev")
