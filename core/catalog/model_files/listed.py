"""A file of an image or video model at one precision."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DiffusionWeights:
    """One precision of a model. All sizes in bytes, of one of its ``copies`` (Wan 2.2 has two experts).

    ``held_bytes`` is the diffusion model alone as it lies in VRAM, ``rest_bytes`` what else of the same file
    gets loaded (text encoder and VAE of an all-in-one file). ``at_once`` copies are needed in every step.
    ``factor_scale`` multiplies the model's activations. ``estimated`` is True where nobody listed such a file
    and its size is computed (gguf_ladder.py), ``on_disk`` where its bytes are those of a file here.
    """

    precision: str
    format: str
    file_bytes: int
    held_bytes: int
    rest_bytes: int
    copies: int
    at_once: int
    with_text_encoder: bool
    with_vae: bool
    factor_scale: float
    note: str
    source: str
    date: str
    estimated: bool = False
    on_disk: bool = False
    yours: bool = False
