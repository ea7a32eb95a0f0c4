"""Files of secrets that every user of the machine can read.

Not told of are `/run/secrets` and what the kubelet mounts: whoever could read those is in the
container already, and their files are readable to all by default.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from proxy.config.configuration import Configuration
from proxy.config.hidden import parts
from proxy.config.nodes import Node
from proxy.config.shapes import SecretShape, Shape, struct_shape
from proxy.config.typed import located

MOUNTED = ("/run/secrets/", "/var/run/secrets/")


def exposed_secrets(configuration: Configuration) -> Iterator[tuple[Node, str]]:
    """Where such a file is named, and what to do."""
    nodes = [
        node
        for policy in configuration.instances()
        for node in _named(struct_shape(type(policy.config)), policy.node)
    ]
    for name in configuration.upstreams:
        upstream = located(configuration.sections["upstreams"], name)
        key = located(upstream, "tls.client_cert.key_file")
        if configuration.upstreams[name].tls is not None and key.step == "key_file":
            nodes.append(key)
    for node in dict.fromkeys(nodes):
        path = node.source.directory / str(node.value)
        if _readable_to_all(path):
            yield node, "every user of this machine can read this file; expected its mode to be 0600 or 0640"


def _named(shape: Shape, node: Node) -> Iterator[Node]:
    """The `file` of every secret in `node`."""
    if isinstance(shape, SecretShape):
        if isinstance(node.value, dict) and "file" in node.value:
            yield node.value["file"]
        return
    for inner, child in parts(shape, node):
        if inner.secret:
            yield from _named(inner, child)


def _readable_to_all(path: Path) -> bool:
    try:
        real = Path(os.path.realpath(path))
        if str(real).startswith(MOUNTED) or any(part.startswith("..") for part in real.parts):
            return False
        reachable = all(folder.stat().st_mode & stat.S_IXOTH for folder in real.parents)
        return reachable and bool(real.stat().st_mode & stat.S_IROTH)
    except OSError:
        return False
