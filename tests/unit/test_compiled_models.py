"""Compiled models are kept on disk: loaded the second time, never wrong, never an error, always bounded."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from vramwise import atomic_files
from vramwise.hardware import capabilities
from vramwise.ocr.engines import compiled_models

openvino = pytest.importorskip("openvino", reason="this Python reads by ONNX Runtime, which keeps nothing")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(compiled_models, "folder", lambda: tmp_path / "kept")
    return tmp_path / "kept"


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A network of one multiplication whose file names its characters."""
    return _weights(tmp_path / "double.xml", 2.0)


def _weights(path: Path, factor: float) -> Path:
    from openvino import Model, opset13, save_model

    given = opset13.parameter([1, 4], np.float32)
    model = Model(
        [opset13.multiply(given, opset13.constant(np.float32(factor))).output(0)], [given], "double"
    )
    model.set_rt_info("a\nb", ["framework", "character"])
    save_model(model, path)
    return path


class Edits:
    """Counts how often a model was compiled rather than loaded."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, model: object) -> object:
        self.count += 1
        return model


def _result(model: object) -> list[float]:
    return list(model([np.arange(4, dtype=np.float32)[None]])[0][0])


def _kept(folder: Path) -> list[Path]:
    return sorted(folder.glob("*"))


def test_the_second_time_is_loaded_and_says_the_same(folder: Path, weights: Path) -> None:
    edit = Edits()
    made, characters = compiled_models.compiled(weights, edit, "plain", {})
    again, names = compiled_models.compiled(weights, edit, "plain", {})
    assert (edit.count, characters, names) == (1, "a\nb", "a\nb")
    assert _result(again) == _result(made) == [0, 2, 4, 6]


SPOILED = {
    "empty": lambda data: b"",
    "half": lambda data: data[: len(data) // 2],
    "one byte": lambda data: data[:200] + bytes([data[200] ^ 1]) + data[201:],
    "other program": lambda data: b"PK\x03\x04" + data,
    "longer": lambda data: data + b"\0",
}


@pytest.mark.parametrize("how", SPOILED)
def test_a_damaged_file_is_thrown_away_and_made_anew(folder: Path, weights: Path, how: str) -> None:
    edit = Edits()
    compiled_models.compiled(weights, edit, "plain", {})
    (kept,) = _kept(folder)
    whole = kept.read_bytes()
    kept.write_bytes(SPOILED[how](whole))
    made, _ = compiled_models.compiled(weights, edit, "plain", {})
    assert edit.count == 2 and _result(made) == [0, 2, 4, 6]
    compiled_models.compiled(weights, edit, "plain", {})
    assert edit.count == 2 and len(_kept(folder)) == 1


def test_what_openvino_refuses_is_thrown_away_though_its_digest_is_right(folder: Path, weights: Path) -> None:
    import hashlib

    edit = Edits()
    compiled_models.compiled(weights, edit, "plain", {})
    (kept,) = _kept(folder)
    body = (0).to_bytes(8, "little") + b"no model of OpenVINO"
    kept.write_bytes(compiled_models._MARK + hashlib.sha256(body).digest() + body)
    made, _ = compiled_models.compiled(weights, edit, "plain", {})
    assert edit.count == 2 and _result(made) == [0, 2, 4, 6]


def test_other_weights_another_way_or_another_openvino_are_other_files(
    folder: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit = Edits()
    compiled_models.compiled(weights, edit, "plain", {})
    compiled_models.compiled(weights, edit, "other way", {})
    compiled_models.compiled(weights, edit, "plain", {"INFERENCE_NUM_THREADS": 1})
    monkeypatch.setattr(capabilities.import_openvino(), "get_version", lambda: "1.2.3")
    compiled_models.compiled(weights, edit, "plain", {})
    assert edit.count == 4 and len(_kept(folder)) == 4


def test_new_weights_of_an_old_name_are_not_taken_for_the_old(folder: Path, tmp_path: Path) -> None:
    from vramwise.ocr.engines.rapid import BUILTIN_CLS, BUILTIN_DET, builtin_models

    path = tmp_path / "net.onnx"
    counts = []
    for name in (BUILTIN_CLS, BUILTIN_DET, BUILTIN_CLS):
        edit = Edits()
        path.write_bytes((builtin_models() / name).read_bytes())
        compiled_models.compiled(path, edit, "plain", {})
        counts.append(edit.count)
    assert counts == [1, 1, 0]


@pytest.fixture
def unwritable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder whose name is taken by a file: nobody can write there, root neither."""
    (tmp_path / "taken").write_text("a file")
    monkeypatch.setattr(compiled_models, "folder", lambda: tmp_path / "taken" / "kept")
    yield tmp_path / "taken"


def test_a_folder_that_cannot_be_written_costs_time_only(unwritable: Path, weights: Path) -> None:
    edit = Edits()
    for _ in range(2):
        made, _ = compiled_models.compiled(weights, edit, "plain", {})
        assert _result(made) == [0, 2, 4, 6]
    assert edit.count == 2 and unwritable.read_text() == "a file"


@pytest.mark.parametrize(
    "error", [ValueError("I/O operation on closed file."), MemoryError(), OSError(28, "full")]
)
def test_whatever_hinders_keeping_costs_time_only(
    folder: Path, monkeypatch: pytest.MonkeyPatch, weights: Path, error: Exception
) -> None:
    """Short of memory OpenVINO's export fails, each time in other words, and the page was not read."""

    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr(atomic_files, "write_whole", fails)
    model, _ = compiled_models.compiled(weights, Edits(), "as it is", {})
    assert _result(model) == [0, 2, 4, 6] and _kept(folder) == []


def test_the_folder_is_bounded_and_the_least_recently_used_go_first(
    folder: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled_models.compiled(weights, Edits(), "0", {})
    size = _kept(folder)[0].stat().st_size
    monkeypatch.setattr(compiled_models, "LARGEST_FOLDER", int(3.5 * size))
    stale = folder / f".old{atomic_files.SUFFIX}"
    stale.write_bytes(b"half")
    os.utime(stale, (1, 1))
    for number in range(1, 6):
        for age, path in enumerate(_kept(folder), start=1):
            os.utime(path, (1_000_000 + age, 1_000_000 + age))
        compiled_models.compiled(weights, Edits(), str(number), {})
    edit = Edits()
    compiled_models.compiled(weights, edit, "5", {})
    assert edit.count == 0 and len(_kept(folder)) == 3 and not stale.exists()
