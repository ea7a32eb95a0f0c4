"""Whether somebody has a file open for writing, so that half of it is not taken for all of it.

Linux grants a read lease (F_SETLEASE, fcntl(2)) on a file exactly while nobody has it open
for writing. It is asked for and given back at once. Who opens the file in between waits for
that moment; the signal by which the kernel asks for a lease back is made one that nobody minds.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import stat
import sys
from collections.abc import Iterable
from pathlib import Path

from proxy.app.mounts import all_telling, mounts


def being_written(files: Iterable[Path]) -> bool:
    """Somebody has one of the regular `files` open for writing.

    False also where that cannot be known: of another user's file, on another system than
    Linux, on a file system that comes from elsewhere. NFS refuses leases for reasons of its own.
    """
    return any(_refuses_a_lease(file) and all_telling([file.resolve().parent], mounts()) for file in files)


def _refuses_a_lease(path: Path) -> bool:
    if sys.platform != "linux":
        return False
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            return False
        fcntl.fcntl(file, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return error.errno == errno.EAGAIN
    finally:
        os.close(file)
    return False
