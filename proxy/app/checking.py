"""One check that Seawall makes by itself, again and again, off the path of any request."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from random import Random

from proxy.algorithms.health import Health, State
from proxy.clock import Clock
from proxy.config.health import Schedule
from proxy.config.spelling import spelled
from proxy.policy import Report
from proxy.telemetry.timestamp import rfc3339

Probe = Callable[[], Awaitable[None]]
"""Look once. Raises CheckError, or OSError, in words for operators."""

_JITTER = 0.1
_SHORTEST_PAUSE = 0.1
_LONGEST_CAUSE = 200

_log = logging.getLogger(__name__)


class CheckError(Exception):
    """Why a check has failed, in words for operators."""


class Check:
    """One check, made again and again, never twice at a time. Kept over reloads as shared state."""

    def __init__(self, name: str, schedule: Schedule, clock: Clock, random: Random, report: Report) -> None:
        self.name = name
        self.probe: Probe | None = None
        """As the live revision has it; None in rehearsals, where none is made."""
        self._schedule = schedule
        self._clock = clock
        self._random = random
        self._report = report
        self._health = Health(schedule.unhealthy_after, schedule.healthy_after)
        self._since = clock.now()
        self._next = clock.monotonic()
        self._cause = ""
        self._task: asyncio.Task[None] | None = None

    # ---- called by Shared

    def start(self) -> None:
        """Look now, and from now on."""
        if self.probe is not None:
            self._task = asyncio.get_running_loop().create_task(self._keep_looking())

    def stop(self) -> None:
        """Look no more. What was known is soon untrue, so that nobody is to go by it."""
        if self._task is not None:
            self._task.cancel()
        self._health = Health(self._schedule.unhealthy_after, self._schedule.healthy_after)
        self._cause = ""

    # ---- what is known; for breakers it is an `UpstreamHealth`

    @property
    def state(self) -> State:
        """`unknown` before the first one that passes, or before enough have failed."""
        return self._health.state

    @property
    def fails(self) -> bool:
        """Enough of them have failed."""
        return self._health.state == "unhealthy"

    @property
    def cause(self) -> str:
        """Why the last one that failed did; empty where none has, since it is well."""
        return self._cause

    @property
    def numbers(self) -> Mapping[str, object]:
        """What was counted of those that ended as the last one did, and how many it takes."""
        health = self._health
        return {"passed" if health.passed else "failed": health.in_row, "threshold": health.threshold}

    @property
    def seconds_left(self) -> float:
        """Until it can be healthy again."""
        further = max(self._health.missing - 1, 0) * self._schedule.interval
        return max(self._next - self._clock.monotonic(), 0.0) + further

    def summary(self) -> dict[str, object]:
        """For operators."""
        told: dict[str, object] = {
            "state": self.state,
            "since": rfc3339(self._since),
            "in_row": self._health.in_row,
        }
        return {**told, "cause": self._cause} if self._cause else told

    # ---- the task

    async def _keep_looking(self) -> None:
        while True:
            interval, began = self._schedule.interval, self._clock.monotonic()
            cause = await self._look()
            now = self._clock.monotonic()
            pause = interval * self._random.uniform(1 - _JITTER, 1 + _JITTER) - (now - began)
            pause = max(pause, _SHORTEST_PAUSE)
            self._next = now + pause
            self._record(cause)
            await self._clock.sleep(pause)

    async def _look(self) -> str:
        """Why it has failed; empty where it has passed."""
        limit = self._schedule.timeout
        try:
            async with self._clock.timeout(limit):
                if self.probe is not None:
                    await self.probe()
        except TimeoutError:
            return f"no answer within {spelled(limit)}"
        except (CheckError, OSError) as error:
            return (str(error) or type(error).__name__)[:_LONGEST_CAUSE]
        except Exception:  # noqa: BLE001  # a bug must not end the task, or nobody would look any more
            _log.exception("bug in the check %s", self.name)
            return "a bug in Seawall; its log has more"
        return ""

    def _record(self, cause: str) -> None:
        before = self._health.record(passed=not cause)
        after = self._health.state
        if cause or after == "healthy":
            self._cause = cause
        if before is None:
            return
        self._since = self._clock.now()
        count = self._health.in_row  # which is the threshold, or it would have changed before
        what = f"{count} check{'s' if count > 1 else ''} {'failed' if cause else 'passed'} in a row"
        if cause:
            what = f"{what}, the last one since: {cause}"
        numbers = {"failed" if cause else "passed": count, "threshold": count}
        self._report(f"{self.name}: {before} -> {after}, {what}", {"from": before, "to": after, **numbers})
