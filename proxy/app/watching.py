"""Edits become live by themselves: whatever the live revision was read from is watched.

Two ways at once, since neither is enough. The kernel tells of changes (inotify, by
watchfiles) in the folder of each file and of each symbolic link on the way to it, so that
a rename over a file, or the kubelet's swap of `..data`, is seen in a moment. And the files
are looked at every now and then, in case an event was missed: often where the kernel does
not see all changes (network mounts, overlays, a watch that could not be set up), else
every two seconds. Waiting goes by the monotonic clock; the time of day may jump.

A file that is being written is left alone until nobody has it open for writing, as far as
that can be known, and nothing has happened to it for a moment.
All of it runs in a thread of its own: a network mount that hangs stops only the watching.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable
from concurrent.futures import CancelledError
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, Literal

from proxy.app.mounts import all_telling, mounts
from proxy.app.writing import being_written
from proxy.config.inputs import Inputs

if TYPE_CHECKING:
    from watchfiles._rust_notify import RustNotify

_log = logging.getLogger("seawall")

Mode = Literal["auto", "poll", "off"]

LOOK = 2.0
"""Seconds between looks where the kernel tells of every change."""
LOOK_OFTEN = 0.25
"""Seconds between looks where it does not."""
_SETTLED = 0.05
"""Seconds without a change after which a file counts as written."""
_MOST_LOOKS = 200
"""At files that are being written, which makes ten seconds: somebody may keep one open for ever."""
_STEP_MS = 50
_MOST_LINKS = 40  # as Linux has it, path_resolution(7)


def _rust() -> Any:
    """The part of watchfiles that is used. It takes 15 ms to import, for which no start waits."""
    from watchfiles import _rust_notify  # noqa: PLC0415

    return _rust_notify


class Watcher:
    """Watches in a thread from `start` to `stop`.

    `inputs` gives those of the last attempt to load, be it refused. `reload` makes the next one
    and returns when that is over; it is called in the watcher's thread. `monotonic` gives seconds.
    """

    def __init__(
        self,
        inputs: Callable[[], Inputs],
        reload: Callable[[], None],
        mode: Mode,
        monotonic: Callable[[], float],
    ) -> None:
        self._inputs = inputs
        self._reload = reload
        self._mode = mode
        self._monotonic = monotonic
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="watcher", daemon=True)
        self._notify: RustNotify | None = None
        self._followed: object = None
        self._look = LOOK_OFTEN
        self._said = ""
        self.how = "off"
        """In words, for operators."""

    def start(self) -> None:
        """Begin; not in mode `off`."""
        if self._mode != "off":
            self.how = "starting"
            self._thread.start()

    def stop(self, wait: float) -> None:
        """End it; blocks for `wait` seconds at most, where a file system hangs."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(wait)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._once()
            except CancelledError:  # the loop is closing
                break
            except Exception as error:  # noqa: BLE001  # or edits would go unnoticed from then on
                if self._is_new(repr(error)):
                    _log.exception("bug while watching the policy files; looking again")
                self._stopping.wait(LOOK)
        self._unfollow()

    def _once(self) -> None:
        """Load again where something changed, else wait until something happens."""
        inputs = self._inputs()
        self._follow(inputs)  # before looking, so that nothing is missed in between
        if not inputs.changed():
            self._wait()
        elif self._settle(inputs):
            self._reload()

    def _settle(self, inputs: Inputs) -> bool:
        """Wait while files are being written, but not for ever; False where the end came first."""
        before = inputs.now()
        for _ in range(_MOST_LOOKS):
            if self._stopping.wait(_SETTLED):
                return False
            now = inputs.now()
            if now == before and not being_written(inputs.changed_files()):
                return True
            before = now
        message = "policy files: read as they are, although they are still being written"
        if self._is_new(message):
            _log.warning("%s", message)
        return True

    def _wait(self) -> None:
        """Until the kernel tells of a change, or it is time to look."""
        if self._notify is None:
            self._stopping.wait(self._look)
            return
        end = _End(self._monotonic() + self._look, self._monotonic, self._stopping)
        try:
            # Its own limits go by the time of day, which may jump; `end` is asked at every step.
            self._notify.watch(_STEP_MS, _STEP_MS, 0, end)
        except (OSError, _rust().WatchfilesRustInternalError) as error:
            self._poll_instead(str(error))

    # ---- what the kernel is asked to tell of

    def _follow(self, inputs: Inputs) -> None:
        """Watch the folders that matter now; they may have been replaced since."""
        folders = sorted({folder for path in inputs.paths for folder in folders_on_the_way(path)})
        identities = [(folder, _identity(folder)) for folder in folders]
        if identities == self._followed:
            return
        self._unfollow()
        self._followed = identities
        if self._mode == "poll":
            self._look, self.how = LOOK_OFTEN, f"looking every {LOOK_OFTEN} s"
            return
        try:
            self._notify = _rust().RustNotify(
                list(map(str, folders)),
                debug=False,
                force_polling=False,
                poll_delay_ms=0,
                recursive=False,
                ignore_permission_denied=True,
            )
        except FileNotFoundError:  # gone in between: find out anew
            self._followed, self._look = None, LOOK_OFTEN
            return
        except (OSError, _rust().WatchfilesRustInternalError) as error:
            self._poll_instead(str(error))
            return
        telling = all_telling(folders, mounts())
        self._look = LOOK if telling else LOOK_OFTEN
        self.how = f"told by the kernel, and looking every {self._look:g} s"

    def _unfollow(self) -> None:
        if self._notify is not None:
            self._notify.close()
            self._notify = None

    def _poll_instead(self, why: str) -> None:
        self._unfollow()
        self._look = LOOK_OFTEN
        self.how = f"looking every {LOOK_OFTEN} s, since the kernel does not tell of changes: {why}"
        if self._is_new(why):
            _log.warning("policy files: %s", self.how)

    def _is_new(self, problem: str) -> bool:
        """Not what was said last, so it is to be said."""
        new, self._said = problem != self._said, problem
        return new


class _End:
    """What RustNotify takes for an event: set once `end` has come, or `stopping` is."""

    def __init__(self, end: float, monotonic: Callable[[], float], stopping: Event) -> None:
        self._end = end
        self._monotonic = monotonic
        self._stopping = stopping

    def is_set(self) -> bool:
        return self._stopping.is_set() or self._monotonic() >= self._end


def folders_on_the_way(path: Path) -> set[Path]:
    """Folders in which a change can make `path` lead to something else.

    The folder of the file, and of each symbolic link on the way; `path` itself where it is a
    folder. Of what is not there, how far one gets. None of them has symbolic links in it.
    """
    found: set[Path] = set()
    path = path.absolute()
    at, rest, links = Path(path.anchor), list(path.relative_to(path.anchor).parts), 0
    while rest:
        name = rest.pop(0)
        if name == "..":
            at = at.parent
            continue
        try:
            target = (at / name).readlink()
        except OSError as error:
            if error.errno == errno.EINVAL:  # no link
                at = at / name
                continue
            return found | {at, at.parent}
        found.add(at)
        links += 1
        if links > _MOST_LINKS:
            return found
        if target.is_absolute():
            at = Path(target.anchor)
        rest = [*target.relative_to(target.anchor).parts, *rest]
    return found | ({at, at.parent} if at.is_dir() else {at.parent})


def _identity(folder: Path) -> tuple[int, int] | None:
    """A watch is one of an inode, whatever its path leads to later."""
    try:
        found = folder.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
