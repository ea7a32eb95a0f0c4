"""Documents from elsewhere, such as keys and certificates: handed in, like time.

Policies know no HTTP client; they ask for a document, and say how large it may be and how
long it may take.
"""

from __future__ import annotations

from typing import NoReturn, Protocol

from proxy.errors import FetchError


class Fetch(Protocol):
    """Gets documents; the server must prove who it is."""

    async def __call__(
        self, url: str, *, at_most: int, within: float, authorities: bytes = b"", plain: bool = False
    ) -> bytes:
        """What a GET of `url` answers, with 200 and nothing else: redirects are not followed.

        At most `at_most` bytes, in at most `within` seconds. `authorities` are certificates in PEM that
        are trusted instead of the system's. The url is https; `plain` allows http, for what
        proves itself, such as a certificate. Raises FetchError.
        """
        ...


async def offline(
    url: str, *, at_most: int, within: float, authorities: bytes = b"", plain: bool = False
) -> NoReturn:
    """Where nothing is fetched: in rehearsals, and in tests that say nothing else."""
    del at_most, within, authorities, plain
    raise FetchError(f"{url} is not fetched: nothing is, in a rehearsal")
