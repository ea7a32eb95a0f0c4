"""What is live is not looked at by collections, and garbage does not pile up for ever."""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Iterator

import pytest

from proxy.app.heap import Heap


class Cycle:
    """Refers to itself, so that only the collector frees it."""

    def __init__(self, size: int = 0) -> None:
        self.itself = self
        self.weight = [Cycle() for _ in range(size)]


@pytest.fixture
def collections() -> Iterator[list[int]]:
    """The generation of each collection so far; the collector is afterwards as it was."""
    seen: list[int] = []

    def note(phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            seen.append(info["generation"])

    threshold = gc.get_threshold()
    gc.callbacks.append(note)
    yield seen
    gc.callbacks.remove(note)
    gc.set_threshold(*threshold)
    gc.unfreeze()


@pytest.fixture
def heap(collections: list[int]) -> Heap:
    heap = Heap()
    heap.settle()
    collections.clear()
    return heap


def test_what_was_loaded_is_set_aside_without_a_collection(heap: Heap, collections: list[int]) -> None:
    with heap.loading():
        loaded = [Cycle() for _ in range(60_000)]  # more than a collection waits for
    others = [Cycle() for _ in range(100)]

    assert ([], True, 100) == (collections, gc.isenabled(), len(others))
    assert not any(each is loaded[0] for each in gc.get_objects())


def test_the_collector_is_left_alone_where_somebody_switched_it_off(heap: Heap) -> None:
    gc.disable()
    try:
        with heap.loading():
            pass

        assert not gc.isenabled()
    finally:
        gc.enable()


def test_turns_are_short_only_while_loading(heap: Heap) -> None:
    before = sys.getswitchinterval()
    during: list[float] = []

    def fail() -> None:
        with heap.loading():
            during.append(sys.getswitchinterval())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()

    assert (True, before, True) == (during[0] < before, sys.getswitchinterval(), gc.isenabled())


def test_little_garbage_waits_and_much_is_collected(heap: Heap, collections: list[int]) -> None:
    heap._needed = 100_000
    base = sys.getallocatedblocks() - heap._needed
    heap._loaded = base
    with heap.loading():
        little = weakref.ref(Cycle(10))
    heap._loaded = base
    heap.tidy()
    waited = little() is not None
    with heap.loading():
        much = weakref.ref(Cycle(40_000))
    heap._loaded = base
    heap.tidy()

    assert (True, None, None) == (waited, little(), much())


def test_what_passing_work_leaves_is_collected_and_nothing_else_is_looked_at(heap: Heap) -> None:
    with heap.loading():
        kept = weakref.ref(Cycle())
    with heap.passing():
        left = weakref.ref(Cycle())

    assert (True, None) == (kept() is not None, left())


def test_what_a_refused_load_leaves_is_collected(heap: Heap) -> None:
    left: list[weakref.ref[Cycle]] = []

    def refuse() -> None:
        with heap.loading():
            left.append(weakref.ref(Cycle()))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        refuse()
    heap.tidy()

    assert left[0]() is None


def test_before_all_is_loaded_the_collector_does_its_work_itself(collections: list[int]) -> None:
    heap = Heap()
    frozen = gc.get_freeze_count()
    with heap.loading():
        _ = [Cycle() for _ in range(100)]
    heap.tidy()

    assert (frozen, False) == (gc.get_freeze_count(), 2 in collections)
