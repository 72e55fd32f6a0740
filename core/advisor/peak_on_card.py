"""What a monitor shows at the peak on a card of a size: not the need, but what ComfyUI leaves in VRAM.

ComfyUI unloads only what the next stage wants room for (model_management.free_memory), so a card with room
shows text encoder, model and the decode at once, and a small one is full whatever the model. A published
"VRAM used" is such a peak. Here the three stages are walked through as model_management.load_models_gpu of
ComfyUI 0.3.75 does, for a first picture on an empty card.
"""

from __future__ import annotations

from .diffusion_memory import LEAST_INFERENCE, DiffusionNeed

# load_models_gpu asks for a tenth more than a model weighs.
_SLACK = 1.1


def peak_on_card(need: DiffusionNeed, vram_bytes: int) -> int:
    """The highest use of a card, in bytes, on which ``vram_bytes`` are free for ComfyUI: while it encodes,
    samples or decodes.
    """
    card = _Card(vram_bytes)
    working = {
        "encode": (need.text_encoder_bytes, 0, 0),
        "sample": (need.weights_bytes, 2 * need.activation_bytes, need.activation_bytes),
        "decode": (need.vae_bytes, need.decode_bytes, need.decode_bytes),
    }
    peaks = []
    for stage, (weights, asked, used) in working.items():
        if not weights and not used:
            continue
        card.load(stage, weights, asked + need.reserve_bytes, used + need.reserve_bytes, need.reserve_bytes)
        peaks.append(min(vram_bytes, card.held + used))
    return max(peaks)


class _Card:
    """Which weights lie on it: ``loaded`` bytes of each stage, of its ``whole``."""

    def __init__(self, vram_bytes: int) -> None:
        self.vram = vram_bytes
        self.whole: dict[str, int] = {}
        self.loaded: dict[str, int] = {}

    @property
    def held(self) -> int:
        return sum(self.loaded.values())

    def load(self, stage: str, weights: int, asked: int, least: int, reserve: int) -> None:
        """load_models_gpu([model], memory_required, minimum_memory_required), with the reserve in both."""
        floor = LEAST_INFERENCE + reserve
        self._free(round(weights * _SLACK) + max(floor, asked))
        least = max(floor, least)
        if self.vram - self.held < least:
            self._free(least)
        self.whole[stage] = weights
        self.loaded[stage] = min(weights, max(0, self.vram - self.held - least))

    def _free(self, wanted: int) -> None:
        """What is streamed already goes first, then the smallest; each only as far as is needed."""
        for stage in sorted(
            self.loaded, key=lambda name: (self.loaded[name] - self.whole[name], self.whole[name])
        ):
            missing = wanted - (self.vram - self.held)
            if missing <= 0:
                return
            self.loaded[stage] = max(0, self.loaded[stage] - missing)
