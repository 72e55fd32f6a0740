"""What reading takes beside the weights: inputs, vision tower, prompt, KV cache.

Three moments are looked at, because their memory is not needed at once: the last layer of the vision tower
(no KV cache yet), the last layer of the prompt (the prompt's cache, no patches), the last token (the whole
cache). The widest one counts. Bytes a channel are data of each family: how many copies of a tensor live at
that moment in the real classes, measured by torch's allocator at true widths.

The classes are not the same in every transformers, so a figure may be for older ones only. The installed
version decides; where there is none, the newest count.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from ..catalog.precisions import precision as named
from ..catalog.words import said
from ..errors import VramwiseError
from ..families.blocks import full_attention_layers, head_dim, most_positions, text_config, vision_config
from ..families.family import ActivationCosts, Config, family_of_config
from ..families.pictures import Sides, picture_size
from ..families.published import once_a_published
from ..units import gib

# bitsandbytes multiplies int8 into an int32, makes fp16 of it and of that bf16, all three at once: 4 more
# bytes a channel. By its source (benchmarks/quantised_stand_ins.py), not measured on a GPU by us.
_INT8_FFN_BYTES = 4
# Eager attention of the language model: scores at 16 bits, their fp32 copy and its softmax.
_TEXT_SCORE_BYTES = 10
# Eager attention of a tower whose scores are counted without it: their sum, its softmax in fp32, that again.
_EAGER_BYTES = 8
# The last token's logits: 16-bit, an fp32 copy, and the copy that the search for the largest makes.
_LOGIT_BYTES = 10
# Tokens that a layer of linear attention takes at once (transformers' torch_chunk_gated_delta_rule).
_CHUNK = 64
# Copies of a layer's state while the next chunk's is made of it.
_STATES = 3
# Lengths of a static cache are multiples of it, so that torch.compile meets few of them.
_STATIC_STEP = 1024
_UNMEASURED = ActivationCosts(
    unit="patch",
    first_width_bytes=46,
    width_bytes=46,
    head_bytes=14,
    score_bytes=10,
    rotary_bytes=12,
    hidden_bytes=12,
    ffn_bytes=6,
    prompt_first=1,
    kept_width_bytes=2,
    kept_copies=2,
    mask_bytes=0,
    source="not measured: the most of the families that were, and a tenth more",
    date="2026-11-22",
)


@dataclass(frozen=True)
class Workload:
    """What is read at once: ``images`` of ``pixels`` each, and the tokens of one prompt and one answer.

    ``pixels`` is what the model gets to see, after resizing; ``positions`` the most tokens of prompt and
    answer of one picture that its recipe allows, 0 where it says nothing; ``static``: the cache has its whole
    length from the first token on. ``sides``: (width, height) in pixels, None where only the area is known.
    """

    pixels: int
    images: int = 1
    prompt_tokens: int = 128
    new_tokens: int = 2048
    positions: int = 0
    static: bool = False
    sides: Sides | None = None


@dataclass(frozen=True)
class Term:
    """One summand. ``name`` is weights, kv, activations, context or margin."""

    name: str
    bytes: int
    source: str


def static_length(prompt_tokens: int, new_tokens: int) -> int:
    """Tokens of the static cache of one row."""
    return -(-(prompt_tokens + new_tokens) // _STATIC_STEP) * _STATIC_STEP


@functools.cache
def transformers_major() -> int | None:
    """The first number of the installed version, None where there is none. Read in the package's own source:
    importlib.metadata alone would cost a fifth of what all of ``vramwise advise`` takes.
    """
    try:
        spec = find_spec("transformers")
    except ValueError:  # a stand-in in sys.modules
        return None
    if spec is None or not spec.origin or not spec.has_location:
        return None
    said = re.search(r'^__version__ = "(\d+)\.', Path(spec.origin).read_text(encoding="utf-8"), re.MULTILINE)
    return int(said[1]) if said else None


def reading_terms(config: Config, precision: str, attention: str, workload: Workload) -> tuple[Term, Term]:
    """The terms "kv" (the whole cache) and "activations" (what the widest moment takes beyond it).

    Raises VramwiseError where config.json does not give a number that is needed.
    """
    return _terms(config, precision, attention, workload, transformers_major())


@once_a_published
def _terms(
    config: Config, precision: str, attention: str, workload: Workload, transformers: int | None
) -> tuple[Term, Term]:
    reading, moments = _moments(config, precision, attention, workload, transformers)
    moment = max(moments, key=lambda name: moments[name])
    kv = reading.kv_bytes(reading.all_tokens)
    source = said(
        "plan_widest",
        moment=said(moment),
        size=gib(moments[moment], 2),
        patches=reading.patches,
        tokens=reading.prompt,
        source=reading.costs.source,
    )
    return Term("kv", kv, reading.kv_source()), Term("activations", moments[moment] - kv, source)


def beside_weights(config: Config, precision: str, attention: str, workload: Workload) -> tuple[int, int]:
    """The bytes of ``reading_terms`` alone, for whoever looks for the largest picture: (kv, activations)."""
    return _beside(config, precision, attention, workload, transformers_major())


@once_a_published
def _beside(
    config: Config, precision: str, attention: str, workload: Workload, transformers: int | None
) -> tuple[int, int]:
    reading, moments = _moments(config, precision, attention, workload, transformers)
    kv = reading.kv_bytes(reading.all_tokens)
    return kv, max(moments.values()) - kv


def _moments(
    config: Config, precision: str, attention: str, workload: Workload, transformers: int | None
) -> tuple[_Reading, dict[str, int]]:
    try:
        reading = _Reading(config, precision, attention, workload, transformers)
        return reading, {
            "plan_moment_vision": reading.vision_bytes(),
            "plan_moment_prompt": reading.prompt_bytes(),
            "plan_moment_last": reading.last_token_bytes(),
        }
    except KeyError as error:
        raise VramwiseError(
            f"config.json of this {config.get('model_type')} model does not give {error}, so the memory for "
            "reading cannot be computed. Its file is damaged: download the folder again."
        ) from None


@once_a_published
def _parts(config: Config, transformers: int | None) -> tuple[Config, Config, ActivationCosts]:
    """The language model's part, the vision tower's, and what was measured of the family."""
    family = family_of_config(config)
    measured = family.costs(transformers) if family is not None else None
    return text_config(config), vision_config(config), measured or _UNMEASURED


class _Reading:
    """The sizes of one workload, and the bytes of its moments."""

    def __init__(
        self,
        config: Config,
        precision: str,
        attention: str,
        workload: Workload,
        transformers: int | None,
    ) -> None:
        self.text, self.vision, self.costs = _parts(config, transformers)
        self.work = workload
        self.precision, self.eager = precision, attention == "eager"
        self.flash = attention.startswith("flash")
        self.scale = named(precision).bytes_elsewhere // 2
        self.hidden, self.layers = int(self.text["hidden_size"]), int(self.text["num_hidden_layers"])
        self.cached_layers = full_attention_layers(self.text)
        self.heads = int(self.text["num_attention_heads"])
        self.kv_heads = int(self.text.get("num_key_value_heads") or self.heads)
        # where a tower has both, hidden_size is the language model's
        self.width = int(self.vision.get("embed_dim") or self.vision.get("hidden_size") or 1024)
        self.vision_heads = int(self.vision.get("num_heads") or self.vision.get("num_attention_heads") or 16)
        self.picture = picture_size(config, workload.pixels, workload.sides)
        self.picture_tokens = self.picture.tokens * workload.images
        self.prompt = self.picture_tokens + workload.prompt_tokens * workload.images
        prompt, most = (
            self.picture.tokens + workload.prompt_tokens,
            most_positions(config, workload.positions),
        )
        new_tokens = workload.new_tokens if most is None else min(workload.new_tokens, max(1, most - prompt))
        self.row = prompt + new_tokens
        if workload.static:
            self.row = static_length(prompt, new_tokens)
        self.all_tokens = self.row * workload.images
        self.patches = self.picture.patches * workload.images

    def kv_bytes(self, tokens: int) -> int:
        grows = 2 * self.cached_layers * self.kv_heads * head_dim(self.text) * 2 * self.scale * tokens
        return grows + self._state_bytes()

    def _state_bytes(self) -> int:
        """What the layers without attention keep, whatever the length: a matrix a head, in fp32, and the last
        inputs of the convolution.
        """
        others = self.layers - self.cached_layers
        if not others:
            return 0
        keys, values = int(self.text["linear_key_head_dim"]), int(self.text["linear_value_head_dim"])
        mixed = 2 * int(self.text["linear_num_key_heads"]) * keys
        mixed += int(self.text["linear_num_value_heads"]) * values
        convolved = mixed * int(self.text["linear_conv_kernel_dim"]) * 2 * self.scale
        return others * self.work.images * (self._matrices() + convolved)

    def _matrices(self) -> int:
        """The state of one layer of linear attention and one sequence: a matrix a head, in fp32."""
        keys, values = int(self.text["linear_key_head_dim"]), int(self.text["linear_value_head_dim"])
        return int(self.text["linear_num_value_heads"]) * keys * values * 4

    def kv_source(self) -> str:
        state = self._state_bytes()
        cache = said(
            "plan_kv",
            layers=self.cached_layers,
            heads=self.kv_heads,
            dim=head_dim(self.text),
            bytes=2 * self.scale,
            tokens=self.all_tokens,
        )
        others = self.layers - self.cached_layers
        return said("plan_kv_state", cache=cache, size=gib(state, 2), layers=others) if state else cache

    @property
    def input_bytes(self) -> int:
        """Pixels as numbers, on the device until the answer is complete."""
        channels = int(self.vision.get("in_channels") or self.vision.get("num_channels") or 3)
        if self.costs.unit == "tile":
            tiles = self.picture.tiles * self.work.images
            return tiles * channels * int(self.vision["image_size"]) ** 2 * 2 * self.scale
        frames = int(self.vision.get("temporal_patch_size") or 1)
        side = int(self.vision.get("patch_size") or 14)
        return self.patches * channels * frames * side**2 * 2 * self.scale

    def vision_bytes(self) -> int:
        """The widest layer of the vision tower; an engine that cuts tiles encodes them one by one."""
        costs = self.costs
        waiting = self.input_bytes + costs.prompt_first * self.prompt * self.hidden * 2 * self.scale
        if costs.unit == "tile":
            grid = (int(self.vision["image_size"]) // int(self.vision["patch_size"])) ** 2
            scores = self.vision_heads * grid**2 * costs.score_bytes
            encoded = self.picture_tokens * self.hidden * 2
            return waiting + (scores + grid * self.width * costs.width_bytes + encoded) * self.scale
        if costs.unit == "views":
            return waiting + self._views_bytes() * self.scale
        rotary = self.width // self.vision_heads * costs.head_bytes
        last = self.patches * (self.width * costs.width_bytes + rotary) + self._deepstack_bytes()
        last += self.patches**2 * costs.mask_bytes
        if self.eager:
            last += self.vision_heads * (self.patches // self.work.images) ** 2 * costs.score_bytes
        first = self.patches * self.width * costs.first_width_bytes + self._table_bytes()
        return waiting + max(first, last) * self.scale

    def _views_bytes(self) -> int:
        """The wider of two: the whole pictures, or all their tiles. Their features are small beside that."""
        costs = self.costs
        side = int(self.vision["image_size"]) // int(self.vision["patch_size"])
        tiles, scores = self.picture.tiles - 1, costs.score_bytes + (_EAGER_BYTES if self.eager else 0)
        views = [(1, side**2)]
        if tiles:
            views.append((tiles, (self.picture.patches - side**2) // tiles))
        return self.work.images * max(
            count * (self.vision_heads * grid**2 * scores + grid * self.width * costs.width_bytes)
            for count, grid in views
        )

    def _table_bytes(self) -> int:
        if not self.costs.table_bytes:
            return 0
        side = int(self.vision["max_image_size"]) // int(self.vision["patch_size"])
        return side**2 * self.width * self.costs.table_bytes

    def _deepstack_bytes(self) -> int:
        """Features of earlier vision layers that wait for theirs of the language model (Qwen3-VL)."""
        depth = int(self.vision.get("depth") or 0)
        waiting = [index for index in self.vision.get("deepstack_visual_indexes") or () if index < depth - 1]
        return len(waiting) * self.picture_tokens * self.hidden * 2

    def prompt_bytes(self) -> int:
        """The last text layer over the whole prompt. Generation computes logits of its last token alone."""
        costs, size, ffn = self.costs, head_dim(self.text), self._ffn()
        beside = self.prompt * self.hidden * costs.hidden_bytes + self.prompt * size * costs.rotary_bytes
        wide = self.prompt * ffn * (costs.ffn_bytes + (_INT8_FFN_BYTES if self.precision == "int8" else 0))
        each = self.prompt // self.work.images
        mask = self._mask_bytes(each) // self.scale
        wide = max(wide, self._linear_bytes(each))
        if self.eager:
            scores = self.work.images * each**2 * (self.heads * _TEXT_SCORE_BYTES + 2)
            wide = max(wide, scores)
        if self.precision == "int4":
            wide += 2 * self.hidden * ffn  # one matrix is unpacked to 16 bits at a time
        beside += wide + mask + self._left_by_vision()
        cached = self.all_tokens if self.work.static else self.prompt
        return self.input_bytes + beside * self.scale + self.kv_bytes(cached)

    def _mask_bytes(self, each: int) -> int:
        """Of rows that are padded to one length, and of a static cache, which is read whole: transformers
        masks a byte a pair of places, and torch's attention makes the same of it in the dtype of the weights
        (convert_boolean_attn_mask in aten's native/transformers/attention.cpp). flash-attn takes lengths in
        its place; what eager attention masks with stands beside its scores.
        """
        if self.work.static:
            return self.work.images * each * self.row * (1 + 2 * self.scale)
        if self.work.images == 1 or self.eager or self.flash:
            return 0
        return self.work.images * each**2 * (1 + 2 * self.scale)

    def _linear_bytes(self, tokens: int) -> int:
        """One layer of linear attention over a prompt of ``tokens``, in whole chunks and mostly in fp32: what
        transformers' own code takes, which runs where flash-linear-attention is not installed.
        """
        if self.cached_layers == self.layers:
            return 0
        values = int(self.text["linear_num_value_heads"]) * int(self.text["linear_value_head_dim"])
        keys = int(self.text["linear_num_key_heads"]) * int(self.text["linear_key_head_dim"])
        padded = -(-tokens // _CHUNK) * _CHUNK * self.work.images
        states = _STATES * self._matrices() * self.work.images
        return padded * (values * self.costs.linear_bytes + (2 * keys + values) * 2) + states // self.scale

    def _left_by_vision(self) -> int:
        costs, deep = self.costs, len(self.vision.get("deepstack_visual_indexes") or ())
        tokens = self.picture_tokens
        features = tokens * self.hidden * 2 * costs.kept_copies * (1 + deep)
        return self.patches * self.width * costs.kept_width_bytes + features

    def _ffn(self) -> int:
        return int(self.text.get("intermediate_size") or 4 * self.hidden)

    def last_token_bytes(self) -> int:
        """The whole cache, and one layer's keys twice: it grows by concatenation, unless it is static."""
        kv = self.kv_bytes(self.all_tokens)
        logits = int(self.text.get("vocab_size") or 0) * _LOGIT_BYTES * self.work.images
        grown = 0 if self.work.static else kv // (2 * self.cached_layers)
        return self.input_bytes + kv + grown + logits
