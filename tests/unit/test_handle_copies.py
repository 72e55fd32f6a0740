"""Newer versions of ComfyUI hand outputs to caches that copy them or write them down."""

from __future__ import annotations

import copy
import pickle
import threading
from collections.abc import Callable
from typing import Any

import pytest
from vramwise.models.handle import OCRHandle, ocr_handle


def read_back(handle: OCRHandle) -> Any:
    return pickle.loads(pickle.dumps(handle))  # noqa: S301  this test has just written it


@pytest.mark.parametrize("made", [copy.copy, copy.deepcopy, read_back])
def test_a_copy_of_an_opened_handle_is_the_same_description(made: Callable[[OCRHandle], Any]) -> None:
    handle = ocr_handle("qwen3_vl_2b", "int8", quantise_vision=True)
    handle._live.engine = threading.Lock()  # type: ignore[assignment]  # as an engine, it cannot be written down
    copied = made(handle)
    assert copied == handle and copied.request == handle.request


def test_what_is_written_down_of_an_opened_handle_has_no_weights() -> None:
    handle = ocr_handle("rapid")
    handle._live.engine = threading.Lock()  # type: ignore[assignment]
    assert len(pickle.dumps(handle)) < 1000
    assert read_back(handle)._live.engine is None
