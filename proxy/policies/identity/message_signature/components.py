"""What of a request a signature covers, and the text that is signed of it (RFC 9421, section 2)."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, urlsplit

from proxy.algorithms.structured_fields import (
    InnerList,
    Malformed,
    dictionary,
    item,
    list_,
    spelled,
    spelled_dictionary,
    spelled_list,
)

MOST_COMPONENTS = 64
_USUAL_PORTS = {"http": ":80", "https": ":443"}
_OF_FIELDS = frozenset({"sf", "bs", "key"})
_DICTIONARIES = frozenset({
    "accept-signature", "content-digest", "priority", "repr-digest", "signature", "signature-input",
    "want-content-digest", "want-repr-digest",
})  # fmt: skip
_LISTS = frozenset({"accept-ch", "cache-status", "proxy-status"})
_ITEMS = frozenset({"deprecation", "idempotency-key", "origin-agent-cluster"})
"""Fields whose type is known, which `sf` needs."""
IMPLIED = {
    "@scheme": ("@target-uri",),
    "@authority": ("@target-uri",),
    "@path": ("@target-uri", "@request-target"),
    "@query": ("@target-uri", "@request-target"),
}
"""Component -> those that have it in them."""


class NotAsAgreed(Exception):
    """The signature is not what this service expects; says what, for the log."""


class Component(NamedTuple):
    """A covered component, as `Signature-Input` names it."""

    name: str
    parameters: Mapping[str, object]
    spelled: str


@dataclass(frozen=True, slots=True)
class Message:
    """A request as its client sent it."""

    method: str
    target: str
    """Path and query, byte for byte."""
    fields: Mapping[str, Sequence[str]]
    """Lower-case name -> every value in order."""
    scheme: str
    authority: str
    prefix: str = ""
    """What the path begins with where the client sees it, and not here."""

    @property
    def path(self) -> str:
        return self.prefix + self.target.partition("?")[0]

    @property
    def query(self) -> str:
        return "?" + self.target.partition("?")[2]

    @property
    def hop_by_hop(self) -> frozenset[str]:
        """Fields that never get to the application, since `Connection` names them."""
        named = ",".join(self.fields.get("connection", ())).lower().split(",")
        return frozenset(each.strip(" \t") for each in named)

    @property
    def has_query(self) -> bool:
        return "?" in self.target


def message(
    method: str, target: str, fields: Sequence[tuple[str, str]], *, secure: bool, public_url: str | None
) -> Message:
    """Raises NotAsAgreed for what cannot be signed in one way only."""
    if not target.startswith("/"):
        raise NotAsAgreed("the target of the request is no path")
    by_name: dict[str, list[str]] = {}
    for name, value in fields:
        by_name.setdefault(name.lower(), []).append(value.strip(" \t"))
    if public_url is not None:
        parts = urlsplit(public_url)
        return Message(
            method, target, by_name, parts.scheme, _authority(parts.scheme, parts.netloc), parts.path
        )
    hosts = by_name.get("host", [])
    if len(hosts) != 1:
        raise NotAsAgreed(f"Host stands there {len(hosts)} times")
    scheme = "https" if secure else "http"
    return Message(method, target, by_name, scheme, _authority(scheme, hosts[0]))


def components_of(covered: InnerList) -> Sequence[Component]:
    """Raises NotAsAgreed where one is none, or stands twice."""
    if len(covered.items) > MOST_COMPONENTS:
        raise NotAsAgreed(f"more than {MOST_COMPONENTS} components are covered")
    found = []
    for each in covered.items:
        if type(each.value) is not str:
            raise NotAsAgreed("a component is no string")
        if each.value != each.value.lower():
            raise NotAsAgreed("a component is not in lower case")
        found.append(Component(each.value, each.parameters, spelled(each)))
    # Parameters in another order name the same component (section 2).
    if len({(each.name, frozenset(each.parameters.items())) for each in found}) < len(found):
        raise NotAsAgreed("a component is covered twice")
    return found


def signature_base(asked: Message, covered: Sequence[Component], signed: InnerList) -> bytes:
    """The text that is signed (section 2.5). Raises NotAsAgreed where a component is not there."""
    lines = [f"{each.spelled}: {_value(asked, each)}" for each in covered]
    lines.append(f'"@signature-params": {spelled(signed)}')
    text = "\n".join(lines)
    if text.count("\n") != len(covered):  # no value has a line end in it, or it could pose as another
        raise NotAsAgreed("a value has a line end in it")
    return text.encode("utf-8", "surrogateescape")


def uncovered(required: Sequence[str], covered: Sequence[Component], asked: Message) -> Sequence[str]:
    """Those that have to be covered, and are not."""
    plain = frozenset(each.name for each in covered if set(each.parameters) <= {"sf", "bs"})
    return [name for name in required if not _is_covered(name, plain, asked)]


def _is_covered(name: str, plain: frozenset[str], asked: Message) -> bool:
    if plain.intersection(IMPLIED.get(name, ())):
        return True
    if name == "@query":
        if not asked.has_query:
            return True
        if asked.query == "?":  # an empty one is signed as none is: who sees `/a?` cannot know
            return False
    return name in plain


def _value(asked: Message, component: Component) -> str:
    if component.name.startswith("@"):
        return _derived(asked, component)
    if component.name in asked.hop_by_hop:
        raise NotAsAgreed(f"Connection takes {component.name}, which is covered, out of the request")
    if set(component.parameters) - _OF_FIELDS:
        raise NotAsAgreed(f"a parameter of {component.name} is of no use here")
    values = asked.fields.get(component.name)
    if values is None:
        raise NotAsAgreed(f"the request has no {component.name}, which is covered")
    return _field(component, values)


def _derived(asked: Message, component: Component) -> str:
    if component.name == "@query-param":
        return _parameter(asked, component)
    if component.parameters:
        raise NotAsAgreed(f"{component.name} takes no parameters here")
    derive = _DERIVED.get(component.name)
    if derive is None:
        raise NotAsAgreed(f"{component.name[:40]} is no component of a request")
    return derive(asked)


def _parameter(asked: Message, component: Component) -> str:
    name = component.parameters.get("name")
    if set(component.parameters) != {"name"} or type(name) is not str:
        raise NotAsAgreed("@query-param takes a name, and nothing else here")
    pairs = parse_qsl(asked.query[1:], keep_blank_values=True, errors="surrogateescape")
    values = [value for key, value in pairs if _encoded(key) == name]
    if len(values) != 1:  # section 2.2.8: one that stands twice cannot be named
        raise NotAsAgreed(f"a covered parameter of the query stands there {len(values)} times")
    return _encoded(values[0])


def _encoded(text: str) -> str:
    """As the URL standard's form encoding has it, but `%20` for a space (section 2.2.8)."""
    return quote(text, safe="*-._", errors="surrogateescape").replace("~", "%7E")


def _field(component: Component, values: Sequence[str]) -> str:
    parameters = component.parameters
    if "bs" in parameters:
        if len(parameters) > 1 or parameters["bs"] is not True:
            raise NotAsAgreed("bs stands alone")
        return ", ".join(
            f":{b64encode(value.encode('utf-8', 'surrogateescape')).decode()}:" for value in values
        )
    joined = ", ".join(values)
    try:
        if "key" in parameters:
            return spelled(dictionary(joined)[str(parameters["key"])])
        return _strictly(component.name, joined) if "sf" in parameters else joined
    except (Malformed, KeyError):
        raise NotAsAgreed(f"{component.name} is not the structured field that is covered") from None


def _strictly(name: str, text: str) -> str:
    if name in _DICTIONARIES:
        return spelled_dictionary(dictionary(text))
    if name in _LISTS:
        return spelled_list(list_(text))
    if name in _ITEMS:
        return spelled(item(text))
    raise NotAsAgreed(f"{name} is covered with sf, and its type is not known here")


def _authority(scheme: str, host: str) -> str:
    return host.lower().removesuffix(_USUAL_PORTS[scheme])


_DERIVED: Mapping[str, Callable[[Message], str]] = {
    "@method": lambda asked: asked.method,
    "@target-uri": lambda asked: f"{asked.scheme}://{asked.authority}{asked.prefix}{asked.target}",
    "@authority": lambda asked: asked.authority,
    "@scheme": lambda asked: asked.scheme,
    "@request-target": lambda asked: asked.prefix + asked.target,
    "@path": lambda asked: asked.path,
    "@query": lambda asked: asked.query,
}
