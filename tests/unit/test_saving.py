"""Texts and pairs on disk: names, numbers, bytes, and nothing half written."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from vramwise import atomic_files
from vramwise.documents.saving import content, free_stem, save
from vramwise.documents.saving_documents import DocumentPage, save_document
from vramwise.errors import VramwiseError
from vramwise.host import Places
from vramwise.ocr.results.result import OCRResult, Regions
from vramwise.settings import Settings

RED = np.full((4, 6, 3), (255, 0, 0), np.uint8)


def test_a_text_is_written_letter_by_letter_as_utf_8(tmp_path: Path) -> None:
    text = "Kaf\u00e9\r\n\u4eca\u65e5 \U0001f600\n\n"
    saved = save(tmp_path, "a", "txt", text)
    assert saved.text.read_bytes() == text.encode() and saved.picture is None


def test_a_pair_has_one_stem_and_the_picture_is_what_came_in(tmp_path: Path) -> None:
    saved = save(tmp_path / "set", "a", "md", "red", RED)
    assert saved.picture == tmp_path / "set" / "a.png" and saved.text == tmp_path / "set" / "a.md"
    with Image.open(saved.picture) as picture:
        assert picture.mode == "RGB" and (np.asarray(picture) == RED).all()


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ('[{"a": 1}]', True),
        ('{"a":1}', True),
        ("12", False),
        ("plain", False),
        ("", False),
        ("[NaN]", False),
        ('{"a": -Infinity}', False),
    ],
)
def test_json_stays_as_it_is_and_other_text_is_wrapped(text: str, kept: bool) -> None:
    written = content(text, "json").decode()
    assert json.loads(written) == (json.loads(text) if kept else {"text": text})
    assert not kept or written == text


def test_half_a_surrogate_pair_does_not_stop_the_saving() -> None:
    assert content("a\ud83d", "txt") == b"a?"


@pytest.mark.parametrize("there", ["a.txt", "a.png"])
def test_number_on_keeps_what_is_there_text_or_picture(tmp_path: Path, there: str) -> None:
    (tmp_path / there).write_bytes(b"old")
    taken: dict[str, int] = {}
    stems = [free_stem(tmp_path, "a", "txt", "number on", taken) for _ in range(3)]
    assert stems == ["a_2", "a_3", "a_4"]


def test_overwrite_replaces_but_two_pages_of_one_run_never_share_a_name(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"old")
    taken: dict[str, int] = {}
    assert [free_stem(tmp_path, stem, "txt", "overwrite", taken) for stem in ("a", "A", "a")] == [
        "a",
        "A_2",
        "a_3",
    ]
    save(tmp_path, "a", "txt", "new")
    assert (tmp_path / "a.txt").read_bytes() == b"new"


def test_a_link_in_the_place_of_the_file_is_replaced_and_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_bytes(b"keep me")
    folder = tmp_path / "output"
    folder.mkdir()
    (folder / "a.txt").symlink_to(outside)
    assert free_stem(folder, "a", "txt", "number on", {}) == "a_2"
    save(folder, "a", "txt", "new")
    assert outside.read_bytes() == b"keep me" and not (folder / "a.txt").is_symlink()


def test_a_dangling_link_counts_as_there(tmp_path: Path) -> None:
    (tmp_path / "a.txt").symlink_to(tmp_path / "nowhere")
    assert free_stem(tmp_path, "a", "txt", "number on", {}) == "a_2"


def test_a_write_that_fails_leaves_the_old_file_and_no_rubbish(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.txt").write_bytes(b"old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic_files.os, "replace", full)
    with pytest.raises(VramwiseError, match=r"a\.txt could not be written: No space left"):
        save(tmp_path, "a", "txt", "new")
    assert os.listdir(tmp_path) == ["a.txt"] and (tmp_path / "a.txt").read_bytes() == b"old"


def test_a_folder_in_the_place_of_the_file_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(VramwiseError, match="could not be written"):
        save(tmp_path, "a", "txt", "new")
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_saved_picture_and_json_name_no_folder_of_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = Places(tmp_path / "user", (tmp_path / "models",), (tmp_path / "more",), hosted=True)
    monkeypatch.setattr("vramwise.host._Host.places", places)
    command = Settings(places=places).command("download", "eslav")
    note = f"Left unread. Run {command}; see {places.user_dir}/config.yaml, {tmp_path / 'more' / 'a'}."
    page = OCRResult("a", "a", (), 9, 9, "stop", "rapid", "fp32", 0.1, notes=(note,))
    saved = save(tmp_path, "page", "json", Regions((page,)).to_json(), np.zeros((9, 9, 3), np.uint8))
    written = saved.text.read_text("utf-8")
    for place in (str(tmp_path), sys.prefix, sys.executable, str(Path.home()), str(Path.cwd())):
        assert place not in written
    assert "<python>" in written and "--models-dir" in written, "the remedy is still known by its words"
    assert saved.picture is not None
    with Image.open(saved.picture) as picture:
        assert picture.info == {}


TABLE = "| Tea | 1 |\n|---|---|\n| Rye | 2 |"


@pytest.mark.parametrize(
    ("form", "texts", "written"),
    [
        ("txt", ["a", "", "b"], "a\n\f\n\fb\n"),
        ("md", ["a", "b"], "<!-- page 1 -->\n\na\n\n<!-- page 2 -->\n\nb\n"),
        ("json", ["a", '{"b": 1}'], '[\n{"text": "a"},\n{"b": 1}\n]\n'),
        ("csv", [TABLE, "no table", TABLE], "\ufeffTea,1\r\nRye,2\r\n\r\nTea,1\r\nRye,2\r\n"),
        ("csv", ["a"], ""),
    ],
)
def test_the_pages_of_a_document_are_joined_into_one_file(
    tmp_path: Path, form: str, texts: list[str], written: str
) -> None:
    path = save_document(tmp_path, "book", form, [DocumentPage(text, None, None) for text in texts])
    assert path.name == f"book.{form}" and path.read_bytes().decode() == written
