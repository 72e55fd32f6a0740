"""Every family at every precision, from a folder to the same words twice: planned, loaded, read, let go,
loaded again.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
for needed in ("transformers", "torchvision", "bitsandbytes", "accelerate"):
    pytest.importorskip(needed)

from vramwise import ModelLoader  # noqa: E402
from vramwise.models.handle import release_all, resident_engines  # noqa: E402
from vramwise.models.request import ModelRequest, plan_request  # noqa: E402

from devtools.tiny_models.build import families, tiny_checkpoint  # noqa: E402

PRECISIONS = ("bf16", "fp16", "int8", "int4")
ELSEWHERE = ("qwen3_vl", "qwen2_vl", "got_ocr2")  # read at each in test_vlm_reads.py


@pytest.mark.slow
@pytest.mark.parametrize("family", [name for name in families() if name not in ELSEWHERE])
def test_planned_loaded_read_let_go_and_read_again(
    family: str, built: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.set_num_threads(1)
    name = f"my-{family}"
    shutil.copytree(built(tiny_checkpoint, family), tmp_path / name)
    monkeypatch.setenv("VRAMWISE_MODELS", str(tmp_path))
    for variable in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "APPDATA", "HOME", "HF_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / "nobody"))
    page = np.full((96, 128, 3), 255, np.uint8)
    page[20:60:3, 10:110:2] = 0
    for precision in PRECISIONS:
        release_all()
        plan = plan_request(ModelRequest(name, precision))
        assert plan.require().precision == precision
        model = ModelLoader.load_model(name, precision)
        assert resident_engines() == [f"{name} {precision}"]
        (first,) = model.read([page], max_new_tokens=3)
        assert first.precision == precision and (first.tokens or 0) <= 3
        assert model.unload() and resident_engines() == []
        (again,) = model.read([page], max_new_tokens=3)
        assert (again.text, again.tokens, again.finish_reason) == (
            first.text,
            first.tokens,
            first.finish_reason,
        )
        del model
        ModelLoader.unload_model(name)
