"""What is mounted where decides whether a change can be seen, and whether it ever comes."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.app.mounts import all_telling, mounts, never_updated

HEAD = """\
22 1 254:0 / / rw,relatime - overlay overlay rw,lowerdir=/a
23 22 0:21 / /proc rw - proc proc rw
24 22 254:1 /data /data rw,relatime shared:1 - ext4 /dev/vdb rw
25 24 0:30 / /data/share rw - nfs4 server:/export rw
26 24 0:31 / /data/with\\040space rw - tmpfs tmpfs rw
a line that is none
"""


def table(folder: Path, more: str = "") -> Path:
    path = folder / "mountinfo"
    path.write_text(HEAD + more)
    return path


@pytest.mark.parametrize(
    ("folders", "telling"),
    [
        pytest.param(["/data/policies"], True, id="a disk"),
        pytest.param(["/data/with space/x"], True, id="memory, at a point with a space in it"),
        pytest.param(["/data/share/policies"], False, id="a network"),
        pytest.param(["/etc/seawall"], False, id="an overlay"),
        pytest.param(["/data/policies", "/data/share"], False, id="one of two on a network"),
    ],
)
def test_which_file_systems_tell_of_every_change(tmp_path: Path, folders: list[str], telling: bool) -> None:
    assert telling == all_telling([Path(folder) for folder in folders], mounts(table(tmp_path)))


def test_of_mounts_on_one_point_the_last_counts(tmp_path: Path) -> None:
    known = mounts(table(tmp_path, "27 24 0:32 / /data rw - fuse.sshfs host:/ rw\n"))

    assert not all_telling([Path("/data/policies")], known)


def test_without_a_table_nothing_is_known(tmp_path: Path) -> None:
    assert not all_telling([tmp_path], mounts(tmp_path / "missing"))
    assert never_updated(tmp_path, mounts(tmp_path / "missing")) == ""


def test_this_machine_has_a_root() -> None:
    assert Path("/") in {mount.point for mount in mounts()}


KUBELET = "/var/lib/kubelet/pods/1-2/volumes/kubernetes.io~configmap/policies/..2026_01_31_12_00_00.123456"


@pytest.mark.parametrize(
    ("mounted", "says"),
    [
        pytest.param(
            f"28 22 254:0 {KUBELET}/a.yaml {{file}} rw - ext4 /dev/vda rw", "subPath", id="a subPath"
        ),
        pytest.param(
            "28 22 0:40 /..2026_01_31_12_00_00.1/a.yaml//deleted {file} rw - tmpfs tmpfs rw",
            "subPath",
            id="a subPath of a secret that was replaced since",
        ),
        pytest.param(f"28 22 254:0 {KUBELET}/sub {{folder}} rw - ext4 /dev/vda rw", "subPath", id="a folder"),
        pytest.param("28 22 254:0 /home/me/a.yaml {file} rw - ext4 /dev/vda rw", "its folder", id="one file"),
        pytest.param("28 22 254:0 /home/me/policies {folder} rw - ext4 /dev/vda rw", "", id="host folder"),
        pytest.param(f"28 22 254:0 {KUBELET[:70]} {{folder}} rw - ext4 /dev/vda rw", "", id="a whole volume"),
    ],
)
def test_a_mount_that_never_changes_is_told_of(tmp_path: Path, mounted: str, says: str) -> None:
    file = tmp_path / "policies" / "a.yaml"
    file.parent.mkdir()
    file.write_text("version: 1")

    why = never_updated(file, mounts(table(tmp_path, mounted.format(file=file, folder=file.parent) + "\n")))

    assert (bool(says), True) == (bool(why), says in why)
    assert str(file) in why or not why
