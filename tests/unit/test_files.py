"""Names from a workflow: what could lead out of a folder, or to a device, is refused on every system."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from vramwise.documents.safe_names import (
    MAX_PART_BYTES,
    STEM_BYTES,
    checked_parts,
    checked_stem,
    storable_stem,
    within,
)
from vramwise.errors import VramwiseError

TRICKS = {
    "parent": "../secret.png",
    "parent inside": "scans/../../secret.png",
    "dot": "./a.png",
    "absolute": "/etc/hostname",
    "network": "//server/share/a.png",
    "drive": "C:/Windows/win.ini",
    "drive without slash": "C:win.ini",
    "backslashes": "..\\secret.png",
    "a Windows path": "C:\\Windows\\win.ini",
    "alternate stream": "a.png:hidden",
    "NUL byte": "a.png\0.pdf",
    "line break": "a\nb.png",
    "right to left override": "a\u202egnp.exe",
    "half a surrogate": "a\udc2f..",
    "encoded parent": "%2e%2e%2fsecret.png",
    "encoded slash": "..%2Fsecret.png",
    "encoded twice": "%252e%252e/secret.png",
    "encoded NUL": "a%00.png",
    "device": "CON",
    "device with ending": "scans/nul.txt",
    "device with space": "aux .png",
    "port": "COM1",
    "superscript port": "lpt\u00b9.png",
    "console": "conin$",
    "trailing dot": "scans./a.png",
    "trailing dots": "...",
    "trailing space": "a.png ",
    "two slashes": "scans//a.png",
    "too long": "a" * 256,
    "empty": "",
    "blank": "   ",
}


@pytest.mark.parametrize("name", TRICKS.values(), ids=TRICKS)
@pytest.mark.parametrize("written", [False, True])
def test_a_trick_is_refused_in_one_printable_sentence(tmp_path: Path, name: str, written: bool) -> None:
    with pytest.raises(VramwiseError) as caught:
        within(tmp_path, name, "file", written=written)
    said = str(caught.value)
    assert said.isprintable()
    assert str(tmp_path) not in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name",
    ["a.png", "scans/a.png", "scans/", "Vol. 2/page 1.tif", "\u4eca\u65e5.png", ".hidden", "console.txt"],
)
def test_an_ordinary_name_is_the_path_below_the_folder(tmp_path: Path, name: str) -> None:
    assert within(tmp_path, name) == tmp_path.resolve() / name


def test_what_windows_cannot_store_may_be_read_and_is_never_written(tmp_path: Path) -> None:
    assert within(tmp_path, "Why?.png").name == "Why?.png"
    with pytest.raises(VramwiseError, match="Windows cannot store"):
        within(tmp_path, "Why?.png", written=True)


@pytest.mark.parametrize("link", ["to a folder", "to a file", "in a ring"])
def test_a_link_that_leads_out_is_refused(tmp_path: Path, link: str) -> None:
    root, outside = tmp_path / "input", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (outside / "a.png").write_bytes(b"secret")
    name = "out/a.png" if link == "to a folder" else "out"
    (root / "out").symlink_to(
        {"to a folder": outside, "to a file": outside / "a.png"}.get(link, root / "out")
    )
    with pytest.raises(VramwiseError, match=r"by a link|cannot be followed"):
        within(root, name)


def test_a_link_that_stays_inside_and_a_root_that_is_a_link_are_fine(tmp_path: Path) -> None:
    real = tmp_path / "disk"
    (real / "scans").mkdir(parents=True)
    (tmp_path / "input").symlink_to(real)
    (real / "latest").symlink_to(real / "scans")
    assert within(tmp_path / "input", "latest") == real / "scans"


def test_a_neighbour_whose_name_begins_alike_is_outside(tmp_path: Path) -> None:
    (tmp_path / "input").mkdir()
    (tmp_path / "input2").mkdir()
    (tmp_path / "input" / "x").symlink_to(tmp_path / "input2")
    with pytest.raises(VramwiseError, match="by a link"):
        within(tmp_path / "input", "x")


def test_the_date_parts_of_comfyui_pass() -> None:
    assert checked_parts("%year%-%month%/%date%_text", written=True) == ("%year%-%month%", "%date%_text")


@pytest.mark.parametrize("name", ["a/b", "a/", *(name for name in TRICKS.values())])
def test_a_name_of_a_page_has_no_folders_and_no_tricks(name: str) -> None:
    with pytest.raises(VramwiseError):
        checked_stem(name)


def test_something_that_is_no_text_is_refused() -> None:
    with pytest.raises(VramwiseError, match="is empty"):
        checked_parts(5)  # type: ignore[arg-type]


# --- names of files that become names of pages ------------------------------------------------------------

PIECES = [*' .%/\\:?*"<>|\t\n_2Ffe1$aCONcon\u3000\u202e\u4e16', "\udc80", "\ud83d", "CON", "%2f", "%252e"]


@given(st.lists(st.sampled_from([*PIECES, "a" * 70, "\u4e16" * 60])).map("".join) | st.text())
@example(" .")
@example("CON.")
@example("\u4e16" * 85)
def test_whatever_a_file_is_called_its_stem_can_be_stored_with_a_number(name: str) -> None:
    stem = storable_stem(name)
    assert checked_stem(stem) == stem and len(stem.encode("utf-8")) <= STEM_BYTES
    checked_stem(f"{stem}_p00012_tiff_3")
    assert storable_stem(stem) == stem


@pytest.mark.parametrize(
    "name", ["a", "Vol. 2", ".hidden", "100% new", "\u4eca\u65e5", "page_001", "\U0001f600", "a" * STEM_BYTES]
)
def test_a_storable_name_stays_as_it_is(name: str) -> None:
    assert storable_stem(name) == name


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("photo ", "photo"),
        ("page.", "page"),
        (". .", "unnamed"),
        ("Why?", "Why_"),
        ("a/b\\c:d", "a_b_c_d"),
        ("50%2F50", "50_50"),
        ("con", "_con"),
        ("NUL .tar", "_NUL .tar"),
        ("\udcf1\udca5\udcae 1", "___ 1"),
    ],
    ids=ascii,
)
def test_what_cannot_be_stored_is_replaced(name: str, stem: str) -> None:
    assert storable_stem(name) == stem


@pytest.mark.parametrize("letter", ["a", "\u044f", "\u4e16", "\U0001f600"], ids=ascii)
def test_long_names_are_cut_between_letters_and_stay_apart(letter: str) -> None:
    stems = {storable_stem(letter * MAX_PART_BYTES + end) for end in ("1", "2", "?", "*")}
    assert len(stems) == 4
    for stem in stems:
        assert STEM_BYTES - 4 < len(stem.encode("utf-8")) <= STEM_BYTES and stem.startswith(letter * 20)
