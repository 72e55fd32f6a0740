"""config.yaml and the environment."""

from __future__ import annotations

from pathlib import Path

import pytest
from vramwise.errors import VramwiseError
from vramwise.settings import load_settings


def settings(tmp_path: Path, text: str, **environ: str):  # type: ignore[no-untyped-def]
    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return load_settings({"VRAMWISE_CONFIG": str(path), **environ})


def test_downloads_are_off_until_the_machine_says_otherwise(tmp_path: Path) -> None:
    assert load_settings({}).allow_downloads is False
    assert settings(tmp_path, "allow_downloads: true").allow_downloads is True
    assert settings(tmp_path, "").allow_downloads is False


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    assert settings(tmp_path, "allow_downloads: true", VRAMWISE_ALLOW_DOWNLOADS="0").allow_downloads is False


def test_a_misspelt_key_names_the_nearest_right_one(tmp_path: Path) -> None:
    with pytest.raises(VramwiseError, match=r'unknown key "alow_download".*Did you mean "allow_downloads"'):
        settings(tmp_path, "alow_download: true")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("allow_downloads: maybe", "must be true or false"),
        ("just words", "must hold keys and values"),
        ("a: [1", "cannot be read as YAML"),
        ("download_mirror: ftp://x", "must start with https"),
        ("tessdata_dir: 7", "must be a folder"),
    ],
)
def test_a_wrong_value_is_a_sentence_that_names_the_file(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(VramwiseError, match=says) as caught:
        settings(tmp_path, text)
    assert "config.yaml" in str(caught.value)


def test_a_named_config_that_is_missing_is_an_error_not_a_silent_default(tmp_path: Path) -> None:
    with pytest.raises(VramwiseError, match="there is no such file"):
        load_settings({"VRAMWISE_CONFIG": str(tmp_path / "none.yaml")})


def test_folders_come_from_the_file_then_the_environment_then_the_host(tmp_path: Path) -> None:
    found = settings(tmp_path, "models_dir: [/one, /two]\ntessdata_dir: /t", VRAMWISE_MODELS="/three")
    assert found.all_models_dirs[:3] == (Path("/one"), Path("/two"), Path("/three"))
    assert found.tessdata_dirs == (Path("/t"),)
    assert found.all_models_dirs[3:] == found.places.models_dirs
