"""How much of a head is read, by what policies allow."""

from __future__ import annotations

import pytest

from proxy.app.head_caps import head_caps
from proxy.wire.serving import HeadCaps
from tests.app.trial import UPSTREAM, Files, routes


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        pytest.param(["{body: 1MiB}"], HeadCaps(), id="nothing about heads"),
        pytest.param(["{url: 8KiB, headers: 32KiB, header_count: 100}"], HeadCaps(), id="less than the caps"),
        pytest.param(
            ["{url: 100KiB}", "{headers: 200KiB}", "{header_count: 1000}"],
            HeadCaps(100 * 1024 + 64, 100 * 1024 + 64 + 200 * 1024 + 4 * 1000 + 4, 1000),
            id="the largest of each",
        ),
        pytest.param(
            ["{headers: 100KiB, mode: shadow}"],
            HeadCaps(head=16 * 1024 + 100 * 1024 + 4 * 200 + 4),
            id="a larger one in shadow",
        ),
        pytest.param(["{headers: 100KiB, mode: disabled}"], HeadCaps(), id="one that is disabled"),
    ],
)
def test_the_caps_of_heads_are_raised_to_what_policies_allow(
    files: Files, limits: list[str], expected: HeadCaps
) -> None:
    policies = {f"r{number}": f"{{size_limit: {limit}}}" for number, limit in enumerate(limits)}
    files.write(UPSTREAM + routes(**policies))

    assert expected == head_caps(files.compile().configuration)


def test_the_caps_leave_room_for_a_request_that_a_policy_just_admits(files: Files) -> None:
    files.write(UPSTREAM + routes(a="{size_limit: {url: 20kB, headers: 100kB, header_count: 300}}"))
    caps = head_caps(files.compile().configuration)
    names = [b"n" * 33] * 300
    fields = b"".join(b"%b: %b\r\n" % (name, b"v" * 300) for name in names)
    line = b"M" * 32 + b" /" + b"x" * 19_999 + b" HTTP/1.1"
    head = line + b"\r\n" + fields + b"\r\n"

    assert (True, True, True) == (
        len(line) <= caps.target,
        len(head) <= caps.head,
        len(names) <= caps.fields,
    )
