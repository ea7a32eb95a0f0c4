"""Tokens of an issuer that publishes its keys over https, from the policy file to the answer."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trustme
from aiohttp import web

from tests.app.served import served
from tests.app.trial import Files
from tests.policies.identity.tokens import a_key, jwk, jwks, token
from tests.wire.harness import RawUpstream, until


class Issuer:
    """Publishes what it is told to, and counts who asks."""

    def __init__(self) -> None:
        self.published = jwks(jwk(a_key("rsa"), "r1"))
        self.asked = 0
        self.port = 0

    async def answer(self, _: web.BaseRequest) -> web.Response:
        self.asked += 1
        return web.Response(body=self.published)

    @asynccontextmanager
    async def open(self, tls: ssl.SSLContext) -> AsyncIterator[None]:
        runner = web.ServerRunner(web.Server(self.answer))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self.port, ssl_context=tls).start()
        self.port = runner.addresses[0][1]
        try:
            yield
        finally:
            await runner.cleanup()


def signed(kid: str = "r1", number: int = 1) -> str:
    now = int(time.time())
    return token(alg="RS256", key=a_key("rsa", number), kid=kid, iat=now, exp=now + 60)


async def test_a_token_passes_and_keys_survive_a_reload_and_follow_the_issuer(
    files: Files, upstream: RawUpstream
) -> None:
    authority, issuer = trustme.CA(), Issuer()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(str(files.folder / "ca.pem"))
    async with issuer.open(context):
        files.write(
            f'version: 1\nupstreams: {{app: {{url: "http://127.0.0.1:{upstream.port}"}}}}\n'
            "routes:\n  - name: api\n    match: {path: /api}\n    policies:\n      jwt:\n"
            "        {issuer: https://id.example, audience: tickets, algorithms: [RS256], jwks: "
            f'{{url: "https://localhost:{issuer.port}/jwks", ca_file: ca.pem, unknown_kid_every: 1s}}}}\n'
        )
        async with served(files) as running:

            async def ask(shown: str) -> tuple[int, str]:
                answer = await running.client.get("/api", headers={"Authorization": f"Bearer {shown}"})
                return answer.status_code, answer.json()["reason"] if answer.status_code != 200 else ""

            async def in_the_end(shown: str) -> tuple[int, str]:
                for _ in range(500):
                    answer = await ask(shown)
                    if answer == (200, ""):
                        break
                    await asyncio.sleep(0.02)
                return answer

            await until(lambda: issuer.asked == 1)
            first = await in_the_end(signed())
            wrong = await ask(signed(number=2))
            await running.proxy.reload()
            kept = await ask(signed()), issuer.asked
            issuer.published = jwks(jwk(a_key("rsa"), "r1"), jwk(a_key("rsa", 2), "r2"))
            rotated = await in_the_end(signed("r2", 2))
            asked = issuer.asked
    assert ((200, ""), (401, "jwt.invalid"), ((200, ""), 1)) == (first, wrong, kept)
    assert ((200, ""), 2) == (rotated, asked)
