"""`vramwise doctor`: what is wrong with an installation, first and with its remedy."""

from __future__ import annotations

import contextlib
import http.server
import io
import json
import os
import shutil
import string
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from vramwise.catalog.words import LANGUAGES, words
from vramwise.cli import main
from vramwise.doctor import checks
from vramwise.doctor.checks import Check, comfyui_around, examine, short

from devtools.fakes.local_server import listening


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A new user's: no settings, no models, no proxy."""
    for name in [
        name for name in os.environ if name.startswith("VRAMWISE_") or name.lower().endswith("_proxy")
    ]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home" / ".config"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.setattr(checks, "_CHECKS", {**checks._CHECKS, "builtin": lambda looking: None})
    yield


def found(lang: str = "en") -> dict[str, Check]:
    return {check.code: check for check in examine(lang)}


def settings(text: str) -> None:
    path = Path(os.environ["XDG_CONFIG_HOME"]) / "vramwise" / "config.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def comfyui(root: Path, *packs: str) -> list[Path]:
    """A ComfyUI of ``root`` with copies of the pack in custom_nodes."""
    (root / "comfy").mkdir(parents=True)
    (root / "main.py").touch()
    (root / "comfyui_version.py").write_text('# written\n__version__ = "0.33.0"\n', encoding="utf-8")
    folders = [root / "custom_nodes" / name for name in packs]
    for folder in folders:
        (folder / "core" / "doctor").mkdir(parents=True)
        (folder / "core" / "doctor" / "checks.py").touch()
        (folder / "nodes").mkdir()
    return folders


def test_a_sound_installation_has_no_problem_and_says_what_is_here() -> None:
    told = found()
    assert not [check for check in told.values() if check.severity == "problem"]
    for code in ("python", "pack", "comfyui_none", "system", "libraries", "models", "disk", "network"):
        assert told[code].severity == "ok" and told[code].text


def test_the_built_in_engine_reads_the_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rapidocr")
    monkeypatch.setattr(checks, "_CHECKS", {"builtin": checks._built_in})
    (check,) = examine()
    assert check.code == "builtin" and "lines" in check.text


def test_the_comfyui_around_the_pack_is_told_and_its_models_folder_is_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (pack,) = comfyui(tmp_path / "ComfyUI", "vramwise")
    monkeypatch.setattr(checks, "PACK", pack)
    model = tmp_path / "ComfyUI" / "models" / "LLM" / "half"
    model.mkdir(parents=True)
    (model / "config.json").write_text('{"model_type": "qwen2_vl"}', encoding="utf-8")
    (model / "model.safetensors").write_bytes(b"half")
    told = found()
    assert "0.33.0" in told["comfyui"].text
    assert told["models_odd"].severity == "warning" and "half" in told["models_odd"].text
    assert str(tmp_path / "ComfyUI" / "models") in told["disk"].text


def test_two_copies_of_the_pack_are_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pack, _ = comfyui(tmp_path / "ComfyUI", "vramwise", "VRAMwise-main")
    monkeypatch.setattr(checks, "PACK", pack)
    assert "VRAMwise-main, vramwise" in found()["pack_twice"].text
    assert comfyui_around(tmp_path) is None


@pytest.mark.parametrize("text", ["models_dirr: x", "a: [", "endpoints: 3"])
def test_settings_that_cannot_be_read_are_a_problem_and_the_rest_goes_on(text: str) -> None:
    settings(text)
    told = found()
    assert told["settings_wrong"].severity == "problem" and "config.yaml" in told["settings_wrong"].text
    assert "disk" in told and "models" in told


def test_what_a_check_raises_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> Any:
        raise OSError("the driver hung up")

    monkeypatch.setattr(checks, "machine_now", fails)
    told = found()
    assert told["failed"].severity == "problem" and "the driver hung up" in told["failed"].text
    assert "libraries" in told


def test_offline_and_a_proxy_are_said_without_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("https_proxy", "http://me:hidden@proxy.example:3128")
    told = found()
    assert "HF_HUB_OFFLINE" in told["offline"].text
    assert "proxy.example:3128" in told["network"].text
    assert "hidden" not in "".join(check.text for check in told.values())


class Listing(http.server.BaseHTTPRequestHandler):
    """A server with one model."""

    def do_GET(self) -> None:
        body = json.dumps({"object": "list", "data": [{"id": "qwen3-vl", "object": "model"}]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


def test_a_server_that_answers_is_told_and_one_that_does_not() -> None:
    pytest.importorskip("openai")
    with listening(Listing) as url:
        settings(f"endpoints:\n  here:\n    urls: [{url}]\n  gone:\n    urls: [http://127.0.0.1:9]\n")
        told = found()
    assert told["endpoint"].text.startswith("here: ") and "qwen3-vl" in told["endpoint"].text
    assert told["endpoint_down"].severity == "warning" and "gone" in told["endpoint_down"].text


def test_a_torchvision_of_another_torch_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    (tmp_path / "torchvision.py").write_text(
        "raise RuntimeError('operator torchvision::nms does not exist')", encoding="utf-8"
    )
    monkeypatch.delitem(sys.modules, "torchvision", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    told = found()["torchvision"]
    assert told.severity == "problem" and "nms" in told.text and "torch torchvision" in told.remedy


def test_little_room_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(".")
    monkeypatch.setattr(checks.shutil, "disk_usage", lambda _: type(usage)(10**12, 10**12, 10**9))
    assert found()["disk_full"].severity == "warning"


def test_the_home_folder_is_not_told(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert short(home / "models") == f"~{os.sep}models"
    assert all(str(home) not in check.text for check in examine())


def said(*args: str) -> tuple[int, str]:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = main(["doctor", *args])
    return code, out.getvalue()


def test_the_command_tells_what_is_wrong_first_and_ends_with_1() -> None:
    assert said()[0] == 0
    settings("a: [")
    code, text = said()
    assert code == 1
    assert text.index("Problem, Settings") < text.index("What is here:")


def test_the_json_has_every_check() -> None:
    settings("a: [")
    code, text = said("--json")
    told = json.loads(text)
    assert code == 1 and told["well"] is False
    assert told["schema_version"] == 2 and told["catalog_date"]
    assert {"code", "subject", "severity", "text", "remedy"} == set(told["checks"][0])


@pytest.mark.parametrize("lang", LANGUAGES)
def test_each_language_has_every_sentence_with_the_same_facts(lang: str) -> None:
    fields = string.Formatter().parse
    for key, text in words("en").items():
        if key.startswith("doctor_"):
            named = {name for _, name, _, _ in fields(text) if name}
            assert {name for _, name, _, _ in fields(words(lang)[key]) if name} == named, key
    assert said("--lang", lang)[1].startswith(words(lang)["doctor_head"])
