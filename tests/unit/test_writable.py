"""One folder is written to, and the panel names it before."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from vramwise import panel_data
from vramwise.errors import VramwiseError
from vramwise.host import Places
from vramwise.models.request import ModelRequest
from vramwise.settings import Settings
from vramwise.weights.background_downloads import Downloads
from vramwise.weights.writable import NoFolder, download_folders, first_writable, folder_to_write

REPO = "Qwen/Qwen3-VL-2B-Instruct"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A models folder that cannot be written to, a file lies there, and one that nobody has made yet."""
    (tmp_path / "taken").write_bytes(b"")
    return Settings(places=Places(tmp_path, (tmp_path / "taken", tmp_path / "models")))


def test_the_panel_names_the_folder_that_a_download_goes_to_and_makes_none(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(panel_data, "load_settings", lambda: settings)
    missing = panel_data.plan_answer(ModelRequest("qwen3_vl_2b", device="cpu"), Downloads())["missing"]
    assert not (tmp_path / "models").exists()
    folder = folder_to_write(download_folders(settings, REPO))
    assert folder == tmp_path / "models" / "LLM" / "Qwen3-VL-2B-Instruct"
    assert missing["folder"] == str(folder) and folder.is_dir()


def test_where_nothing_can_be_written_each_folder_says_why(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    folders = [tmp_path / "a" / "x", tmp_path / "a" / "y"]
    with pytest.raises(NoFolder, match=r"x \(Not a directory\), .*y \(Not a directory\)"):
        first_writable(folders)
    with pytest.raises(VramwiseError, match=r"There is no folder to write to: .*x .*Name one as models_dir"):
        folder_to_write(folders)


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is a folder of Linux")
def test_a_folder_that_only_seems_writable_is_passed_by(tmp_path: Path) -> None:
    """The system says yes to whoever may do all, and no file can be put there."""
    assert first_writable([Path("/proc"), tmp_path]) == tmp_path
