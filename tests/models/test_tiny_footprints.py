"""Predicted weight bytes against what is really loaded: every family of the catalog at every precision."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
for needed in ("transformers", "bitsandbytes", "accelerate"):
    pytest.importorskip(needed)

from vramwise.families.family import family, family_of_model_type  # noqa: E402
from vramwise.ocr.vlm.load import load_net, true_bytes  # noqa: E402
from vramwise.ocr.vlm.model_owner import LoadSpec  # noqa: E402
from vramwise.planning import Workload, footprint  # noqa: E402
from vramwise.weights.checkpoint_files import read_config, tensor_index  # noqa: E402

from devtools.tiny_models.build import families, tiny_checkpoint  # noqa: E402

CASES = [
    *((precision, False) for precision in ("bf16", "fp16", "fp32", "int8", "int4")),
    *((precision, True) for precision in ("int8", "int4")),
]


@pytest.mark.slow
@pytest.mark.parametrize("name", families())
def test_every_family_at_every_precision_takes_what_its_headers_predicted(
    name: str, built: Callable[..., Path]
) -> None:
    path = built(tiny_checkpoint, name)
    config, headers = read_config(path), tensor_index(path)
    row = family_of_model_type(config["model_type"]) or family(name)
    attention = "eager" if "sdpa" not in row.attention else "sdpa"
    for precision, vision in CASES:
        spec = LoadSpec(path, config["model_type"], precision, attention, "cpu", vision)
        net = load_net(spec, row)
        predicted = footprint(
            config, headers, precision, workload=Workload(512 * 512), quantise_vision=vision
        ).weights_bytes
        # position tables are computed, not stored: 3 % of a tiny net, less than 0.2 % of a published one
        tables = sum(buffer.numel() * buffer.element_size() for buffer in net.buffers())
        assert true_bytes(net) - tables == pytest.approx(predicted, rel=0.005), (precision, vision)
        del net
        gc.collect()
