"""Set the response headers that make browsers strict, and remove those that give software away.

```yaml
security_headers:
  preset: owasp-api
  set: {Referrer-Policy: strict-origin-when-cross-origin}
  remove: [X-Powered-By]
```

**Presets.**

- `helmet`: what the Node library helmet does to 13 headers by default: it sets 12, and
  removes `X-Powered-By`. For sites whose pages load their scripts from themselves.
- `owasp`: what the OWASP Secure Headers Project proposes (`headers_add.json` and
  `headers_remove.json`, 13 September 2026); removes its 88 names, from `Server` to
  `X-ruxit-JS-Agent`. It is strict: other origins can neither embed the site nor load from
  it, and nothing is cached. `Clear-Site-Data`, also on that list, is not in the preset,
  since it logs out whoever receives it: set it on the route of your logout.
- `owasp-api`: the same with a `Content-Security-Policy` for answers that are no pages,
  `default-src 'none'; frame-ancestors 'none'`.
- `none`: only what `set` and `remove` say.

**What the client sees.** Every response has these headers: the upstream's, refusals and
failures. A header that is set here *replaces* the upstream's own, as `proxy_hide_header`
with `add_header` does in nginx, so that what is written here is what arrives. To keep a
stricter value of an application's own, use `preset: none` there, or set that value.
`set` wins over the preset, and `remove` wins over the preset too; the same name in both
is refused at load.

`Strict-Transport-Security` is sent over plain http too: TLS usually ends before us, and
browsers ignore it on http (RFC 6797, section 8.1).

**State.** None, and nothing that could fail.

**Hardened against.** Headers that frame a message or belong to one connection
(`Content-Length`, `Connection` and so on) can be neither set nor removed: that would let
one response be read as two.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta, field

from proxy.config.schema import PolicyConfig
from proxy.config.units import HeaderName, HeaderValue
from proxy.exchange import Exchange, Response
from proxy.headers import HeaderBlock
from proxy.policy import Services

REASONS = ()

_FRAMING = frozenset(
    (
        "connection",
        "content-length",
        "keep-alive",
        "proxy-authenticate",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)


@dataclass(frozen=True, slots=True)
class _Preset:
    fields: dict[str, str]
    removed: tuple[str, ...] = ()


_HELMET = _Preset(
    {
        "Content-Security-Policy": (
            "default-src 'self';base-uri 'self';font-src 'self' https: data:;form-action 'self';"
            "frame-ancestors 'self';img-src 'self' data:;object-src 'none';script-src 'self';"
            "script-src-attr 'none';style-src 'self' https: 'unsafe-inline';upgrade-insecure-requests"
        ),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Origin-Agent-Cluster": "?1",
        "Referrer-Policy": "no-referrer",
        "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
        "X-Content-Type-Options": "nosniff",
        "X-DNS-Prefetch-Control": "off",
        "X-Download-Options": "noopen",
        "X-Frame-Options": "SAMEORIGIN",
        "X-Permitted-Cross-Domain-Policies": "none",
        "X-XSS-Protection": "0",
    },
    removed=("X-Powered-By",),
)

_OWASP = _Preset(
    {
        "Cache-Control": "no-store, max-age=0",
        "Content-Security-Policy": (
            "default-src 'self'; form-action 'self'; base-uri 'self'; object-src 'none'; "
            "frame-ancestors 'none'; upgrade-insecure-requests"
        ),
        "Cross-Origin-Embedder-Policy": "require-corp",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": (
            "accelerometer=(), autoplay=(), camera=(), cross-origin-isolated=(), display-capture=(), "
            "encrypted-media=(), fullscreen=(), geolocation=(), gyroscope=(), keyboard-map=(), "
            "magnetometer=(), microphone=(), midi=(), payment=(), picture-in-picture=(), "
            "publickey-credentials-get=(), screen-wake-lock=(), sync-xhr=(self), usb=(), web-share=(), "
            "xr-spatial-tracking=(), clipboard-read=(), clipboard-write=(), gamepad=(), hid=(), "
            "idle-detection=(), interest-cohort=(), serial=(), unload=()"
        ),
        "Referrer-Policy": "no-referrer",
        "Strict-Transport-Security": "max-age=63072000; includeSubDomains",
        "X-Content-Type-Options": "nosniff",
        "X-DNS-Prefetch-Control": "off",
        "X-Frame-Options": "deny",
        "X-Permitted-Cross-Domain-Policies": "none",
    },
    removed=tuple(
        """
        $wsep Host-Header K-Proxy-Request Liferay-Portal OracleCommerceCloud-Version Pega-Host
        Powered-By Product Server SourceMap TeamCity-Node-Id X-AspNet-Version X-AspNetMvc-Version
        X-Atmosphere-error X-Atmosphere-first-request X-Atmosphere-tracking-id X-B3-ParentSpanId
        X-B3-Sampled X-B3-SpanId X-B3-TraceId X-BEServer X-Backside-Transport X-CF-Powered-By X-CMS
        X-CalculatedBETarget X-Cocoon-Version X-Content-Encoded-By X-Datadog-Origin
        X-Datadog-Parent-Id X-Datadog-Sampling-Priority X-Datadog-Tags X-Datadog-Trace-Id
        X-DiagInfo X-Envoy-Attempt-Count X-Envoy-External-Address X-Envoy-Internal
        X-Envoy-Original-Dst-Host X-Envoy-Upstream-Service-Time X-FEServer X-Framework
        X-Generated-By X-Generator X-Gitlab-Meta X-Jitsi-Release X-Joomla-Version
        X-Kong-Admin-Latency X-Kong-Client-Latency X-Kong-Proxy-Latency X-Kong-Request-Id
        X-Kong-Response-Latency X-Kong-Third-Party-Latency X-Kong-Total-Latency
        X-Kong-Upstream-Latency X-Kong-Upstream-Status X-Kubernetes-PF-FlowSchema-UI
        X-Kubernetes-PF-PriorityLevel-UID X-LiteSpeed-Cache X-LiteSpeed-Purge X-LiteSpeed-Tag
        X-LiteSpeed-Vary X-Litespeed-Cache-Control X-Mod-Pagespeed X-Nextjs-Cache
        X-Nextjs-Matched-Path X-Nextjs-Page X-Nextjs-Redirect X-OWA-Version X-Old-Content-Length
        X-OneAgent-JS-Injection X-Page-Speed X-Php-Version X-Powered-By X-Powered-By-Plesk
        X-Powered-CMS X-Redirect-By X-Server-Powered-By X-SourceFiles X-SourceMap
        X-Turbo-Charged-By X-Tyk-Trace-Id X-Umbraco-Version X-Varnish-Backend X-Varnish-Server
        X-Woodpecker-Version X-dtAgentId X-dtHealthCheck X-dtInjectedServlet X-ruxit-JS-Agent
        """.split()  # noqa: SIM905  # so many quotes would bury the names
    ),
)

_OWASP_API = _Preset(
    {**_OWASP.fields, "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'"}, _OWASP.removed
)

_PRESETS = {"helmet": _HELMET, "owasp": _OWASP, "owasp-api": _OWASP_API, "none": _Preset({})}


class SecurityHeadersConfig(PolicyConfig, frozen=True, kw_only=True):
    """See the module's docstring."""

    preset: Annotated[
        Literal["helmet", "owasp", "owasp-api", "none"],
        Meta(description="Which set of headers to start from; see above for what is in each."),
    ]
    set_: Annotated[
        dict[HeaderName, HeaderValue],
        Meta(description="Headers with their values, over those of the preset and of the upstream."),
    ] = field(name="set", default_factory=dict)
    remove: Annotated[
        tuple[HeaderName, ...],
        Meta(description="Headers that no response has, besides those that the preset removes."),
    ] = ()

    def check(self) -> Iterator[tuple[str, str]]:
        """No name twice, and none that is not a policy's to change."""
        removed = {name.lower() for name in self.remove}
        seen = set()
        for name in self.set_:
            if name.lower() in seen:
                yield f"set.{name}", f"{name} stands here twice, in different spellings; expected it once"
            if name.lower() in removed:
                yield f"set.{name}", f"{name} stands under `remove` too; expected it in one of the two"
            seen.add(name.lower())
        places = [(f"set.{name}", name) for name in self.set_]
        places += [(f"remove[{index}]", name) for index, name in enumerate(self.remove)]
        for place, name in places:
            if name.lower() in _FRAMING:
                yield place, f"{name} frames one message or connection; expected one that a policy may change"


class SecurityHeaders:
    """See the module's docstring."""

    def __init__(self, config: SecurityHeadersConfig, services: Services) -> None:  # noqa: ARG002  # same for all
        preset = _PRESETS[config.preset]
        removed = {name.lower() for name in config.remove}
        fields = {**_by_lower_name(preset.fields.items()), **_by_lower_name(config.set_.items())}
        kept = dict(field for name, field in fields.items() if name not in removed)
        self._block = HeaderBlock(kept, (*preset.removed, *removed))

    def on_response(self, exchange: Exchange, response: Response) -> None:  # noqa: ARG002  # the hook's shape
        response.headers.stamp(self._block)


def _by_lower_name(fields: Iterable[tuple[str, str]]) -> dict[str, tuple[str, str]]:
    return {name.lower(): (name, value) for name, value in fields}
