"""How much memory the container has in use, as the kubelet counts it; the machine, where it has no limit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple


class Memory(NamedTuple):
    """In bytes."""

    used: int
    limit: int
    of: str
    """Whose limit it is, for people."""


class _Version(NamedTuple):
    """How one version of cgroups names things."""

    mount: str
    limit: str
    usage: str
    cache: str
    """Of `memory.stat`: what the kernel gives up before anything has to die."""


_V2 = _Version("sys/fs/cgroup", "memory.max", "memory.current", "inactive_file")
_V1 = _Version(
    "sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
)
_NO_LIMIT = 1 << 60
"""Version 1 has no word for it, but a number that no machine has."""


def memory(root: Path = Path("/")) -> Memory:
    """Of the tightest control group that this process is in. Raises OSError or ValueError."""
    limited = list(_limited(root))
    return min(limited, key=lambda each: each.limit - each.used) if limited else _machine(root)


def _limited(root: Path) -> Iterator[Memory]:
    for version, group in _groups(root):
        mount = root / version.mount
        # In a container the group's own path may not be there: its folder is the mount itself.
        for folder in (mount / group, *(mount / group).parents):
            if not folder.is_relative_to(mount):
                break
            with suppress(OSError, ValueError):  # no limit, or not its root, or not ours to see
                yield _of_group(folder, version)


def _groups(root: Path) -> Iterator[tuple[_Version, str]]:
    for line in (root / "proc/self/cgroup").read_text(encoding="ascii", errors="replace").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            yield _V2, path.lstrip("/")
        elif "memory" in controllers.split(","):
            yield _V1, path.lstrip("/")


def _of_group(folder: Path, version: _Version) -> Memory:
    """Raises ValueError where it has no limit."""
    limit = int((folder / version.limit).read_text(encoding="ascii"))
    if limit >= _NO_LIMIT:
        raise ValueError("no limit")
    used = int((folder / version.usage).read_text(encoding="ascii"))
    stat = _numbers(folder / "memory.stat")
    return Memory(max(used - stat.get(version.cache, 0), 0), limit, "the container's limit")


def _machine(root: Path) -> Memory:
    found = _numbers(root / "proc/meminfo")
    total = found["MemTotal:"] * 1024
    return Memory(total - found["MemAvailable:"] * 1024, total, "the machine's memory")


def _numbers(path: Path) -> dict[str, int]:
    """Lines of a name and a number."""
    lines = (line.split() for line in path.read_text(encoding="ascii").splitlines())
    return {line[0]: int(line[1]) for line in lines if len(line) > 1}
