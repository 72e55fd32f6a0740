"""dots.ocr and dots.mocr without remote code: a class with the published checkpoint's key names.

transformers has no such family, and the code that comes with the checkpoint does not generate under
transformers 5 (docs/sources.md#dotsocr-without-remote-code). The language model is transformers' own Qwen2;
the vision tower is written here: patches of 14 pixels, rotary positions over rows and columns, attention
within each picture by ``scaled_dot_product_attention`` (never a matrix over all pictures), a merger that
makes one token of 2 x 2 patches. Its output agrees with the published code to bf16 rounding (same place).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional
from transformers import PretrainedConfig, Qwen2Config, Qwen2ForCausalLM

from ....errors import VramwiseError
from ....families.pictures import smart_resize

if TYPE_CHECKING:
    from PIL.Image import Image

ROPE_THETA = 10000.0  # of the vision tower; the published config.json does not name it
MERGER_EPS = 1e-6


class DotsVisionConfig(PretrainedConfig):  # type: ignore[misc]
    """``vision_config`` of the published config.json. Its ``attn_implementation`` is not for this class."""

    model_type = "dots_vit"
    base_config_key = "vision_config"

    def __init__(
        self,
        embed_dim: int = 1536,
        hidden_size: int = 1536,
        intermediate_size: int = 4224,
        num_hidden_layers: int = 42,
        num_attention_heads: int = 12,
        num_channels: int = 3,
        patch_size: int = 14,
        spatial_merge_size: int = 2,
        temporal_patch_size: int = 1,
        rms_norm_eps: float = 1e-5,
        use_bias: bool = False,
        initializer_range: float = 0.02,
        post_norm: bool = True,
        **kwargs: Any,
    ) -> None:
        kwargs.pop("attn_implementation", None)
        super().__init__(**kwargs)
        self.embed_dim = embed_dim
        self.hidden_size = hidden_size
        self.intermediate_size = intermediate_size
        self.num_hidden_layers = num_hidden_layers
        self.num_attention_heads = num_attention_heads
        self.num_channels = num_channels
        self.patch_size = patch_size
        self.spatial_merge_size = spatial_merge_size
        self.temporal_patch_size = temporal_patch_size
        self.rms_norm_eps = rms_norm_eps
        self.use_bias = use_bias
        self.initializer_range = initializer_range
        self.post_norm = post_norm


class DotsOCRConfig(Qwen2Config):  # type: ignore[misc]
    """The published config.json: a Qwen2 with ``vision_config`` and ``image_token_id`` beside its fields."""

    model_type = "dots_ocr"
    sub_configs = {"vision_config": DotsVisionConfig}  # noqa: RUF012 (transformers' own spelling)

    def __init__(
        self,
        image_token_id: int = 151665,
        video_token_id: int = 151656,
        vision_config: dict[str, Any] | DotsVisionConfig | None = None,
        **kwargs: Any,
    ) -> None:
        # the code that it points to is never fetched, and a folder saved from here does not need it
        kwargs.pop("auto_map", None)
        if kwargs.get("rope_scaling") is None:
            # published as null, of which transformers 5 says that it is deprecated
            kwargs.pop("rope_scaling", None)
        super().__init__(**kwargs)
        self.image_token_id = image_token_id
        self.video_token_id = video_token_id
        if not isinstance(vision_config, DotsVisionConfig):
            vision_config = DotsVisionConfig(**(vision_config or {}))
        self.vision_config = vision_config


class RMSNorm(nn.Module):
    """Root mean square norm, computed in fp32 as the published code does."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        exact = states.float()
        exact = exact * torch.rsqrt(exact.square().mean(-1, keepdim=True) + self.eps)
        return exact.type_as(states) * self.weight


def _rotated(states: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """``states`` (patches, heads, head width) turned by their positions, in fp32."""
    exact = states.float()
    first, second = exact.chunk(2, dim=-1)
    return (exact * cos + torch.cat((-second, first), dim=-1) * sin).type_as(states)


class DotsVisionAttention(nn.Module):
    def __init__(self, config: DotsVisionConfig) -> None:
        super().__init__()
        self.heads = config.num_attention_heads
        self.qkv = nn.Linear(config.embed_dim, 3 * config.embed_dim, bias=config.use_bias)
        self.proj = nn.Linear(config.embed_dim, config.embed_dim, bias=config.use_bias)

    def forward(
        self, states: torch.Tensor, lengths: list[int], cos: torch.Tensor, sin: torch.Tensor
    ) -> torch.Tensor:
        query, key, value = self.qkv(states).view(states.shape[0], 3, self.heads, -1).unbind(1)
        query, key = _rotated(query, cos, sin), _rotated(key, cos, sin)
        pictures = (torch.split(part, lengths) for part in (query, key, value))
        seen = [
            functional.scaled_dot_product_attention(*(part.transpose(0, 1)[None] for part in parts))[0]
            for parts in zip(*pictures, strict=True)
        ]
        joined: torch.Tensor = self.proj(torch.cat(seen, dim=1).transpose(0, 1).flatten(1))
        return joined


class DotsVisionMLP(nn.Module):
    """SwiGLU: fc1 is the gate, fc3 what it lets through."""

    def __init__(self, config: DotsVisionConfig) -> None:
        super().__init__()
        self.fc1 = nn.Linear(config.embed_dim, config.intermediate_size, bias=config.use_bias)
        self.fc2 = nn.Linear(config.intermediate_size, config.embed_dim, bias=config.use_bias)
        self.fc3 = nn.Linear(config.embed_dim, config.intermediate_size, bias=config.use_bias)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        mixed: torch.Tensor = self.fc2(functional.silu(self.fc1(states)) * self.fc3(states))
        return mixed


class DotsVisionBlock(nn.Module):
    def __init__(self, config: DotsVisionConfig) -> None:
        super().__init__()
        self.attn = DotsVisionAttention(config)
        self.norm1 = RMSNorm(config.embed_dim, config.rms_norm_eps)
        self.mlp = DotsVisionMLP(config)
        self.norm2 = RMSNorm(config.embed_dim, config.rms_norm_eps)

    def forward(
        self, states: torch.Tensor, lengths: list[int], cos: torch.Tensor, sin: torch.Tensor
    ) -> torch.Tensor:
        states = states + self.attn(self.norm1(states), lengths, cos, sin)
        mixed: torch.Tensor = states + self.mlp(self.norm2(states))
        return mixed


class DotsPatchifier(nn.Module):
    def __init__(self, config: DotsVisionConfig) -> None:
        super().__init__()
        self.shape = (config.num_channels, config.temporal_patch_size, config.patch_size, config.patch_size)
        self.proj = nn.Conv2d(config.num_channels, config.embed_dim, config.patch_size, config.patch_size)
        self.norm = RMSNorm(config.embed_dim, config.rms_norm_eps)

    def forward(self, patches: torch.Tensor) -> torch.Tensor:
        first_frame = patches.view(-1, *self.shape)[:, :, 0]
        embedded: torch.Tensor = self.norm(self.proj(first_frame).flatten(1))
        return embedded


class DotsPatchEmbed(nn.Module):
    def __init__(self, config: DotsVisionConfig) -> None:
        super().__init__()
        self.patchifier = DotsPatchifier(config)

    def forward(self, patches: torch.Tensor) -> torch.Tensor:
        embedded: torch.Tensor = self.patchifier(patches)
        return embedded


class DotsPatchMerger(nn.Module):
    def __init__(self, config: DotsVisionConfig) -> None:
        super().__init__()
        self.width = config.embed_dim * config.spatial_merge_size**2
        self.ln_q = nn.LayerNorm(config.embed_dim, eps=MERGER_EPS)
        self.mlp = nn.Sequential(
            nn.Linear(self.width, self.width), nn.GELU(), nn.Linear(self.width, config.hidden_size)
        )

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        merged: torch.Tensor = self.mlp(self.ln_q(states).view(-1, self.width))
        return merged


class DotsVisionTransformer(nn.Module):
    def __init__(self, config: DotsVisionConfig) -> None:
        super().__init__()
        self.config = config
        self.patch_embed = DotsPatchEmbed(config)
        self.blocks = nn.ModuleList(DotsVisionBlock(config) for _ in range(config.num_hidden_layers))
        if config.post_norm:
            self.post_trunk_norm = RMSNorm(config.embed_dim, config.rms_norm_eps)
        self.merger = DotsPatchMerger(config)

    def positions(self, grid: list[list[int]], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        """Cosines and sines (patches, 1, head width) of rows and columns; patches come in 2 x 2 groups."""
        merge = self.config.spatial_merge_size
        width = self.config.embed_dim // self.config.num_attention_heads // 2
        steps = torch.arange(0, width, 2, dtype=torch.float32, device=device)
        speeds = 1.0 / ROPE_THETA ** (steps / width)
        angles = []
        for frames, rows, columns in grid:
            row = torch.arange(rows, device=device)[:, None].expand(rows, columns)
            column = torch.arange(columns, device=device)[None].expand(rows, columns)
            both = torch.stack((row, column), dim=-1)
            grouped = both.reshape(rows // merge, merge, columns // merge, merge, 2).transpose(1, 2)
            angles.append((grouped.reshape(-1, 2, 1).float() * speeds).flatten(1).repeat(frames, 1))
        every = torch.cat(angles)
        every = torch.cat((every, every), dim=-1)[:, None]
        return every.cos(), every.sin()

    def forward(self, patches: torch.Tensor, grid: torch.Tensor) -> torch.Tensor:
        """Image tokens (tokens, hidden_size) of ``patches`` (patches, channels * side * side).

        ``grid`` is (pictures, 3): frames, rows and columns of patches.
        """
        sizes: list[list[int]] = grid.tolist()
        states = self.patch_embed(patches.to(self.patch_embed.patchifier.proj.weight.dtype))
        cos, sin = self.positions(sizes, states.device)
        lengths = [rows * columns for frames, rows, columns in sizes for _ in range(frames)]
        for block in self.blocks:
            states = block(states, lengths, cos, sin)
        if self.config.post_norm:
            states = self.post_trunk_norm(states)
        tokens: torch.Tensor = self.merger(states)
        return tokens


class DotsOCRForCausalLM(Qwen2ForCausalLM):  # type: ignore[misc]
    """Keys ``model.*``, ``lm_head.*`` (Qwen2) and ``vision_tower.*``, as published."""

    config_class = DotsOCRConfig
    config: DotsOCRConfig
    main_input_name = "input_ids"
    input_modalities = ("image", "text")
    _no_split_modules = ["Qwen2DecoderLayer", "DotsVisionBlock"]  # noqa: RUF012 (transformers' own spelling)

    def __init__(self, config: DotsOCRConfig) -> None:
        super().__init__(config)
        self.vision_tower = DotsVisionTransformer(config.vision_config)
        self.post_init()

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        pixel_values: torch.Tensor | None = None,
        image_grid_thw: torch.Tensor | None = None,
        logits_to_keep: int | torch.Tensor = 0,
        **kwargs: Any,
    ) -> Any:
        """``logits_to_keep`` is named, not only passed on: generation looks for it in the signature, and
        without it computes the logits of a whole prompt, 3.4 GB for an A4 page. The cache is not named: what
        it is called changes with transformers' versions.
        """
        if inputs_embeds is None and pixel_values is not None:
            inputs_embeds = self._with_pictures(input_ids, pixel_values, image_grid_thw)
            input_ids = None
        return super().forward(
            input_ids=input_ids, inputs_embeds=inputs_embeds, logits_to_keep=logits_to_keep, **kwargs
        )

    def generate(
        self,
        input_ids: torch.Tensor | None = None,
        *given: Any,
        pixel_values: torch.Tensor | None = None,
        image_grid_thw: torch.Tensor | None = None,
        **kwargs: Any,
    ) -> Any:
        """As transformers', with the pictures looked at once, before the first token: generation itself gets
        the prompt as embeddings, and its steps are those of a plain Qwen2.
        """
        if pixel_values is not None:
            with torch.no_grad():
                embeds = self._with_pictures(input_ids, pixel_values, image_grid_thw)
            kwargs["inputs_embeds"] = embeds
        return super().generate(input_ids, *given, **kwargs)

    def _with_pictures(self, input_ids: Any, pixel_values: torch.Tensor, grid: Any) -> torch.Tensor:
        embeds: torch.Tensor = self.get_input_embeddings()(input_ids)
        places = (input_ids == self.config.image_token_id).to(embeds.device)
        tokens = self.vision_tower(pixel_values, grid).to(embeds)
        if int(places.sum()) != tokens.shape[0]:
            raise ValueError(
                f"The prompt has {int(places.sum())} image tokens, the pictures have {tokens.shape[0]}."
            )
        return embeds.masked_scatter(places[..., None], tokens)


# --- the processor ----------------------------------------------------------------------------------------

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
MIN_PIXELS, MAX_PIXELS = 3136, 11289600
BEFORE, PLACE, AFTER = "<|user|><|img|>", "<|imgpad|>", "<|endofimg|>"
ASKED, ANSWER, ANSWERED = "<|endofuser|>", "<|assistant|>", "<|endofassistant|>"


@dataclass(frozen=True)
class PictureSettings:
    """What preprocessor_config.json says; the defaults are those of the published file."""

    min_pixels: int = MIN_PIXELS
    max_pixels: int = MAX_PIXELS
    patch_size: int = 14
    merge_size: int = 2
    temporal_patch_size: int = 1
    image_mean: tuple[float, ...] = CLIP_MEAN
    image_std: tuple[float, ...] = CLIP_STD

    @classmethod
    def of(cls, folder: Path) -> PictureSettings:
        """Those of ``folder``; fields that its file lacks are the published ones."""
        file = folder / "preprocessor_config.json"
        if not file.is_file():
            return cls()
        said: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        size = said.get("size") or {}
        said.setdefault("min_pixels", size.get("shortest_edge", size.get("min_pixels")))
        said.setdefault("max_pixels", size.get("longest_edge", size.get("max_pixels")))
        known = {name: said[name] for name in cls.__dataclass_fields__ if said.get(name) is not None}
        for name in ("image_mean", "image_std"):
            if name in known:
                known[name] = tuple(known[name])
        return cls(**known)


class DotsOCRProcessor:
    """Pictures by PIL, prompts by the checkpoint's tokenizer: no torchvision, no code of the folder."""

    def __init__(self, tokenizer: Any, settings: PictureSettings) -> None:
        self.tokenizer, self.settings = tokenizer, settings

    @classmethod
    def from_folder(cls, folder: Path) -> DotsOCRProcessor:
        """Raises VramwiseError where the folder's tokenizer is missing or not that of dots.ocr."""
        from transformers import AutoTokenizer

        try:
            tokenizer = AutoTokenizer.from_pretrained(
                str(folder), local_files_only=True, trust_remote_code=False
            )
        except (OSError, ValueError) as error:
            raise VramwiseError(
                f"The tokenizer in {folder} cannot be opened: {error} "
                "Download the model again: its tokenizer files belong beside the weights."
            ) from error
        if len(tokenizer(PLACE, add_special_tokens=False)["input_ids"]) != 1:
            raise VramwiseError(
                f"The tokenizer in {folder} does not know {PLACE}: it is not that of dots.ocr. "
                "Download the model again."
            )
        return cls(tokenizer, PictureSettings.of(folder))

    def size(self, picture: Image) -> tuple[int, int]:
        """(width, height) in pixels at which the model sees ``picture``."""
        settings = self.settings
        return smart_resize(
            *picture.size, settings.patch_size * settings.merge_size, settings.min_pixels, settings.max_pixels
        )

    def patches(self, picture: Image) -> torch.Tensor:
        """(patches, channels * frames * side * side) in fp32, in groups of 2 x 2 as the merger takes them."""
        from PIL.Image import Resampling

        settings = self.settings
        width, height = self.size(picture)
        scaled = picture.convert("RGB").resize((width, height), Resampling.BICUBIC)
        pixels = torch.frombuffer(bytearray(scaled.tobytes()), dtype=torch.uint8).view(height, width, 3)
        mean, std = torch.tensor(settings.image_mean), torch.tensor(settings.image_std)
        values = (pixels.float() / 255.0 - mean) / std
        side, merge = settings.patch_size, settings.merge_size
        rows, columns = height // side // merge, width // side // merge
        cut = values.view(rows, merge, side, columns, merge, side, 3).permute(0, 3, 1, 4, 6, 2, 5)
        frames = cut.reshape(-1, 3, 1, side * side).expand(-1, 3, settings.temporal_patch_size, side * side)
        return frames.reshape(frames.shape[0], -1)

    def __call__(self, pictures: Sequence[Image], prompt: str) -> dict[str, torch.Tensor]:
        """Inputs of ``generate``: each of ``pictures`` asked ``prompt``; rows are padded on the left."""
        settings = self.settings
        grids = [
            [1, down // settings.patch_size, across // settings.patch_size]
            for across, down in map(self.size, pictures)
        ]
        asked = [
            f"{BEFORE}{PLACE * (rows * columns // settings.merge_size**2)}{AFTER}{prompt}{ASKED}{ANSWER}"
            for _, rows, columns in grids
        ]
        words = self.tokenizer(
            asked, padding=True, padding_side="left", add_special_tokens=False, return_tensors="pt"
        )
        return {
            "input_ids": words["input_ids"],
            "attention_mask": words["attention_mask"],
            "pixel_values": torch.cat([self.patches(picture) for picture in pictures]),
            "image_grid_thw": torch.tensor(grids),
        }
