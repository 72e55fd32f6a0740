"""A folder that cannot be loaded: files are fetched again only where files are at fault."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from vramwise.ocr.vlm.load_failures import remedy

DOWNLOAD = "download this one again"


def chained(outer: Exception, inner: Exception) -> Exception:
    outer.__cause__ = inner
    return outer


class SafetensorError(Exception):
    """As safetensors names its own, which is made in Rust and cannot be raised from here."""


IN_ANOTHER = RuntimeError("Failed to import transformers.models.qwen2_vl (look up to see its traceback)")
NOT_OF_FILES = [
    (
        ImportError("`device_map` requires Accelerate: `pip install 'accelerate>=0.26.0'`"),
        "accelerate",
    ),
    (ModuleNotFoundError("No module named 'bitsandbytes.nn'", name="bitsandbytes.nn"), "bitsandbytes"),
    (
        ImportError("libcudart.so.12: cannot open", name="flash_attn_2_cuda"),
        "flash_attn_2_cuda",
    ),
    (ModuleNotFoundError("No module named 'PIL'", name="PIL"), "pillow"),
    (
        chained(IN_ANOTHER, ModuleNotFoundError("No module named 'torchvision'", name="torchvision")),
        "torchvision",
    ),
    (ValueError("Loading an AWQ model requires it. Please `pip install gptqmodel --no-build`"), "gptqmodel"),
    (ValueError("model type `qwen9` but Transformers does not recognize this architecture."), "--upgrade"),
    (PermissionError(13, "Permission denied", "model.safetensors"), "right to read"),
    (RuntimeError("CUDA error: no kernel image is available for execution"), "compare its config.json"),
    (TypeError("unsupported operand type(s) for //: 'NoneType' and 'int'"), "compare its config.json"),
    (
        SafetensorError("Error while deserializing header: IO error: Too many open files (os error 24)"),
        "could not read",
    ),
    (SafetensorError("Input/output error (os error 5)"), "the disk or the share"),
    (OSError("Unable to open file: The network path was not found. (os error 53)"), "the disk or the share"),
    (SafetensorError("No such file or directory (os error 2)"), "could not read"),
    (RuntimeError("unexpected EOF, stale file handle (os error 116)"), "could not read"),
    (ImportError("partially initialized module (most likely a circular import)"), "package is missing"),
]


@pytest.mark.parametrize(("error", "says"), NOT_OF_FILES, ids=lambda value: str(value)[:40])
def test_what_is_no_fault_of_the_files_names_what_to_do(error: Exception, says: str) -> None:
    assert says in remedy(error)
    assert DOWNLOAD not in remedy(error)


DAMAGED = [
    SafetensorError("Error while deserializing header: MetadataIncompleteBuffer"),
    SafetensorError("Error while deserializing header: header too large"),
    EOFError("Ran out of input"),
    RuntimeError("PytorchStreamReader failed reading zip archive: failed finding central directory"),
    OSError("Unable to load weights: file is corrupted"),
    chained(
        OSError("It looks like the config file is not valid."), json.JSONDecodeError("Expecting value", "", 0)
    ),
    RuntimeError("size mismatch for model.embed_tokens.weight"),
]


@pytest.mark.parametrize("error", DAMAGED, ids=lambda error: str(error)[:40])
def test_damaged_files_are_downloaded_again(error: Exception) -> None:
    assert DOWNLOAD in remedy(error)


def test_safetensors_own_error_of_a_file_cut_short_is_damage(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    safetensors = pytest.importorskip("safetensors.torch")
    file = tmp_path / "model.safetensors"
    safetensors.save_file({"weight": torch.zeros(64, 64)}, file)
    file.write_bytes(file.read_bytes()[:-500])
    with pytest.raises(Exception, match=r".") as caught:
        safetensors.load_file(file)
    assert DOWNLOAD in remedy(caught.value)


def test_transformers_own_word_for_a_missing_package_is_a_package(monkeypatch: pytest.MonkeyPatch) -> None:
    utils = pytest.importorskip("transformers.utils.import_utils")
    monkeypatch.setitem(utils.BACKENDS_MAPPING, "timm", (lambda: False, utils.TIMM_IMPORT_ERROR))
    with pytest.raises(ImportError) as caught:
        utils.requires_backends("Qwen3VLForConditionalGeneration", ["timm"])
    assert "pip install timm" in remedy(caught.value)
    assert DOWNLOAD not in remedy(caught.value)


def test_causes_in_a_circle_end() -> None:
    first, second = ValueError("one"), ValueError("two")
    first.__context__, second.__context__ = second, first
    assert remedy(first)
