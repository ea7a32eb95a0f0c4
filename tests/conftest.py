"""What all tests share."""

from __future__ import annotations

from hypothesis import settings

# No test depends on the machine's speed.
settings.register_profile("seawall", deadline=None)
settings.load_profile("seawall")
