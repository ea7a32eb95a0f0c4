"""Whatever happens to the files, it is seen, and seen once; whatever fails, watching goes on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Queue
from threading import Event

import pytest

from proxy.app import watching
from proxy.app.watching import Mode, Watcher, folders_on_the_way
from proxy.config.inputs import Inputs
from tests.app.seawall import PATIENCE
from tests.app.test_writing import leases_work

NEVER = 1000.0


class Loader:
    """Loads what is in a folder, as far as it is there."""

    def __init__(self, folder: Path, *more: Path) -> None:
        self.folder = folder
        self.more = more
        self.inputs = Inputs()
        self.loaded: Queue[dict[str, str]] = Queue()
        self.note()

    def note(self) -> None:
        self.inputs = Inputs(self.folder, *self.more)

    def reload(self) -> None:
        self.note()
        paths = [*self.folder.glob("*.yaml")] if self.folder.is_dir() else [self.folder]
        texts = {path.name: path.read_text() for path in (*paths, *self.more) if path.is_file()}
        self.loaded.put(texts)

    def seen(self) -> dict[str, str]:
        """What the next reload has read."""
        return self.loaded.get(timeout=PATIENCE)


@contextmanager
def watched(
    loader: Loader, mode: Mode = "auto", reload: Callable[[], None] | None = None
) -> Iterator[Watcher]:
    watcher = Watcher(lambda: loader.inputs, reload or loader.reload, mode, time.monotonic)
    watcher.start()
    try:
        yield watcher
    finally:
        watcher.stop(PATIENCE)
        assert not watcher._thread.is_alive()


@pytest.fixture(params=["auto", "poll"])
def mode(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Mode:
    """Told by the kernel and by nothing else, or by looking alone."""
    monkeypatch.setattr(watching, "_SETTLED", 0.005)
    monkeypatch.setattr(watching, "_STEP_MS", 5)
    monkeypatch.setattr(watching, "LOOK_OFTEN", 0.005)
    monkeypatch.setattr(watching, "LOOK", NEVER)
    monkeypatch.setattr(watching, "all_telling", lambda *_: True)
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one policy file."""
    folder = tmp_path / "policies"
    folder.mkdir()
    (folder / "a.yaml").write_text("one")
    return folder


def replaced(path: Path, text: str) -> None:
    draft = path.with_name(".draft")
    draft.write_text(text)
    draft.replace(path)


# ---- what is seen


def test_an_edit_in_place_is_seen(folder: Path, mode: Mode) -> None:
    loader = Loader(folder)
    with watched(loader, mode):
        (folder / "a.yaml").write_text("two")

        assert {"a.yaml": "two"} == loader.seen()


def test_a_file_that_is_renamed_over_is_seen_each_time(folder: Path, mode: Mode) -> None:
    loader = Loader(folder)
    with watched(loader, mode):
        for number in range(5):
            replaced(folder / "a.yaml", f"{number}")

            assert {"a.yaml": f"{number}"} == loader.seen()


def test_a_file_that_goes_and_comes_back_is_seen(folder: Path, mode: Mode) -> None:
    loader = Loader(folder)
    with watched(loader, mode):
        (folder / "a.yaml").unlink()
        gone = loader.seen()
        (folder / "a.yaml").write_text("back")

        assert ({}, {"a.yaml": "back"}) == (gone, loader.seen())


def test_a_new_file_is_seen(folder: Path, mode: Mode) -> None:
    loader = Loader(folder)
    with watched(loader, mode):
        replaced(folder / "b.yaml", "new")

        assert {"a.yaml": "one", "b.yaml": "new"} == loader.seen()


def test_a_folder_that_goes_and_comes_back_is_seen(folder: Path, mode: Mode) -> None:
    loader = Loader(folder)
    with watched(loader, mode):
        folder.rename(folder.with_name("aside"))
        gone = loader.seen()
        folder.with_name("aside").rename(folder)
        back = loader.seen()
        replaced(folder / "a.yaml", "two")

        assert ({}, {"a.yaml": "one"}, {"a.yaml": "two"}) == (gone, back, loader.seen())


def test_a_folder_that_becomes_a_file_is_seen(folder: Path, mode: Mode) -> None:
    loader = Loader(folder)
    with watched(loader, mode):
        folder.rename(folder.with_name("aside"))
        loader.seen()
        replaced(folder, "a file")

        assert {"policies": "a file"} == loader.seen()


def test_a_file_named_by_the_policies_is_seen_when_it_comes(folder: Path, tmp_path: Path, mode: Mode) -> None:
    secret = tmp_path / "run" / "secrets" / "token"
    loader = Loader(folder, secret)
    with watched(loader, mode):
        (tmp_path / "made").mkdir()
        (tmp_path / "made" / "secrets").mkdir()
        (tmp_path / "made" / "secrets" / "token").write_text("s3cret")
        (tmp_path / "made").rename(tmp_path / "run")

        assert {"a.yaml": "one", "token": "s3cret"} == loader.seen()


def test_a_loop_of_links_is_survived(folder: Path, mode: Mode) -> None:
    loader = Loader(folder)
    with watched(loader, mode):
        (folder / ".loop").symlink_to("a.yaml")
        (folder / ".loop").replace(folder / "a.yaml")
        looping = loader.seen()
        replaced(folder / "a.yaml", "fine")

        assert ({}, {"a.yaml": "fine"}) == (looping, loader.seen())


def kubelet_volume(folder: Path, **files: str) -> None:
    """As the kubelet writes a ConfigMap: `..data` leads to a folder, and the files to files in that."""
    number = len([*folder.glob("..2*")])
    timestamped = folder / f"..2026_01_01_00_00_{number:02}.1"
    timestamped.mkdir(parents=True)
    for name, text in files.items():
        (timestamped / f"{name}.yaml").write_text(text)
        if not (folder / f"{name}.yaml").is_symlink():
            (folder / f"{name}.yaml").symlink_to(f"..data/{name}.yaml")
    (folder / "..data_tmp").symlink_to(timestamped.name)
    (folder / "..data_tmp").replace(folder / "..data")


def test_the_kubelets_swap_is_one_change(tmp_path: Path, mode: Mode) -> None:
    kubelet_volume(tmp_path, a="a1", b="b1")
    loader = Loader(tmp_path)
    with watched(loader, mode):
        seen = []
        for number in (2, 3, 4):
            kubelet_volume(tmp_path, a=f"a{number}", b=f"b{number}")
            seen.append(loader.seen())

    assert [{"a.yaml": f"a{number}", "b.yaml": f"b{number}"} for number in (2, 3, 4)] == seen
    assert loader.loaded.empty()


def test_a_folder_behind_a_link_is_watched_where_the_link_stands(
    folder: Path, tmp_path: Path, mode: Mode
) -> None:
    (tmp_path / "current").symlink_to("policies")
    (tmp_path / "next").mkdir()
    (tmp_path / "next" / "a.yaml").write_text("next")
    loader = Loader(tmp_path / "current")
    with watched(loader, mode):
        (tmp_path / ".link").symlink_to("next")
        (tmp_path / ".link").replace(tmp_path / "current")

        assert {"a.yaml": "next"} == loader.seen()


def test_what_happened_before_the_start_is_seen(folder: Path, mode: Mode) -> None:
    loader = Loader(folder)
    (folder / "a.yaml").write_text("meanwhile")

    with watched(loader, mode):
        assert {"a.yaml": "meanwhile"} == loader.seen()


# ---- what is not


def test_what_concerns_no_policy_file_loads_nothing(folder: Path, mode: Mode) -> None:
    loader = Loader(folder)
    with watched(loader, mode):
        (folder / ".a.yaml.swp").write_text("backup")
        (folder / "notes.txt").write_text("notes")
        (folder.parent / "elsewhere").write_text("x")
        replaced(folder / "a.yaml", "two")

        assert ({"a.yaml": "two"}, True) == (loader.seen(), loader.loaded.empty())


class Writing(Inputs):
    """Files that are being written during the first few looks after the change."""

    def __init__(self, changes: int) -> None:
        super().__init__()
        self.left = changes

    def changed(self) -> tuple[Path, ...]:
        return (Path("a.yaml"),)

    def now(self) -> tuple[tuple[int], ...]:
        self.left -= 1
        return ((max(0, self.left),),)


@pytest.mark.parametrize(
    ("changes", "left"),
    [pytest.param(4, True, id="until it is written"), pytest.param(10**6, False, id="but not for ever")],
)
def test_a_file_that_is_being_written_is_left_alone(mode: Mode, changes: int, left: bool) -> None:
    inputs, reloaded = Writing(changes), Event()

    class Still(Inputs):
        pass

    loader = Loader(Path("/nonexistent"))
    loader.inputs = inputs

    def reload() -> None:
        loader.inputs = Still()
        reloaded.set()

    with watched(loader, mode, reload):
        assert reloaded.wait(PATIENCE)

    assert left == (inputs.left <= 0)


@pytest.mark.skipif(not leases_work(), reason="this file system does not tell who writes")
def test_half_a_file_is_left_alone_while_its_writer_takes_a_break(folder: Path, mode: Mode) -> None:
    loader = Loader(folder)
    with watched(loader, mode):
        with (folder / "a.yaml").open("w") as file:
            file.write("half")
            file.flush()
            with pytest.raises(Empty):  # many times as long as it takes to see and read it
                loader.loaded.get(timeout=0.5)
            file.write(" and half")

        assert {"a.yaml": "half and half"} == loader.seen()
    assert loader.loaded.empty()


@pytest.mark.skipif(not leases_work(), reason="this file system does not tell who writes")
def test_a_file_that_stays_open_for_writing_is_read_in_the_end_and_told_of(
    folder: Path, mode: Mode, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(watching, "_MOST_LOOKS", 5)
    loader = Loader(folder)
    with watched(loader, mode), (folder / "a.yaml").open("w") as file:
        file.write("one for ever")
        file.flush()

        assert {"a.yaml": "one for ever"} == loader.seen()
    assert 1 == caplog.text.count("although they are still being written")


def test_off_watches_nothing(folder: Path) -> None:
    loader = Loader(folder)
    watcher = Watcher(lambda: loader.inputs, loader.reload, "off", time.monotonic)

    watcher.start()

    assert (False, "off") == (watcher._thread.is_alive(), watcher.how)
    watcher.stop(PATIENCE)


# ---- what fails


class Deaf:
    """Stands for a kernel that tells of nothing: only the end of the wait ends it."""

    timeouts: list[int]

    def __init__(self, *_: object, **__: object) -> None:
        self.pause = Event()

    def watch(self, _: int, step: int, timeout: int, end: watching._End) -> str:
        self.timeouts.append(timeout)
        while not end.is_set():
            self.pause.wait(step / 1000)
        return "stop"

    def close(self) -> None:
        pass


def test_an_event_that_is_missed_is_made_up_for(
    folder: Path, mode: Mode, monkeypatch: pytest.MonkeyPatch
) -> None:
    deaf = type("Deaf", (Deaf,), {"timeouts": []})
    monkeypatch.setattr("watchfiles._rust_notify.RustNotify", deaf)
    monkeypatch.setattr(watching, "LOOK", 0.01)
    loader = Loader(folder)
    with watched(loader, mode):
        replaced(folder / "a.yaml", "two")

        assert {"a.yaml": "two"} == loader.seen()
    # Its own limit goes by the time of day, which may jump: it gets none.
    assert set(deaf.timeouts) <= {0}


def out_of_watches(*_: object, **__: object) -> None:
    raise OSError(24, "Too many open files")


def test_where_the_kernel_cannot_tell_files_are_looked_at_often(
    folder: Path, mode: Mode, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("watchfiles._rust_notify.RustNotify", out_of_watches)
    loader = Loader(folder)
    with watched(loader, mode) as watcher:
        for text in ("two", "three"):
            replaced(folder / "a.yaml", text)

            assert {"a.yaml": text} == loader.seen()
        how = watcher.how

    assert (mode == "auto") == ("Too many open files" in how)
    assert (1 if mode == "auto" else 0) == caplog.text.count("Too many open files")


def test_a_bug_is_logged_once_and_watching_goes_on(
    folder: Path, mode: Mode, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(watching, "LOOK", 0.01)
    loader = Loader(folder)
    failures: list[int] = []

    def reload() -> None:
        if len(failures) < 3:
            failures.append(1)
            raise ZeroDivisionError("a bug")
        loader.reload()

    with watched(loader, mode, reload):
        replaced(folder / "a.yaml", "two")

        assert {"a.yaml": "two"} == loader.seen()
    assert (3, 1) == (len(failures), caplog.text.count("Traceback"))


# ---- where to look


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "real" / "deep").mkdir(parents=True)
    (tmp_path / "real" / "deep" / "file").write_text("x")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "relative").symlink_to("../real/deep")
    (tmp_path / "links" / "absolute").symlink_to(tmp_path / "links" / "relative" / "file")
    (tmp_path / "links" / "loop").symlink_to("loop")
    return tmp_path


@pytest.mark.parametrize(
    ("path", "folders"),
    [
        pytest.param("real/deep/file", {"real/deep"}, id="a file"),
        pytest.param("real/deep", {"real", "real/deep"}, id="a folder"),
        pytest.param("links/relative/file", {"links", "real/deep"}, id="a link on the way"),
        pytest.param("links/absolute", {"links", "real/deep"}, id="a link to a link"),
        pytest.param("links/loop", {"links"}, id="a loop"),
        pytest.param("real/missing/file", {"", "real"}, id="a folder that is not there"),
        pytest.param("real/deep/file/below", {"real/deep", "real/deep/file"}, id="a file on the way"),
        pytest.param("real/../links/../real/deep/file", {"real/deep"}, id="there and back"),
    ],
)
def test_where_a_change_can_make_a_path_lead_elsewhere(tree: Path, path: str, folders: set[str]) -> None:
    assert {tree / folder for folder in folders} == folders_on_the_way(tree / path)


def test_a_relative_path_starts_where_the_process_runs(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree / "real")

    assert {tree / "real" / "deep"} == folders_on_the_way(Path("deep/file"))
