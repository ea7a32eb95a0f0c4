"""The shapes in a policy file that are not policies. The loader fills in the policies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from msgspec import Meta, field

from proxy.config.health import CheckConfig, HealthCheckConfig
from proxy.config.patterns import (
    ExactPath,
    HostPattern,
    LoggedField,
    Method,
    Name,
    PathPattern,
    ReasonCode,
)
from proxy.config.rehearsals import PolicyTest, RehearsalSecrets
from proxy.config.schema import Schema
from proxy.config.units import Duration, FilePath, HeaderName, HeaderValue, Network
from proxy.config.upstream_url import UpstreamUrl

Problems = Iterator[tuple[str, str]]
"""Of a schema's `check`: which field, and what is wrong with it."""


class PolicyUses:
    """Kind -> a name, a mapping, or a list of either. The loader types it, since it knows the kinds."""


class PolicyDefinitions:
    """Kind -> name -> a mapping. The loader types it, since it knows the kinds."""


class PoolConfig(Schema, frozen=True, kw_only=True):
    """Connections to one upstream."""

    max_connections: Annotated[
        int, Meta(ge=1, le=65535, description="Open at once; further requests wait for one.")
    ] = 100
    idle_timeout: Annotated[
        Duration,
        Meta(description="An unused connection is closed after this; with 0s, each request has its own."),
    ] = Duration(30)
    wait: Annotated[
        Duration, Meta(description="How long a request waits for a connection before its 503.")
    ] = Duration(1)


class ClientCertConfig(Schema, frozen=True, kw_only=True):
    """What Seawall shows to an upstream that asks who calls."""

    cert_file: Annotated[FilePath, Meta(description="Certificate chain, PEM.")]
    key_file: Annotated[FilePath, Meta(description="Private key, PEM.")]


class UpstreamTlsConfig(Schema, frozen=True, kw_only=True):
    """How an https upstream proves who it is."""

    ca_file: Annotated[
        FilePath | None,
        Meta(
            description="Authorities to trust, PEM; the system's where absent, or those of `SSL_CERT_FILE`."
        ),
    ] = None
    client_cert: Annotated[ClientCertConfig | None, Meta(description="Mutual TLS.")] = None
    server_name: Annotated[
        str | None,
        Meta(
            min_length=1,
            max_length=253,
            description="Name in SNI and certificate; the url's host where absent.",
        ),
    ] = None
    verify: Annotated[
        bool,
        Meta(
            description="`false` trusts any certificate, so that anybody on the way can read and change all."
        ),
    ] = True


class UpstreamConfig(Schema, frozen=True, kw_only=True):
    """What is called."""

    url: Annotated[
        UpstreamUrl,
        Meta(description="`http://host:port`, `https://host`, `unix:/path`; of `app`, `--upstream` may say."),
    ]
    pool: Annotated[PoolConfig, Meta(description="Connections to it.")] = PoolConfig()
    tls: Annotated[
        UpstreamTlsConfig | None, Meta(description="For https: what to trust, and what to show.")
    ] = None
    health_check: Annotated[
        HealthCheckConfig | None, Meta(description="Asks it by itself whether it is well.")
    ] = None

    def check(self) -> Problems:
        """TLS belongs to https."""
        if self.tls is not None and self.url.scheme != "https":
            yield "tls", f"`tls` says nothing about {self.url}; expected an https url beside it"


class ClientsConfig(Schema, frozen=True, kw_only=True):
    """Who the clients are."""

    trusted_proxies: Annotated[
        tuple[Network, ...],
        Meta(description="Whose X-Forwarded-* and request ids are believed; nobody's where absent."),
    ] = ()
    ipv6_prefix: Annotated[
        int,
        Meta(ge=32, le=128, description="Bits of an IPv6 address by which limits tell clients apart."),
    ] = 64


class RequestIdConfig(Schema, frozen=True, kw_only=True):
    """The id that log, upstream and client see."""

    header: Annotated[HeaderName, Meta(description="Where it comes in and goes out.")] = HeaderName(
        "X-Request-ID"
    )
    accept: Annotated[
        Literal["trusted", "never"],
        Meta(description="Whose ids are kept: those of `clients.trusted_proxies`, or nobody's."),
    ] = "trusted"


_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class MetricsConfig(Schema, frozen=True, kw_only=True):
    """What Prometheus sees."""

    namespace: Annotated[
        str,
        Meta(
            pattern="^[a-zA-Z_][a-zA-Z0-9_]*$",
            max_length=64,
            description="First part of every metric's name.",
        ),
    ] = "seawall"
    path: Annotated[
        ExactPath | None,
        Meta(description="Answer here on the data port too; on the status port only where absent."),
    ] = None
    buckets: Annotated[
        tuple[Duration, ...],
        Meta(min_length=1, max_length=64, description="Upper bounds of the duration histogram, ascending."),
    ] = tuple(Duration(seconds) for seconds in _BUCKETS)

    def check(self) -> Problems:
        """A histogram counts upwards."""
        if list(self.buckets) != sorted(set(self.buckets)):
            yield "buckets", "the bounds do not ascend; expected each to be longer than the one before it"


class HealthConfig(Schema, frozen=True, kw_only=True):
    """What else is looked at, and health on the data port, for who cannot reach the status port."""

    paths: Annotated[
        dict[ExactPath, Literal["details", "readiness", "liveness"]],
        Meta(description="Path -> what it answers, before any routing."),
    ] = field(default_factory=dict)
    checks: Annotated[
        dict[Name, CheckConfig], Meta(description="What Seawall looks at by itself, each under a name.")
    ] = field(default_factory=dict)


class LogConfig(Schema, frozen=True, kw_only=True):
    """What logs, decisions and the audit log say."""

    redact: Annotated[
        tuple[LoggedField, ...],
        Meta(
            max_length=64,
            description="Shown as `***`: client.ip, auth.id, path.NAME, query:NAME, and header:NAME where"
            " a decision quotes it. What looks secret never shows.",
        ),
    ] = ()


class JsonTemplate(Schema, frozen=True, kw_only=True):
    """A refusal's body as JSON."""

    json: Annotated[
        Any, Meta(description="The body, as YAML; its texts may hold `{{ request_id }}` and the like.")
    ]
    content_type: Annotated[HeaderValue, Meta(description="Content-Type of the response.")] = HeaderValue(
        "application/json"
    )


class TextTemplate(Schema, frozen=True, kw_only=True):
    """A refusal's body as text."""

    text: Annotated[str, Meta(description="The body; it may hold `{{ request_id }}` and the like.")]
    content_type: Annotated[HeaderValue, Meta(description="Content-Type of the response.")] = HeaderValue(
        "text/plain; charset=utf-8"
    )


class ErrorsConfig(Schema, frozen=True, kw_only=True):
    """What refusals look like."""

    expose_detail: Annotated[
        bool, Meta(description="Show the cause, meant for the log, to clients as well: for development only.")
    ] = False
    templates: Annotated[
        dict[ReasonCode, JsonTemplate | TextTemplate],
        Meta(description="Reason -> the body to send instead of problem+json."),
    ] = field(default_factory=dict)


class MatchConfig(Schema, frozen=True, kw_only=True):
    """Which requests belong to a route. All conditions must hold; the most specific route wins."""

    path: Annotated[
        PathPattern,
        Meta(
            description="Decoded; exact, with `{param}` for a segment, or ending in `/**`. In braces: quoted."
        ),
    ]
    methods: Annotated[tuple[Method, ...], Meta(description="Any where absent.")] = ()
    hosts: Annotated[
        tuple[HostPattern, ...], Meta(description="Any where absent; `*.example.com` for those below.")
    ] = ()
    headers: Annotated[dict[HeaderName, HeaderValue], Meta(description="Header -> the exact value.")] = field(
        default_factory=dict
    )
    query: Annotated[dict[str, str], Meta(description="Parameter -> the exact value.")] = field(
        default_factory=dict
    )


class RouteEntry(Schema, frozen=True, kw_only=True):
    """A match and the policies for it, as it stands in the file."""

    name: Annotated[Name, Meta(description="In metrics, logs and the names of state.")]
    enabled: Annotated[
        bool, Meta(description="`false`: as if it were not there, and its secrets may be missing.")
    ] = True
    match: Annotated[MatchConfig, Meta(description="Which requests belong to it.")]
    upstream: Annotated[Name | None, Meta(description="May be left out where there is one.")] = None
    policies: Annotated[
        PolicyUses | None,
        Meta(description="Kind -> a name, a mapping, or a list; null removes what `defaults` say."),
    ] = None


class PolicyFile(Schema, frozen=True, kw_only=True):
    """One policy file. Keys that start with `x-` are free, for anchors."""

    version: Annotated[Literal[1], Meta(description="Of this format.")]
    clients: Annotated[ClientsConfig | None, Meta(description="Who the clients are.")] = None
    upstreams: Annotated[dict[Name, UpstreamConfig], Meta(description="What is called.")] = field(
        default_factory=dict
    )
    request_id: Annotated[RequestIdConfig | None, Meta(description="The id of a request.")] = None
    metrics: Annotated[MetricsConfig | None, Meta(description="What Prometheus sees.")] = None
    health: Annotated[HealthConfig | None, Meta(description="Health on the data port.")] = None
    log: Annotated[LogConfig | None, Meta(description="What logs say.")] = None
    errors: Annotated[ErrorsConfig | None, Meta(description="What refusals look like.")] = None
    policies: Annotated[
        PolicyDefinitions | None, Meta(description="Defined once, used by name; state belongs to the name.")
    ] = None
    defaults: Annotated[PolicyUses | None, Meta(description="Under every route of this file.")] = None
    no_route: Annotated[
        PolicyUses | None,
        Meta(
            description="What responses without a route carry; security_headers with owasp-api where absent."
        ),
    ] = None
    routes: Annotated[
        tuple[RouteEntry, ...], Meta(description="In any order; the most specific match wins.")
    ] = ()
    tests: Annotated[
        tuple[PolicyTest, ...], Meta(description="What `seawall test` plays, on a clock of its own.")
    ] = ()
    test_secrets: Annotated[
        RehearsalSecrets | None, Meta(description="What stands for secrets there, and nowhere else.")
    ] = None
