"""What an image or video model needs in ComfyUI, and whether it is usable on a card.

The arithmetic is ComfyUI's own: BaseModel.memory_required, model_management.load_models_gpu and
VAE.memory_used_decode, as of Comfy-Org/ComfyUI@e3c3552. A picture is made in stages (read the prompt, sample,
decode) and ComfyUI moves what a stage does not need to RAM, so there are three answers and not one. Beside
what others measured: docs/sources.md#image-and-video-models.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

from ..catalog.diffusion import DiffusionModel, DiffusionWeights, TextEncoder
from ..catalog.formats import Bus, bus_of
from ..catalog.gpus import GPU
from ..errors import VramwiseError
from ..hardware.budget import idle_bytes
from ..planning.fit import tight_below
from ..planning.footprint import Term
from ..units import GIB, MIB

# model_management.minimum_inference_memory: never less is kept free beside the weights.
LEAST_INFERENCE = int(0.8 * GIB)
# model_management.EXTRA_RESERVED_VRAM: Linux, Windows, and more on Windows from 15 GiB on.
_RESERVE, _RESERVE_WINDOWS, _RESERVE_LARGE = 400 * MIB, 600 * MIB, 100 * MIB
# Streamed layers need room to arrive in. Estimated: the largest layers of the models in the catalog.
_STREAM_BUFFERS = GIB // 2
# Kept by the system and by ComfyUI itself beside the files, at ease. Our choice.
_SYSTEM_RAM = 8 * GIB
# The least of it: an idle system and a ComfyUI with nothing loaded take 2 GiB each, Windows 4 of its own.
# Estimated; below it the system ends the process, or swaps without end.
_LEAST_SYSTEM_RAM, _LEAST_SYSTEM_RAM_WINDOWS = 4 * GIB, 6 * GIB
# Sizes are published and shown to 0.1 GiB: a refusal by less is none.
ROUNDING = GIB // 10
# model_management: the AMD chips for which ComfyUI turns on PyTorch's attention (gfx1100, gfx1101, gfx1201).
_AMD_WITH_ATTENTION = ("Navi 31", "Navi 32", "Navi 48")

# ComfyUI's VAEDecodeHunyuan3D asks 8000 points at once against w tokens, of a grid of 257 a side; its own
# estimate (13 MB) knows nothing of them. Counted tensor by tensor in its ShapeVAE: of a point the scores of
# 16 heads twice and 11,400 channels; of the grid coordinates and one answer. An attention without scores
# takes a quarter, and both published peaks are those with them (docs/measurements.md).
_POINTS, _CHANNELS_A_POINT, _GRID = 8000, 11_400, 257**3

# Bytes of a decode for one byte of the data type, from (frames, height, width) of the latent: comfy/sd.py.
_DECODERS: dict[str, Callable[[int, int, int], int]] = {
    "kl": lambda t, h, w: 2178 * h * w * 64,
    "kl16": lambda t, h, w: 2178 * h * w * 64 * 4,
    "wan": lambda t, h, w: (2200 if t <= 4 else 7000) * h * w * 64,
    "wan22": lambda t, h, w: 8000 * h * w * 256,
    "hv15": lambda t, h, w: 14400 * h * w * 256,
    "ltxv": lambda t, h, w: 1200 * t * h * w * 512,
    "ltxv25": lambda t, h, w: 1700 * t * h * w * 512,
    "mochi": lambda t, h, w: 1000 * t * h * w * 6 * 64,
    "hyimage21": lambda t, h, w: 700 * h * w * 32 * 32,
    "oobleck": lambda t, h, w: 1000 * w * 2048,  # sound: w is the length
    "ace": lambda t, h, w: 87000 * h * w,
    "hunyuan3d": lambda t, h, w: _POINTS * (2 * 16 * w + _CHANNELS_A_POINT) + 4 * _GRID,
    "": lambda t, h, w: 0,
}


@dataclass(frozen=True)
class DiffusionNeed:
    """Bytes for one model at one precision and one picture or clip.

    ``weights_bytes`` is what sampling needs in VRAM beside ``activation_bytes``, ``loaded_bytes`` all that is
    loaded (every expert, text encoder, VAE), ``file_bytes`` the same on disk. ``reserve_bytes`` is what
    ComfyUI leaves to others. ``steps`` are those of one picture, ``area`` the latent's positions (batch x
    frames x height x width). Sums are kept: each size asks for them.
    """

    model: str
    precision: str
    weights_bytes: int
    text_encoder_bytes: int
    activation_bytes: int
    decode_bytes: int
    reserve_bytes: int
    loaded_bytes: int
    file_bytes: int
    steps: int
    confidence: str = "computed"
    weights_source: str = ""
    activation_source: str = ""
    notes: tuple[str, ...] = ()
    vae_bytes: int = 0
    area: int = 0

    @functools.cached_property
    def encode_bytes(self) -> int:
        """The stage that reads the prompt; 0 where there is no text encoder."""
        if not self.text_encoder_bytes:
            return 0
        return self.text_encoder_bytes + LEAST_INFERENCE + self.reserve_bytes

    @functools.cached_property
    def sampling_bytes(self) -> int:
        """The stage that samples, with all its weights in VRAM."""
        return self.weights_bytes + self._working_bytes

    @functools.cached_property
    def optimal_bytes(self) -> int:
        """No weight is streamed; text encoder and diffusion model take turns. More is no faster."""
        return max(self.encode_bytes, self.sampling_bytes)

    @functools.cached_property
    def resident_bytes(self) -> int:
        """Everything stays in VRAM from picture to picture, and the decode is not tiled."""
        return self.loaded_bytes + max(self._working_bytes, self.decode_bytes + self.reserve_bytes)

    @functools.cached_property
    def resident_sampling_bytes(self) -> int:
        """Everything stays in VRAM, while sampling."""
        return self.loaded_bytes + self._working_bytes

    @functools.cached_property
    def floor_bytes(self) -> int:
        """All weights are streamed from RAM in every step: below this nothing runs. Weights smaller than the
        room in which layers arrive need no more room than themselves."""
        return self._working_bytes + min(_STREAM_BUFFERS, self.weights_bytes)

    @property
    def ram_bytes(self) -> int:
        """RAM that holds the files beside the system: nothing is read from disk twice."""
        return self.file_bytes + _SYSTEM_RAM

    def least_ram_bytes(self, vram_bytes: int, system: str = "linux") -> int:
        """RAM below which the system would end ComfyUI, with ``vram_bytes`` of GPU memory for it.

        The loaders of a workflow run first, and each makes its model in RAM (unet_inital_load_device): all of
        them lie there at once, streamed weights later pinned. Killed so: Qwen-Image fp8 with 24 GB and 32 GB
        of RAM (Comfy-Org/ComfyUI#10852), Wan 2.2 14B fp8 with 16 and 32 (#10771), SDXL with 6 and 8 (#3566).
        Only where everything stays on the card they leave one after the other, and the largest has to pass.
        More GPU memory never takes more RAM.
        """
        beside = least_system_ram(system)
        if self.resident_sampling_bytes <= vram_bytes:
            return max(self.weights_bytes, self.text_encoder_bytes) + beside
        return self.loaded_bytes + beside

    @functools.cached_property
    def margin_bytes(self) -> int:
        """With less than this to spare it is tight, by the margin of our own models."""
        widest = self.text_encoder_bytes if self.encode_bytes > self.sampling_bytes else self.weights_bytes
        return tight_below(widest)

    @property
    def terms(self) -> tuple[Term, ...]:
        """The summands of ``optimal_bytes``."""
        reserve = Term("context", self.reserve_bytes, "ComfyUI's EXTRA_RESERVED_VRAM")
        if self.encode_bytes > self.sampling_bytes:
            weights = Term("weights", self.text_encoder_bytes, "the text encoder, larger than the model")
            least = Term("activations", LEAST_INFERENCE, "ComfyUI's minimum_inference_memory")
            return (weights, least, reserve)
        return (
            Term("weights", self.weights_bytes, self.weights_source),
            Term("activations", self._working_bytes - self.reserve_bytes, self.activation_source),
            reserve,
        )

    def spill(self, vram_bytes: int) -> int:
        """Bytes of weights that cross the bus in every step when ``vram_bytes`` are free for ComfyUI."""
        if vram_bytes >= self.sampling_bytes:
            return 0
        return self.weights_bytes - min(self.weights_bytes, max(0, vram_bytes - self.floor_bytes))

    @functools.cached_property
    def _working_bytes(self) -> int:
        return max(LEAST_INFERENCE, self.activation_bytes) + self.reserve_bytes


@dataclass(frozen=True)
class Usability:
    """``verdict`` is "fits" or "tight" (no weight is streamed), "streams" or "no"; ``why`` says which case of
    it: "fits", "tight", "tight_ram" (files are read from disk again), "streams", "streams_once" (only the
    text encoder), "below_floor", "no_ram" (what would stream has no RAM to wait in), "ram_kills" (it fits the
    card and not this RAM), "no_unified".

    ``seconds_floor`` is the least that streaming alone takes for one picture or clip, 0 where nothing is
    streamed and None for "no": ``spilled_bytes`` of each step over ``bus`` at its nominal rate, and once what
    the text encoder lacks. Real buses give about four fifths of that. ``least_ram_bytes`` is what was asked
    of RAM here, None where memory is unified.
    """

    verdict: str
    seconds_floor: float | None
    spilled_bytes: int = 0
    bus: Bus | None = None
    why: str = ""
    least_ram_bytes: int | None = None

    @property
    def seconds_per_step(self) -> float | None:
        """What streaming adds to a step at the least, None for "no"."""
        if self.seconds_floor is None:
            return None
        return 0.0 if self.bus is None else self.spilled_bytes / (self.bus.gb_s * 1e9)


def diffusion_need(
    model: DiffusionModel,
    precision: str,
    *,
    width: int | None = None,
    height: int | None = None,
    frames: int | None = None,
    batch: int = 1,
    system: str = "linux",
    total_bytes: int | None = None,
    flash: bool = True,
    extra_bytes: int = 0,
    gpu: GPU | None = None,
    text_encoder: str | None = None,
) -> DiffusionNeed:
    """The need of ``model`` at ``precision``; sizes not given are the model's own.

    ``flash`` is False where ComfyUI has no memory-efficient attention (has_flash); ``extra_bytes`` are LoRA,
    ControlNet or patch files beside the model. ``gpu`` sets total_bytes and flash, and the data type that old
    cards compute in. The text encoder is the smallest of the catalog unless one is named.

    Raises UnknownName for a precision or text encoder that is not in the catalog, VramwiseError for a picture
    without pixels.
    """
    weights = model.of(precision)
    latent = _latent(model, width or model.width, height or model.height, frames or model.frames)
    if gpu is not None:
        total_bytes, flash = total_bytes or gpu.vram_bytes, flash and has_flash(gpu)
    wide = gpu is not None and not model.fp16 and gpu.capability is not None and gpu.capability < (8, 0)
    value_bytes = 4 if wide else 2
    area = batch * math.prod(latent) * model.area_channels * (1 + model.references)
    factor = model.factor * weights.factor_scale
    encoder = model.text_encoder(text_encoder)
    encoder_bytes = _text_encoder_bytes(model, weights, encoder)
    beside = (0 if weights.with_text_encoder or encoder is None else encoder.bytes) + (
        0 if weights.with_vae else model.vae_bytes
    )
    return DiffusionNeed(
        model=model.id,
        precision=weights.precision,
        weights_bytes=weights.held_bytes * weights.at_once + extra_bytes,
        text_encoder_bytes=encoder_bytes,
        activation_bytes=activation_bytes(area, factor, value_bytes, flash),
        decode_bytes=_DECODERS[model.decoder](*latent) * 2,
        reserve_bytes=reserve_bytes(system, total_bytes),
        loaded_bytes=weights.held_bytes * weights.copies + weights.rest_bytes + beside + extra_bytes,
        file_bytes=weights.file_bytes * weights.copies + beside + extra_bytes,
        steps=model.steps,
        weights_source=f"{weights.precision} file; {weights.source}",
        activation_source=_activation_source(area, factor, value_bytes, flash, model.factor_source),
        confidence="estimated" if weights.estimated else "computed",
        notes=_notes(model, weights, encoder, flash=flash, wide=wide),
        area=batch * math.prod(latent),
        vae_bytes=model.vae_bytes or model.vae_parameters * 2,
    )


def activation_bytes(area: int, factor: float, value_bytes: int = 2, flash: bool = True) -> int:
    """ComfyUI's BaseModel.memory_required for a latent of ``area`` positions (batch x frames x height x
    width), with or without memory-efficient attention."""
    return int(area * (value_bytes * 0.01 if flash else 0.15) * factor * MIB)


def reserve_bytes(system: str, total_bytes: int | None) -> int:
    """ComfyUI's EXTRA_RESERVED_VRAM on "windows" or another system, for a card of ``total_bytes``."""
    if system != "windows":
        return _RESERVE
    return _RESERVE_WINDOWS + (_RESERVE_LARGE if (total_bytes or 0) > 15 * GIB else 0)


def least_system_ram(system: str) -> int:
    """What the system and a ComfyUI with nothing loaded take of RAM."""
    return _LEAST_SYSTEM_RAM_WINDOWS if system == "windows" else _LEAST_SYSTEM_RAM


def has_flash(gpu: GPU) -> bool:
    """Whether ComfyUI counts on memory-efficient attention on this card: NVIDIA, Intel, some AMD with
    Triton. Without it it plans 7.5 times the activations."""
    return gpu.vendor in ("NVIDIA", "Intel") or gpu.chip in _AMD_WITH_ATTENTION


def usable_bytes(gpu: GPU, system: str = "linux") -> int:
    """What ComfyUI finds on an otherwise idle card. Raises VramwiseError where the catalog has no size."""
    size_bytes = gpu.sized_bytes
    return max(0, size_bytes - _SYSTEM_RAM) if gpu.unified else idle_bytes(gpu, system)


def usability(
    need: DiffusionNeed,
    gpu: GPU | None,
    ram_bytes: int | None = None,
    *,
    vram_bytes: int | None = None,
    steps: int | None = None,
    system: str = "linux",
) -> Usability:
    """Whether ``need`` can be used on ``gpu`` with ``ram_bytes`` of RAM (None: not known, not counted).

    ``vram_bytes`` is what is free for ComfyUI, measured or asked for, in place of the idle card's. Where
    memory is unified nothing can be streamed: everything has to fit beside the system. RAM is judged whether
    weights stream or not. What is short by less than ROUNDING is not refused.

    Raises VramwiseError where neither tells the size.
    """
    if vram_bytes is None:
        if gpu is None:
            raise VramwiseError("Neither a card nor a memory size is given: name one of them.")
        vram_bytes = usable_bytes(gpu)
    bus = bus_of(gpu)
    if bus is None:
        return _unified(need, vram_bytes)
    least = need.least_ram_bytes(vram_bytes, system)
    killed = ram_bytes is not None and ram_bytes < least
    if need.optimal_bytes <= vram_bytes + ROUNDING:
        if not killed:
            return _resident(need, vram_bytes, ram_bytes, bus, least)
    elif need.floor_bytes > vram_bytes + ROUNDING:
        return Usability("no", None, 0, bus, "below_floor", least)
    elif not killed:
        return _streaming(need, vram_bytes, bus, steps or need.steps, least)
    why = "ram_kills" if need.optimal_bytes <= vram_bytes + ROUNDING else "no_ram"
    return Usability("no", None, 0, bus, why, least)


def _resident(
    need: DiffusionNeed, vram_bytes: int, ram_bytes: int | None, bus: Bus, least_bytes: int
) -> Usability:
    spare = vram_bytes - need.optimal_bytes

    swaps = need.resident_sampling_bytes > vram_bytes
    if swaps and ram_bytes is not None and ram_bytes < need.ram_bytes:
        return Usability("tight", 0.0, 0, bus, "tight_ram", least_bytes)
    verdict = "tight" if spare < need.margin_bytes else "fits"
    return Usability(verdict, 0.0, 0, bus, verdict, least_bytes)


def _streaming(need: DiffusionNeed, vram_bytes: int, bus: Bus, steps: int, least_bytes: int) -> Usability:
    spilled = need.spill(vram_bytes)
    once = max(0, need.encode_bytes - vram_bytes)
    seconds = (spilled * steps + once) / (bus.gb_s * 1e9)

    why = "streams" if spilled else "streams_once"
    return Usability("streams", seconds, spilled, bus, why, least_bytes)


def _unified(need: DiffusionNeed, vram_bytes: int) -> Usability:
    wanted = need.resident_sampling_bytes
    spare = vram_bytes - wanted

    if spare >= -ROUNDING:
        verdict = "tight" if spare < tight_below(need.weights_bytes) else "fits"
        return Usability(verdict, 0.0, why=verdict)
    return Usability("no", None, why="no_unified")


def _latent(model: DiffusionModel, width: int, height: int, frames: int) -> tuple[int, int, int]:
    size = (
        int((frames - 1) / model.temporal) + 1,
        height // model.spatial,
        width // model.spatial,
    )
    if min(size) < 1:
        raise VramwiseError(
            f"{width} x {height} x {frames} is no picture for {model.name}: each side needs at least "
            f"{model.spatial} pixels and there must be at least one frame."
        )
    return size


def _text_encoder_bytes(model: DiffusionModel, weights: DiffusionWeights, encoder: TextEncoder | None) -> int:
    if not weights.with_text_encoder:
        return 0 if encoder is None else encoder.bytes
    whole = model.text_encoder_parameters * 2 if encoder is None else encoder.bytes
    return min(whole, weights.rest_bytes)


def _activation_source(area: int, factor: float, value_bytes: int, flash: bool, source: str) -> str:
    each = f"{value_bytes} bytes x 0.01" if flash else "0.15, without memory-efficient attention"
    return f"{area} latent positions x {each} x factor {factor:.4g} MiB, at least 0.8 GiB; {source}"


def _notes(
    model: DiffusionModel,
    weights: DiffusionWeights,
    encoder: TextEncoder | None,
    *,
    flash: bool,
    wide: bool,
) -> tuple[str, ...]:
    notes = [weights.note] if weights.note else []
    if encoder is not None:
        notes.append(f"text encoder {encoder.name}")
    if model.factor_estimated:
        notes.append(
            f"ComfyUI's factor for the activations of this model was not read: {model.factor_source}"
        )
    if not flash:
        notes.append("without memory-efficient attention ComfyUI plans 7.5 times the activations")
    if wide:
        notes.append("this card has no bf16: computed in fp32, twice the activations")
    margin = 30 if "video" in model.tasks else 15
    notes.append(f"ComfyUI's estimate can be low: allow {margin} % more")
    return tuple(notes)
