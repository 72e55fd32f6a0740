"""PaddleOCR-VL."""

from __future__ import annotations

from collections.abc import Iterator

from .blocks import Weight, language_model, linear, norm, siglip, text_config, vision_config
from .family import Config


def weights(config: Config) -> Iterator[Weight]:
    """SigLIP, a projector over squares of patches, an ERNIE 4.5 decoder."""
    seen, text = vision_config(config), text_config(config)
    yield from siglip("model.visual.vision_model", seen)
    width = seen["hidden_size"]
    joined = width * seen["spatial_merge_size"] ** 2
    yield from norm("model.projector.pre_norm", width, True)
    yield from linear("model.projector.linear_1", joined, joined, True)
    yield from linear("model.projector.linear_2", joined, text["hidden_size"], True)
    yield from language_model(config, "model.language_model", bias=bool(text["use_bias"]), head_norms=False)
