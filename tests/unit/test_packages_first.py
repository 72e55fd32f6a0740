"""What a model needs is said before its gigabytes are fetched: panel, command line and loader alike."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from vramwise import cli, panel_data
from vramwise.errors import VramwiseError
from vramwise.hardware import capabilities
from vramwise.host import Places
from vramwise.models.load_plan import load_plan
from vramwise.models.request import ModelRequest
from vramwise.settings import Settings
from vramwise.weights.background_downloads import Downloads

HERE = ("torch", "transformers", "bitsandbytes", "accelerate", "pip")
BOTH = "install bitsandbytes accelerate"
Pretend = Callable[..., None]


@pytest.fixture
def pretend(monkeypatch: pytest.MonkeyPatch) -> Pretend:
    """``pretend(*packages, transformers="5.24.0")``: this Python has these and that version, no others."""

    def only(*packages: str, transformers: str = "5.24.0") -> None:
        real = capabilities.installed_version
        monkeypatch.setattr(capabilities, "_installed", lambda module: module in packages)
        monkeypatch.setattr(
            capabilities,
            "installed_version",
            lambda name: transformers if name == "transformers" else real(name),
        )

    return only


@pytest.fixture(autouse=True)
def _nothing_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = Settings(places=Places(tmp_path, (tmp_path / "models",)))
    monkeypatch.setattr(panel_data, "load_settings", lambda: empty)
    monkeypatch.setattr("vramwise.cli.fetching.load_settings", lambda: empty)

    def fetched(*_: object) -> Path:
        raise VramwiseError("it was fetched")

    monkeypatch.setattr("vramwise.weights.download_model", fetched)


@pytest.mark.parametrize(
    ("model", "packages", "transformers", "precision", "blocked", "named"),
    [
        ("qwen3_vl_2b", HERE, "5.24.0", "auto", False, ""),
        ("qwen3_vl_2b", (), "5.24.0", "auto", True, "install torch transformers"),
        ("qwen3_vl_2b", ("torch",), "5.24.0", "bf16", True, "install transformers"),
        (
            "qwen3_vl_2b",
            ("torch", "transformers"),
            "5.24.0",
            "auto",
            False,
            BOTH,
        ),
        ("qwen3_vl_2b", ("torch", "transformers"), "5.24.0", "int4", True, BOTH),
        (
            "qwen3_vl_2b",
            ("torch", "transformers"),
            "5.24.0",
            "bf16",
            False,
            BOTH,
        ),
        ("glm_ocr", HERE, "4.57.6", "auto", True, '"transformers>=5.0.0"'),
        ("qwen3_5_2b", HERE, "5.2.9", "auto", True, '"transformers>=5.3.0"'),
    ],
)
def test_the_panel_says_it_in_words_and_offers_no_download_before_it(
    model: str,
    packages: tuple[str, ...],
    transformers: str,
    precision: str,
    blocked: bool,
    named: str,
    pretend: Pretend,
) -> None:
    pretend(*packages, transformers=transformers)
    answer = panel_data.plan_answer(panel_data.loader_request(model, precision), Downloads(), "ru")
    assert answer["missing"]["blocked"] is blocked
    assert any(named in one["command"] for one in answer["needs"]) or not named
    assert all(one["command"] in one["text"] and "\u0447" in one["text"] for one in answer["needs"])


@pytest.mark.parametrize(
    ("packages", "words", "said"),
    [
        (("torch",), ("download", "qwen3_vl_2b"), "To fetch them all the same"),
        (("torch",), ("download", "qwen3_vl_2b", "--anyway"), "it was fetched"),
        (("torch", "transformers"), ("download", "qwen3_vl_2b"), "it was fetched"),
        ((), ("download", "qwen3_vl_2b"), "install torch transformers"),
    ],
)
def test_the_command_says_it_first_and_fetches_what_could_be_read(
    packages: tuple[str, ...],
    words: tuple[str, ...],
    said: str,
    pretend: Pretend,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pretend(*packages)
    assert cli.main(words) == 1
    err = capsys.readouterr().err
    assert said in err and " pip install " in err


def test_the_loader_names_the_packages_before_the_files(tmp_path: Path, pretend: Pretend) -> None:
    pretend("torch", "transformers")
    machine = Settings(places=Places(tmp_path, (tmp_path / "models",)))
    with pytest.raises(VramwiseError, match=r"^Install this first, for int4.*bitsandbytes.*not on this mach"):
        load_plan(ModelRequest("qwen3_vl_8b", "int4"), machine)
