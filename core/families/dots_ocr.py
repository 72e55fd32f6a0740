"""dots.ocr: a vision tower of its own, a Qwen2 decoder."""

from __future__ import annotations

from collections.abc import Iterator

from .blocks import Weight, language_model, linear, norm, text_config, vision_blocks, vision_config
from .family import Config


def weights(config: Config) -> Iterator[Weight]:
    seen = vision_config(config)
    width, ffn, patch = seen["embed_dim"], seen["intermediate_size"], seen["patch_size"]
    bias, joined = bool(seen["use_bias"]), width * seen["spatial_merge_size"] ** 2
    embedding = "vision_tower.patch_embed.patchifier"
    yield Weight(f"{embedding}.proj.weight", (width, seen.get("num_channels", 3), patch, patch))
    yield Weight(f"{embedding}.proj.bias", (width,))
    yield from norm(f"{embedding}.norm", width)
    mlp = (("fc1", width, ffn), ("fc2", ffn, width), ("fc3", width, ffn))
    yield from vision_blocks("vision_tower.blocks.*", width, seen["num_hidden_layers"], mlp, bias, False)
    if seen["post_norm"]:
        yield from norm("vision_tower.post_trunk_norm", width)
    yield from norm("vision_tower.merger.ln_q", width, True)
    yield from linear("vision_tower.merger.mlp.0", joined, joined, True)
    yield from linear("vision_tower.merger.mlp.2", joined, text_config(config)["hidden_size"], True)
    yield from language_model(config, "model", bias=True, head_norms=False)
