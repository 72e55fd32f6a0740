"""Pretend cards (devtools/pretend_card): numbers from the CPU, device rules and memory of CUDA."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

collect_ignore = ["inside"]

for needed in ("torch", "transformers", "accelerate", "bitsandbytes"):
    pytest.importorskip(needed)


@pytest.fixture(scope="session", autouse=True)
def quiet() -> Iterator[None]:
    """bitsandbytes looks for a card when it is imported: before there is one. No bars of transformers."""
    import torch
    from transformers.utils import logging
    from vramwise.ocr.vlm.compat import import_bitsandbytes

    torch.set_num_threads(1)
    onednn = torch.backends.mkldnn.flags(enabled=False)  # its last bit depends on where a tensor lies
    import_bitsandbytes()
    logging.disable_progress_bar()
    with onednn:
        yield


@pytest.fixture(scope="module", autouse=True)
def nothing_old_is_garbage(quiet: None) -> Iterator[None]:
    """Collections, of which there are many here, pass by what the files before this one left and imported: of
    two million objects each would take a third of a second.
    """
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """``checkpoints(family)``: a tiny folder whose answer depends on the picture and on every weight."""
    from devtools.tiny_models.build import NotHere, talkative_checkpoint

    shelf = tmp_path_factory.mktemp("pretend-models")

    def folder(family: str) -> Path:
        made = shelf / f"my_{family}"
        try:
            return made if made.exists() else talkative_checkpoint(family, made)
        except NotHere as reason:
            pytest.skip(str(reason))

    return folder


@pytest.fixture
def model(
    checkpoints: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Any]:
    """``model(family, precision, device)``: a LoadedModel of its tiny folder, nothing loaded yet."""
    from vramwise.models.handle import OCRHandle
    from vramwise.models.script_api import LoadedModel

    def made(family: str, precision: str = "bf16", device: str = "cuda:0", attention: str = "auto") -> Any:
        folder = checkpoints(family)
        monkeypatch.setenv("VRAMWISE_MODELS", str(folder.parent))
        return LoadedModel(OCRHandle(folder.name, precision, attention, device))

    for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "APPDATA", "HOME", "HF_HOME"):
        monkeypatch.setenv(name, str(tmp_path))  # what is measured on a pretend card is remembered nowhere
    return made


@pytest.fixture(scope="session")
def page() -> Any:
    from PIL import Image, ImageDraw

    made = Image.new("RGB", (224, 112), "white")
    ImageDraw.Draw(made).text((10, 30), "Hello 123", fill="black", font_size=30)
    return made
