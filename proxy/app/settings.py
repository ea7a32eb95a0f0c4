"""What is said on the command line or in the environment, and changes only with a restart."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from proxy.stores.opening import StoreUrl


@dataclass(frozen=True, slots=True)
class Settings:
    """Of one process. Sizes are bytes, times are seconds."""

    policies: Path
    listen: str = "127.0.0.1:8080"
    status: str = "127.0.0.1:9902"
    admin: str = "127.0.0.1:9901"
    upstream: str | None = None
    admin_token_file: Path | None = None
    admin_origin: tuple[str, ...] = ()
    tls_cert_dir: Path | None = None
    store: StoreUrl = StoreUrl("memory")  # noqa: RUF009  # it cannot be changed
    store_timeout: float = 0.05
    store_failures: int = 5
    store_open_for: float = 30.0
    drain: float = 20.0
    max_body: int = 10 * 2**20
    max_buffered: int = 256 * 2**20
    access_log: bool = True
    audit_log: str | None = None
    audit_max_size: int = 100 * 2**20
    audit_keep: int = 10
    audit_on_failure: Literal["refuse", "drop"] = "refuse"
    watch: Literal["auto", "poll", "off"] = "auto"
    allow_literal_secrets: bool = False
    env: str = "prod"
