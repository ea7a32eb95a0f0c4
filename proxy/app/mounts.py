"""What the kernel says of where a path is mounted: whether changes there can be seen at all.

From /proc/self/mountinfo (proc_pid_mountinfo(5)); where that is missing, nothing is known.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

_TELLING = frozenset(
    ("bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "jfs", "ramfs", "reiserfs", "tmpfs", "xfs", "zfs")
)
"""File systems of which inotify sees every change. Of what comes over a network, from a host into its
virtual machine, or through an overlay, it sees only what this kernel does itself."""
_OCTAL = re.compile(r"\\([0-7]{3})")
_KUBELET = re.compile(r"/\.\.\d{4}_\d\d_\d\d_")
"""A folder such as `..2026_01_31_12_00_00.123456789`, which the kubelet replaces with each change."""


class Mount(NamedTuple):
    """One line of the table."""

    point: Path
    root: str
    """What of the file system is mounted there."""
    filesystem: str


def mounts(table: Path = Path("/proc/self/mountinfo")) -> list[Mount]:
    """Every mount that this process sees, in the order in which they were made."""
    try:
        lines = table.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        mounted, separator, source = line.partition(" - ")
        fields = mounted.split()
        if separator and len(fields) > 4:
            found.append(Mount(Path(_plain(fields[4])), _plain(fields[3]), source.partition(" ")[0]))
    return found


def all_telling(folders: Sequence[Path], table: Sequence[Mount]) -> bool:
    """inotify sees every change in each of `folders`, which are free of symbolic links."""
    found = [_mount_of(folder, table) for folder in folders]
    return all(mount is not None and mount.filesystem in _TELLING for mount in found)


def never_updated(path: Path, table: Sequence[Mount]) -> str:
    """Why changes of `path` will not get here, for the operator; empty where they do."""
    try:
        real = path.resolve()
    except (OSError, RuntimeError):  # a loop of symbolic links
        return ""
    mount = _mount_of(real, table)
    if mount is None:
        return ""
    if _KUBELET.search(mount.root):
        return (
            f"{path} is mounted by `subPath`, which Kubernetes never updates: a change of its ConfigMap or "
            "Secret is not seen before the pod is restarted; mount the volume as a folder, without `subPath`"
        )
    if mount.point == real and real.is_file():
        return (
            f"{path} is a mount of its own: it is seen when somebody writes into that file, and not when it "
            "is replaced by another, as most editors and every deployment do; mount its folder instead"
        )
    return ""


def _mount_of(path: Path, table: Sequence[Mount]) -> Mount | None:
    around = {path, *path.parents}
    holding = [mount for mount in table if mount.point in around]
    # Of mounts on one point, the last one hides the others.
    return max(reversed(holding), key=lambda mount: len(mount.point.parts), default=None)


def _plain(field: str) -> str:
    return _OCTAL.sub(lambda found: chr(int(found[1], 8)), field)
