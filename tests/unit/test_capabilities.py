"""Optional parts, their reasons, and the hints that name this interpreter."""

from __future__ import annotations

import re
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest
from vramwise.errors import VramwiseError
from vramwise.hardware import capabilities, machine
from vramwise.hardware.devices import device_names

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def opencv(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """Installed OpenCV builds by name, and a cv2 whose contrib modules are an empty folder."""
    present: dict[str, str] = {}
    monkeypatch.setattr(capabilities, "installed_version", lambda name: present.get(name))
    monkeypatch.setitem(sys.modules, "cv2", types.SimpleNamespace(ximgproc=types.SimpleNamespace()))
    capabilities.check_opencv.cache_clear()
    yield present
    capabilities.check_opencv.cache_clear()


def test_a_contrib_build_that_lost_its_modules_is_named_with_the_command_that_mends_it(
    opencv: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    opencv |= {"opencv-contrib-python": "4.10.0.84", "opencv-python-headless": "5.0.0.93"}
    hint = capabilities.check_opencv()
    assert hint is not None and hint in caplog.text
    assert f"{sys.executable} -m pip install --force-reinstall --no-deps" in hint
    assert "opencv-contrib-python==5.0.0.93" in hint


def test_a_whole_contrib_build_or_a_single_build_says_nothing(
    opencv: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    opencv |= {"opencv-python-headless": "5.0.0.93"}
    assert capabilities.check_opencv() is None
    capabilities.check_opencv.cache_clear()
    opencv |= {"opencv-contrib-python": "5.0.0.93"}
    whole = types.SimpleNamespace(ximgproc=types.SimpleNamespace(guidedFilter=len))
    monkeypatch.setitem(sys.modules, "cv2", whole)
    assert capabilities.check_opencv() is None


def test_no_hint_in_shipped_code_says_bare_pip() -> None:
    for path in [*ROOT.glob("core/**/*.py"), *ROOT.glob("nodes/**/*.py")]:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if "pip install" in line:
                assert "-m pip install" in line, f"{path}:{number}: {line.strip()}"


def test_without_a_runtime_the_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capabilities, "_installed", lambda module: module == "rapidocr")
    with pytest.raises(VramwiseError, match=re.escape(f"{sys.executable} -m pip install openvino")):
        capabilities.rapid_runtime()
    monkeypatch.setattr(capabilities, "_installed", lambda module: module in ("rapidocr", "onnxruntime"))
    assert capabilities.rapid_runtime() == "onnxruntime"


def test_missing_bitsandbytes_is_a_reason_not_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capabilities, "_installed", lambda module: module in ("torch", "transformers"))
    options = capabilities.model_options()
    assert (
        not options["int8"].usable and "bitsandbytes and accelerate not installed" in options["int8"].reason
    )
    assert not options["flash_attention_2"].usable


@pytest.mark.parametrize(
    ("installed", "int8", "int4"),
    [
        (("bitsandbytes", "accelerate"), True, True),
        (("torchao",), True, False),
        (("torchao", "accelerate"), True, False),
        (("torchao", "bitsandbytes"), False, False),  # the loader takes bitsandbytes, which needs accelerate
    ],
)
def test_int8_runs_by_bitsandbytes_or_by_torchao_and_int4_by_bitsandbytes_alone(
    installed: tuple[str, ...], int8: bool, int4: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = ("torch", "transformers", *installed)
    monkeypatch.setattr(capabilities, "_installed", lambda module: module in here)
    options = capabilities.model_options()
    assert (options["int8"].usable, options["int4"].usable) == (int8, int4)


def test_a_device_from_another_machine_falls_back_with_a_note() -> None:
    report = machine.probe("cuda:7")
    assert report.device.id in device_names()
    assert 'The device "cuda:7" is not on this machine' in report.notes[0]
    assert report.notes[0] in report.text()


def test_the_report_counts_what_psutil_counts_and_does_not_call_unknown_zero() -> None:
    import psutil

    report = machine.probe("cpu")
    assert report.device.total_bytes == psutil.virtual_memory().total
    assert 0 < (report.device.free_bytes or 0) <= report.ram_total_bytes
    unknown = machine.DeviceReport("cuda:0", "Card", "cuda", None, None, source="torch")
    assert "unknown free of unknown" in unknown.line()
