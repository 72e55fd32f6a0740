"""Engines outside torch: shared, released on request, never under a reader's feet."""

from __future__ import annotations

import threading

from vramwise.ocr.engines.reader_pool import ReaderPool


class Thing:
    def __init__(self) -> None:
        self.released = False

    def release(self) -> None:
        self.released = True


def test_one_key_is_made_once_and_shared() -> None:
    pool = ReaderPool()
    with pool.acquire("a", Thing) as first:
        pass
    with pool.acquire("a", Thing) as second:
        assert second is first
    assert pool.present() == ["a"]


def test_after_release_the_next_reader_gets_a_new_one() -> None:
    pool = ReaderPool()
    with pool.acquire("a", Thing) as first:
        pass
    assert pool.release() == 1
    assert first.released and pool.present() == []
    with pool.acquire("a", Thing) as second:
        assert second is not first and not second.released


def test_a_busy_engine_is_released_only_when_its_reader_is_done() -> None:
    pool = ReaderPool()
    inside, go = threading.Event(), threading.Event()
    seen: list[bool] = []

    def reader() -> None:
        with pool.acquire("a", Thing) as thing:
            inside.set()
            go.wait(300)
            seen.append(thing.released)

    thread = threading.Thread(target=reader)
    thread.start()
    assert inside.wait(300)
    assert pool.release() == 1
    assert pool.present() == ["a"]
    go.set()
    thread.join(300)
    assert seen == [False] and pool.present() == []


def test_a_failing_factory_leaves_nothing_behind() -> None:
    pool = ReaderPool()

    def fail() -> Thing:
        raise ValueError("no weights")

    for _ in range(2):
        try:
            with pool.acquire("a", fail):
                raise AssertionError("not reached")
        except ValueError as error:
            assert str(error) == "no weights"
    assert pool.present() == []
    with pool.acquire("a", Thing):
        pass


def test_releasing_nothing_is_fine() -> None:
    assert ReaderPool().release() == 0
