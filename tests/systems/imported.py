"""Imports all that the tests over real sockets need, as pytest does; `apart` forks what did it."""

from __future__ import annotations

import contextlib
import io

import pytest

from tests.systems.pages import SYSTEMS, tests_of

with contextlib.redirect_stdout(io.StringIO()):
    pytest.main(
        ["-q", "-p", "no:cacheprovider", "--collect-only", *(str(tests_of(each)) for each in SYSTEMS)]
    )
