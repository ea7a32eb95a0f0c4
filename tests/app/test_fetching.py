"""Documents from elsewhere, over real connections."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator

import pytest
import trustme
from aiohttp import web

from proxy.app.fetching import Fetcher
from proxy.errors import FetchError

AUTHORITY = trustme.CA()
PEM = AUTHORITY.cert_pem.bytes()


class Site:
    """Answers over https, and over http with what it would have said."""

    def __init__(self) -> None:
        self.seen: list[web.BaseRequest] = []
        self.url = self.plain_url = ""

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.seen.append(request)
        match request.path:
            case "/moved":
                return web.Response(status=302, headers={"Location": "/ok"})
            case "/slow":
                await asyncio.sleep(5)
            case "/endless":
                response = web.StreamResponse()
                await response.prepare(request)
                while True:
                    await response.write(b"x" * 65536)
            case "/zipped":
                return web.Response(body=b"x", headers={"Content-Encoding": "gzip"})
            case "/missing":
                return web.Response(status=404)
            case "/cookie":
                return web.Response(text="ok", headers={"Set-Cookie": "a=b"})
        return web.Response(text="ok")


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site = Site()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    AUTHORITY.issue_cert("localhost").configure_cert(context)
    runner = web.ServerRunner(web.Server(site.answer), shutdown_timeout=0.1)
    await runner.setup()
    for tls in (context, None):
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    ports = [address[1] for address in runner.addresses]
    site.url, site.plain_url = f"https://localhost:{ports[0]}", f"http://localhost:{ports[1]}"
    yield site
    await runner.shutdown()
    await runner.cleanup()


@pytest.fixture
async def fetch() -> AsyncIterator[Fetcher]:
    fetcher = Fetcher()
    yield fetcher
    await fetcher.close()


async def failure(fetch: Fetcher, url: str, **more: object) -> FetchError:
    with pytest.raises(FetchError) as caught:
        await fetch(url, **{"at_most": 1000, "within": 5.0, "authorities": PEM, **more})  # type: ignore[arg-type]
    return caught.value


async def test_a_document_is_fetched_from_a_host_that_proves_who_it_is(site: Site, fetch: Fetcher) -> None:
    document = await fetch(f"{site.url}/a%2Fb?x=%20", at_most=2, within=5.0, authorities=PEM)

    assert (b"ok", "/a%2Fb?x=%20") == (document, site.seen[0].raw_path)


@pytest.mark.parametrize(
    ("path", "status", "told"),
    [
        pytest.param("/moved", 302, "answered with 302", id="a redirect"),
        pytest.param("/missing", 404, "answered with 404", id="not there"),
        pytest.param("/endless", None, "larger than 1000 bytes", id="too much"),
        pytest.param("/zipped", None, "compressed", id="compressed"),
    ],
)
async def test_anything_but_a_small_document_is_a_failure(
    path: str, status: int | None, told: str, site: Site, fetch: Fetcher
) -> None:
    error = await failure(fetch, site.url + path)

    assert (status, True, 1) == (error.status, told in str(error), len(site.seen))


async def test_it_takes_no_longer_than_it_may(site: Site, fetch: Fetcher) -> None:
    assert "not answered within 0.1 s" in str(await failure(fetch, f"{site.url}/slow", within=0.1))


async def test_a_host_that_the_system_does_not_know_is_not_believed(site: Site, fetch: Fetcher) -> None:
    errors = [
        await failure(fetch, site.url, authorities=each) for each in (b"", trustme.CA().cert_pem.bytes())
    ]

    assert [True, True, 0] == [*("certificate" in str(each).lower() for each in errors), len(site.seen)]


async def test_a_certificate_of_another_host_is_not_believed(site: Site, fetch: Fetcher) -> None:
    await failure(fetch, site.url.replace("localhost", "127.0.0.1"))

    assert [] == site.seen


async def test_without_tls_only_what_proves_itself_is_fetched(site: Site, fetch: Fetcher) -> None:
    error = await failure(fetch, site.plain_url)

    assert ("is not https" in str(error), []) == (True, site.seen)
    assert b"ok" == await fetch(site.plain_url, at_most=2, within=5.0, plain=True)


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://localhost/x", "https:///x", "https://[::1/x", ""]
)
async def test_what_is_no_url_is_a_failure(url: str, fetch: Fetcher) -> None:
    await failure(fetch, url, plain=True)


async def test_nobody_there_is_a_failure(fetch: Fetcher) -> None:
    error = await failure(fetch, "https://127.0.0.1:1/")

    assert (None, True, False) == (error.status, "Connect call failed" in str(error), " at 0x" in str(error))


async def test_the_environment_names_no_proxy_and_cookies_are_not_kept(
    site: Site, fetch: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    for _ in range(2):
        await fetch(f"{site.url}/cookie", at_most=2, within=5.0, authorities=PEM)

    assert [None, None] == [request.headers.get("Cookie") for request in site.seen]


async def test_more_authorities_than_are_kept_are_read_again(site: Site, fetch: Fetcher) -> None:
    for number in range(20):
        await failure(fetch, "https://127.0.0.1:1/", authorities=PEM + b"\n" * number)

    assert b"ok" == await fetch(site.url, at_most=2, within=5.0, authorities=PEM)
