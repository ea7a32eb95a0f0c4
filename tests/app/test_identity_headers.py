"""Headers that tell applications who a caller is."""

from __future__ import annotations

import pytest

from proxy.app.identity_headers import identity_headers
from tests.app.trial import UPSTREAM, Files, routes


def telling(header: str, mode: str = "enforce") -> str:
    key = f"api_key: {{keys: [{{id: a, sha256: '{'ab' * 32}'}}]}}"
    return f"{{authenticate: {{any_of: [{{{key}}}], mode: {mode}, forward: {{{header}: auth.id}}}}}}"


def test_they_are_those_of_all_routes_but_of_such_as_are_in_shadow(files: Files) -> None:
    files.write(
        UPSTREAM
        + routes(
            a=telling("X-One"),
            b=telling("X_Two", '"10%"'),
            c=telling("X-Three", "shadow"),
            d="{api_key: null}",
        )
    )

    assert {b"x-one", b"x_two"} == identity_headers(files.compile().configuration)


@pytest.mark.parametrize(("header", "forwarded"), [(None, "X-Request-ID"), ("X-Trace-Id", "x_trace_id")])
def test_the_id_of_a_request_is_none_of_them(files: Files, header: str | None, forwarded: str) -> None:
    said = "" if header is None else f"request_id: {{header: {header}}}\n"
    files.write(UPSTREAM + said + routes(a=telling(forwarded)))

    says = "this header has the id of the request; expected one of your own"
    assert [f"routes[0].policies.authenticate.forward.{forwarded}: {says}"] == [
        problem.partition(": ")[2] for problem in files.problems()
    ]
