"""A tiny Stable Diffusion 1.5 checkpoint with random weights, which a real ComfyUI loads and samples with.

ComfyUI tells SD 1.x by the width of the UNet and of the text it listens to, and counts the rest: one level
with one block is enough (13 M parameters). The VAE is a tiny autoencoder, which ComfyUI takes in a checkpoint
too. Only CLIP must have its full size (123 M), so the file has 280 MB; it is built once, in seconds, and kept
under .comfy/tiny. Its pictures are noise.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".comfy" / "tiny"
SEED = 5

Shape = tuple[int, ...]
CHANNELS, TIME, TEXT = 320, 1280, 768  # what ComfyUI knows SD 1.x by, and 4 * CHANNELS
CLIP_LAYERS, CLIP_WORDS, CLIP_PLACES, CLIP_HIDDEN = 12, 49_408, 77, 3072
VAE_WIDTH, LATENT = 64, 4


def tiny_sd15() -> Path:
    """The checkpoint's path; built unless a file of this very script is there."""
    mark = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]
    target = CACHE / f"sd15-{mark}.safetensors"
    if not target.is_file():
        CACHE.mkdir(parents=True, exist_ok=True)
        for outdated in CACHE.glob("sd15-*.safetensors"):
            outdated.unlink(missing_ok=True)
        _build(target)
    return target


def offer_checkpoint(models_dir: Path, *names: str) -> None:
    """Put the checkpoint into a server's models folder under each of these names."""
    source = tiny_sd15()
    folder = models_dir / "checkpoints"
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        target = folder / name
        if target.exists():
            continue
        try:
            os.link(source, target)
        except OSError:
            shutil.copyfile(source, target)


def _build(target: Path) -> None:
    import torch
    from safetensors.torch import save_file

    chance = torch.Generator().manual_seed(SEED)
    weights = {}
    for name, shape in _shapes():
        if len(shape) > 1:
            fan_in = torch.Size(shape[1:]).numel() if "embedding" not in name else 2500
            value = torch.empty(shape).normal_(0.0, fan_in**-0.5, generator=chance)
        else:
            norm = name.endswith("weight")
            value = torch.ones(shape) if norm else torch.zeros(shape)
        weights[name] = value.to(torch.float16)
    handle, temporary = tempfile.mkstemp(dir=target.parent, suffix=".tmp")
    os.close(handle)
    save_file(weights, temporary)
    os.replace(temporary, target)


def _shapes() -> Iterator[tuple[str, Shape]]:
    """The names that a published SD 1.5 checkpoint has, as many as are needed.

    Vectors called weight belong to norms.
    """
    yield from _under("model.diffusion_model.", _unet())
    yield from _under("first_stage_model.taesd_encoder.", _encoder())
    yield from _under("first_stage_model.taesd_decoder.", _decoder())
    yield from _under("cond_stage_model.transformer.text_model.", _clip())


def _under(prefix: str, parts: Iterator[tuple[str, Shape]]) -> Iterator[tuple[str, Shape]]:
    return ((prefix + name, shape) for name, shape in parts)


def _layer(name: str, *shape: int, bias: bool = True) -> Iterator[tuple[str, Shape]]:
    yield f"{name}.weight", shape
    if bias:
        yield f"{name}.bias", shape[:1]


def _unet() -> Iterator[tuple[str, Shape]]:
    width = CHANNELS
    yield from _layer("time_embed.0", TIME, width)
    yield from _layer("time_embed.2", TIME, TIME)
    yield from _layer("input_blocks.0.0", width, LATENT, 3, 3)
    yield from _under("input_blocks.1.0.", _residual(width))
    yield from _under("input_blocks.1.1.", _transformer())
    yield from _under("output_blocks.0.0.", _residual(2 * width))
    yield from _under("output_blocks.0.1.", _transformer())
    yield from _under("output_blocks.1.0.", _residual(2 * width))
    yield from _layer("out.0", width)
    yield from _layer("out.2", LATENT, width, 3, 3)


def _residual(incoming: int) -> Iterator[tuple[str, Shape]]:
    yield from _layer("in_layers.0", incoming)
    yield from _layer("in_layers.2", CHANNELS, incoming, 3, 3)
    yield from _layer("emb_layers.1", CHANNELS, TIME)
    yield from _layer("out_layers.0", CHANNELS)
    yield from _layer("out_layers.3", CHANNELS, CHANNELS, 3, 3)
    if incoming != CHANNELS:
        yield from _layer("skip_connection", CHANNELS, incoming, 1, 1)


def _transformer() -> Iterator[tuple[str, Shape]]:
    width, block = CHANNELS, "transformer_blocks.0"
    yield from _layer("norm", width)
    yield from _layer("proj_in", width, width, 1, 1)
    for attention, source in (("attn1", width), ("attn2", TEXT)):
        yield from _layer(f"{block}.{attention}.to_q", width, width, bias=False)
        yield from _layer(f"{block}.{attention}.to_k", width, source, bias=False)
        yield from _layer(f"{block}.{attention}.to_v", width, source, bias=False)
        yield from _layer(f"{block}.{attention}.to_out.0", width, width)
    yield from _layer(f"{block}.ff.net.0.proj", 8 * width, width)
    yield from _layer(f"{block}.ff.net.2", width, 4 * width)
    for number in (1, 2, 3):
        yield from _layer(f"{block}.norm{number}", width)
    yield from _layer("proj_out", width, width, 1, 1)


def _vae_block(name: str) -> Iterator[tuple[str, Shape]]:
    for number in (0, 2, 4):
        yield from _layer(f"{name}.conv.{number}", VAE_WIDTH, VAE_WIDTH, 3, 3)


def _encoder() -> Iterator[tuple[str, Shape]]:
    """Three times half the size; each halving has no bias and is followed by three blocks."""
    yield from _layer("0", VAE_WIDTH, 3, 3, 3)
    yield from _vae_block("1")
    for halving in (2, 6, 10):
        yield from _layer(str(halving), VAE_WIDTH, VAE_WIDTH, 3, 3, bias=False)
        for block in (1, 2, 3):
            yield from _vae_block(str(halving + block))
    yield from _layer("14", LATENT, VAE_WIDTH, 3, 3)


def _decoder() -> Iterator[tuple[str, Shape]]:
    """Three times twice the size: three blocks, the doubling (no weights), a convolution without bias."""
    yield from _layer("1", VAE_WIDTH, LATENT, 3, 3)
    for first in (3, 8, 13):
        for block in range(3):
            yield from _vae_block(str(first + block))
        yield from _layer(str(first + 4), VAE_WIDTH, VAE_WIDTH, 3, 3, bias=False)
    yield from _vae_block("18")
    yield from _layer("19", 3, VAE_WIDTH, 3, 3)


def _clip() -> Iterator[tuple[str, Shape]]:
    yield "embeddings.token_embedding.weight", (CLIP_WORDS, TEXT)
    yield "embeddings.position_embedding.weight", (CLIP_PLACES, TEXT)
    for number in range(CLIP_LAYERS):
        layer = f"encoder.layers.{number}"
        for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
            yield from _layer(f"{layer}.self_attn.{part}", TEXT, TEXT)
        yield from _layer(f"{layer}.mlp.fc1", CLIP_HIDDEN, TEXT)
        yield from _layer(f"{layer}.mlp.fc2", TEXT, CLIP_HIDDEN)
        yield from _layer(f"{layer}.layer_norm1", TEXT)
        yield from _layer(f"{layer}.layer_norm2", TEXT)
    yield from _layer("final_layer_norm", TEXT)
