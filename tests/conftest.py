"""What all tests share."""

from __future__ import annotations

import os

from hypothesis import settings

# No test depends on the machine's speed. In CI every run tries the same examples, so that a red
# one says something about the change; at a desk each run tries others.
settings.register_profile("desk", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "desk")
