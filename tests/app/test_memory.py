"""How much memory is in use: by version 2 of control groups, by version 1, and of the machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.app.memory import Memory, memory

MIB = 2**20
MACHINE = {"proc/meminfo": "MemTotal: 1024 kB\nMemFree: 1 kB\nMemAvailable: 256 kB\nHugePages_Free: 0\n"}
V2 = {"proc/self/cgroup": "0::/\n"}
V1 = {"proc/self/cgroup": "9:name=systemd:/\n4:memory:/docker/abc\n0::/\n"}


def group(folder: str, limit: object, used: int, cache: int = 0) -> dict[str, str]:
    """Of version 2."""
    path = f"sys/fs/cgroup/{folder}"
    return {
        f"{path}memory.max": f"{limit}\n",
        f"{path}memory.current": f"{used}\n",
        f"{path}memory.stat": f"anon 1\ninactive_file {cache}\nactive_file 9\n",
    }


def group_of_old(folder: str, limit: object, used: int, cache: int = 0) -> dict[str, str]:
    """Of version 1."""
    path = f"sys/fs/cgroup/memory/{folder}"
    return {
        f"{path}memory.limit_in_bytes": f"{limit}\n",
        f"{path}memory.usage_in_bytes": f"{used}\n",
        f"{path}memory.stat": f"cache 1\ntotal_inactive_file {cache}\n",
    }


def container(used: int, limit: int) -> Memory:
    return Memory(used, limit, "the container's limit")


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        pytest.param(V2 | group("", 100, 60, 20), container(40, 100), id="caches do not count"),
        pytest.param(
            {"proc/self/cgroup": "0::/pod/app\n"} | group("pod/app/", "max", 60) | group("pod/", 90, 70),
            container(70, 90),
            id="the limit is that of the pod",
        ),
        pytest.param(
            {"proc/self/cgroup": "0::/pod/app\n"} | group("pod/app/", 80, 10) | group("pod/", 90, 85),
            container(85, 90),
            id="the one that is nearest to its end",
        ),
        pytest.param(
            {"proc/self/cgroup": "0::/kubepods/of-the-host\n"} | group("", 100, 50),
            container(50, 100),
            id="its own path is not to be seen in the container",
        ),
        pytest.param(V2 | group("", "max", 60), None, id="no limit"),
        pytest.param(V2, None, id="no control group to see"),
        pytest.param(V1 | group_of_old("docker/abc/", 100, 60, 20), container(40, 100), id="version 1"),
        pytest.param(V1 | group_of_old("", 100, 60), container(60, 100), id="version 1 in a container"),
        pytest.param(V1 | group_of_old("docker/abc/", 2**63 - 4096, 60), None, id="version 1, no limit"),
    ],
)
def test_the_limit_that_counts(tmp_path: Path, files: dict[str, str], expected: Memory | None) -> None:
    for name, text in {**MACHINE, **files}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="ascii")

    assert (expected or Memory(768 * 1024, MIB, "the machine's memory")) == memory(tmp_path)


def test_it_can_be_told_here() -> None:
    found = memory()

    assert 0 < found.used
    assert 0 < found.limit
