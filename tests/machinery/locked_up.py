"""Seawall, where the kernel refuses memory that is writable and executable, as systemd's
MemoryDenyWriteExecute asks of it (prctl(2), PR_SET_MDWE)."""

from __future__ import annotations

import ctypes
import sys

from proxy.cli import main

if __name__ == "__main__":
    if ctypes.CDLL(None).prctl(65, 1, 0, 0, 0):
        sys.exit("the kernel knows no PR_SET_MDWE")
    main()
