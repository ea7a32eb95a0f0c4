"""What all tests share."""

from __future__ import annotations

import os
import sys

# Tests start hundreds of Pythons, and each would compile all of Seawall anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

from hypothesis import settings  # noqa: E402  # it is large, too

# No test depends on the machine's speed. In CI every run tries the same examples, so that a red
# one says something about the change; at a desk each run tries others.
settings.register_profile("desk", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "desk")
