"""Peak memory beside the weights while reading: real classes at true widths against what the plan says.

The nets are the published ones cut to a few layers, their weights zeros, on the CPU in bf16; the peak is what
torch's allocator reports to its profiler during the product's own generate call: inputs, vision tower,
prompt, first tokens. What products of zeros take is taken, but they are not worked out (zero_products.py).
Depth enters a peak in two ways only, and both are in the formula: the KV cache holds every text layer, and
DeepStack features wait for their layer (``run`` measures deeper nets to show it).
"""

from __future__ import annotations

import copy
import gc
import inspect
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any

MIB = 1024**2
SIZES = ((512, 512), (1024, 1024), (2048, 2048), (2480, 3508))
# Other shapes: strips, one so long that it is enlarged or cut into many tiles, and what processors enlarge.
SHAPES = ((1536, 512), (512, 1536), (300, 2400), (60, 40))
PROMPT = 40  # tokens around those of the picture
MODELS = (
    "got_ocr",
    "qwen2_vl_2b",
    "qwen2_vl_7b",
    "qwen3_vl_2b",
    "qwen3_vl_4b",
    "qwen3_vl_8b",
    "qwen2_5_vl_3b",
    "qwen2_5_vl_7b",
    "qwen3_5_0_8b",
    "qwen3_5_2b",
    "qwen3_5_4b",
    "qwen3_5_9b",
    "dots_ocr",
    "glm_ocr",
    "paddleocr_vl",
    "lighton_ocr",
    "granite_docling",
    "paddleocr_vl_1_6",
    "lighton_ocr_3_0_8b",
    "lighton_ocr_3_1b",
    "lighton_ocr_3_4b",
    "mineru_2_5_pro",
    "nanonets_ocr2_3b",
    "chandra_2",
    "dots_mocr",
    "hunyuan_ocr",
    "deepseek_ocr_2",
)


@dataclass(frozen=True)
class Measured:
    """One run. ``config`` is that of the cut net; ``pixels`` are of one picture as the model sees it."""

    model: str
    config: Mapping[str, Any]
    attention: str
    pixels: int
    images: int
    prompt_tokens: int
    new_tokens: int
    peak_bytes: int
    seconds: float
    precision: str = "bf16"
    sides: tuple[int, int] | None = None

    @property
    def workload(self) -> Any:
        from vramwise.planning import Workload

        return Workload(self.pixels, self.images, self.prompt_tokens, self.new_tokens, sides=self.sides)

    def predicted_bytes(self) -> int:
        """What the shipped formula says beside the weights, without context and margin."""
        from vramwise.planning import reading_terms

        terms = reading_terms(self.config, self.precision, self.attention, self.workload)
        return sum(term.bytes for term in terms)

    @property
    def error(self) -> float:
        """Share by which the prediction is above (or, negative, below) the measured peak."""
        return self.predicted_bytes() / self.peak_bytes - 1


def peak_bytes(work: Callable[[], object]) -> int:
    """The most that ``work`` held at once, by the events that the CPU allocator sends to torch's profiler."""
    from torch.profiler import ProfilerActivity, profile

    gc.collect()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        work()
    events = [event for event in seen.profiler.kineto_results.events() if event.name() == "[memory]"]
    held = most = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        held += event.nbytes()
        most = max(most, held)
    return most


def peak_bytes_on_card(work: Callable[[], object], device: str) -> int:
    """The most that ``work`` held at once on a CUDA device beside what was there before."""
    import torch

    gc.collect()
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    work()
    return int(torch.cuda.max_memory_allocated(device)) - before


def cut_config(model: str, text_layers: int, vision_layers: int) -> dict[str, Any]:
    """The published config.json of a catalog id with fewer layers, everything else as it is."""
    from vramwise.catalog import ocr_model
    from vramwise.families.published import published_config

    config: dict[str, Any] = copy.deepcopy(dict(published_config(ocr_model(model).repo) or {}))
    text, vision = config.get("text_config", config), config["vision_config"]
    # a hybrid decoder in whole groups: three linear layers and one with attention
    text["num_hidden_layers"] = text_layers * text.get("full_attention_interval", 1)
    if "mlp_layer_types" in text:
        text["mlp_layer_types"] = text["mlp_layer_types"][:text_layers]
    if "sam_config" in vision:
        whole = {"num_hidden_layers": vision_layers, "global_attn_indexes": [vision_layers - 1]}
        vision["sam_config"] |= whole
        vision["encoder_config"]["num_hidden_layers"] = vision_layers
        return config
    vision["depth" if "depth" in vision else "num_hidden_layers"] = vision_layers
    if "deepstack_visual_indexes" in vision:
        vision["deepstack_visual_indexes"] = list(range(min(3, vision_layers)))
    if "global_attn_indexes" in vision:
        vision["global_attn_indexes"] = [vision_layers - 1]
    return config


def build(config: Mapping[str, Any], attention: str) -> Any:
    """The real class of ``config`` in bf16 with zeros for weights: allocation does not depend on them."""
    import torch

    with _empty_weights():
        net = net_of(config, attention)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
    return net


def net_of(config: Mapping[str, Any], attention: str) -> Any:
    """The real class of ``config`` in bf16, as it is made, on torch's default device."""
    import torch
    import transformers

    facts = copy.deepcopy({key: value for key, value in config.items() if key != "model_type"})
    kind = config["model_type"]
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        if kind == "dots_ocr":
            from vramwise.ocr.vlm.families.dots_model import DotsOCRConfig, DotsOCRForCausalLM

            net = DotsOCRForCausalLM._from_config(DotsOCRConfig(**facts), attn_implementation=attention)
        else:
            text = facts.get("text_config", facts)
            if kind.startswith(("qwen", "glm", "paddle")):
                _rope(text)
            text.setdefault("tie_word_embeddings", facts.get("tie_word_embeddings"))
            if kind == "hunyuan_vl":
                rope = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [16, 16, 16, 16]}
                text["rope_parameters"] = rope
            if kind in _KINDS_WITHIN:
                text["model_type"], facts["vision_config"]["model_type"] = _KINDS_WITHIN[kind]
                facts["image_token_id"] = _IMAGE_TOKENS[kind]
            made = transformers.AutoConfig.for_model(kind, **facts)
            if facts.get("tie_word_embeddings") is False:  # PaddleOCR-VL's flat config does not hear of it
                made.tie_word_embeddings = made.get_text_config().tie_word_embeddings = False
            net = transformers.AutoModelForImageTextToText.from_config(made, attn_implementation=attention)
    finally:
        torch.set_default_dtype(before)
    return net.eval()


_KINDS_WITHIN = {"idefics3": ("llama", "idefics3_vision"), "lighton_ocr": ("qwen3", "pixtral")}
_IMAGE_TOKENS = {
    "qwen3_5": 248056,
    "dots_ocr": 151665,
    "got_ocr2": 151859,
    "glm_ocr": 59280,
    "paddleocr_vl": 100295,
    "lighton_ocr": 151655,
    "idefics3": 100270,
    "hunyuan_vl": 120120,
    "deepseek_ocr2": 128815,
}
# Whose convolutions over patches are a product of matrices here.
_PRODUCTS = (*_KINDS_WITHIN, "hunyuan_vl")


def _rope(text: dict[str, Any]) -> None:
    import transformers

    half = (text.get("head_dim") or text["hidden_size"] // text["num_attention_heads"]) // 2
    sections = [half - 2 * (half // 3), half // 3, half // 3]
    name = "rope_parameters" if int(transformers.__version__.split(".")[0]) >= 5 else "rope_scaling"
    text[name] = {"rope_type": "default", "rope_theta": 1e6, "mrope_section": sections}
    if "full_attention_interval" in text:  # Qwen3.5 turns a quarter of a head
        third = half // 12
        sections = [half // 4 - 2 * third, third, third]
        text[name] |= {"partial_rotary_factor": 0.25, "mrope_section": sections}


@contextmanager
def _empty_weights() -> Iterator[None]:
    """Skip random initialisation: seconds a gigabyte, for values that are overwritten."""
    from torch import nn

    names = ("normal_", "uniform_", "trunc_normal_", "kaiming_uniform_", "xavier_uniform_")
    kept = {name: getattr(nn.init, name) for name in names}
    try:
        for name in names:
            setattr(nn.init, name, lambda tensor, *rest, **more: tensor)
        yield
    finally:
        for name, function in kept.items():
            setattr(nn.init, name, function)


@contextmanager
def _plain_patches(net: Any) -> Iterator[None]:
    """oneDNN unrolls a convolution over many patches into hundreds of MB that no GPU takes: a product of
    matrices is the same.
    """
    import torch

    def product(module: Any, pictures: Any) -> Any:
        (high, wide), (count, channels, height, width) = module.kernel_size, pictures.shape
        rows, columns = height // high, width // wide
        patches = pictures.reshape(count, channels, rows, high, columns, wide).permute(0, 2, 4, 1, 3, 5)
        flat = patches.reshape(count, rows * columns, -1)
        found = torch.nn.functional.linear(flat, module.weight.flatten(1), module.bias)
        return found.transpose(1, 2).unflatten(2, (rows, columns))

    found = [module for module in net.modules() if type(module) is torch.nn.Conv2d]
    for module in found:
        assert module.kernel_size == module.stride
        module.forward = partial(product, module)
    try:
        yield
    finally:
        for module in found:
            del module.forward


def inputs(
    config: Mapping[str, Any], width: int, height: int, images: int, prompt_tokens: int
) -> tuple[dict[str, Any], int]:
    """(tensors as the family's processor makes them, pixels of one picture as the model sees it)."""
    import torch
    from vramwise.families.family import family_of_model_type
    from vramwise.families.pictures import smart_resize

    kind, vision = config["model_type"], config["vision_config"]
    family = family_of_model_type(kind)
    assert family is not None
    if kind == "got_ocr2":
        tiles = _got_tiles(width, height, vision["image_size"], family.max_pixels)
        tokens, pixels = 256 * tiles, width * height
        side = vision["image_size"]
        tensors = {"pixel_values": torch.zeros(tiles * images, 3, side, side)}
    elif kind == "idefics3":
        longest, side = 4 * vision["image_size"], vision["image_size"]
        tiles = -(-longest * min(width, height) // (max(width, height) * side)) * 4 + 1
        tokens, pixels = 64 * tiles, width * height
        tensors = {
            "pixel_values": torch.ones(images, tiles, 3, side, side),  # a tile of zeros is left out
            "pixel_attention_mask": torch.ones(images, tiles, side, side, dtype=torch.bool),
        }
    elif kind == "deepseek_ocr2":
        tiles, side, tile = _deepseek_tiles(width, height), 1024, 768
        tokens, pixels = (side // 64) ** 2 + tiles * (tile // 64) ** 2 + 1, width * height
        tensors = {"pixel_values": torch.zeros(images, 3, side, side)}
        if tiles:
            tensors["pixel_values_local"] = torch.zeros(images * tiles, 3, tile, tile)
            tensors["num_local_patches"] = torch.tensor([tiles] * images)
    else:
        wide, high = smart_resize(width, height, family.factor, family.min_pixels, family.max_pixels)
        patch, frames = vision["patch_size"], vision.get("temporal_patch_size", 1)
        rows, columns = high // patch, wide // patch
        tokens, pixels = rows * columns // 4, wide * high
        if kind == "hunyuan_vl":  # a token behind each row, two around the picture
            tokens += rows // 2 + 2
        if kind == "lighton_ocr":
            tensors = {
                "pixel_values": torch.zeros(images, 3, high, wide),
                "image_sizes": torch.tensor([[high, wide]] * images),
            }
        else:
            shape = (3, patch, patch) if kind == "paddleocr_vl" else (3 * frames * patch * patch,)
            tensors = {
                "pixel_values": torch.zeros(rows * columns * images, *shape),
                "image_grid_thw": torch.tensor([[1, rows, columns]] * images),
            }
    image_token = _IMAGE_TOKENS.get(kind, 151655)
    ids = torch.full((images, tokens + prompt_tokens), 5)
    ids[:, 4 : 4 + tokens] = image_token
    tensors |= {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if kind.startswith(("qwen", "glm", "paddle", "hunyuan")):
        tensors["mm_token_type_ids"] = (ids == image_token).long()
    return tensors, pixels


def _got_tiles(width: int, height: int, side: int, most: int) -> int:
    """Tiles that the processor cuts, its thumbnail counted."""
    from transformers.models.got_ocr2.image_processing_got_ocr2 import get_optimal_tiled_canvas

    tiles = min(12, -(-width * height // side**2))
    if tiles <= 2:
        return 1
    columns, rows = get_optimal_tiled_canvas((height, width), (side, side), 1, tiles)
    return int(columns * rows) + 1 if columns * rows > 1 else 1


def _deepseek_tiles(width: int, height: int) -> int:
    """Tiles that the processor cuts beside the whole picture."""
    from transformers import DeepseekOcr2ImageProcessor

    count: int = DeepseekOcr2ImageProcessor().get_number_of_image_patches(height, width, {})
    return 0 if count <= 1 else count - 1


def reading_of(net: Any, kind: str, adapter_kind: type, prepared: Any, new_tokens: int) -> Callable[[], None]:
    """What reads ``prepared`` with ``net`` by its family's adapter, once."""
    adapter = object.__new__(adapter_kind)  # without a checkpoint's processor
    adapter.processor = SimpleNamespace(image_token_id=_IMAGE_TOKENS["got_ocr2"])
    decoding = {"do_sample": False, "max_new_tokens": new_tokens, "eos_token_id": None, "pad_token_id": 0}
    patches = _plain_patches(net) if kind in _PRODUCTS else nullcontext()

    def read() -> None:
        with patches:
            adapter.generate(net, prepared, decoding, lambda: None)

    return read


def measure(
    model: str,
    width: int,
    height: int,
    *,
    images: int = 1,
    text_layers: int = 2,
    vision_layers: int = 1,
    prompt_tokens: int = PROMPT,
    new_tokens: int = 3,
    attention: str = "",
    device: str = "cpu",
    net: Any = None,
    config: Mapping[str, Any] | None = None,
    precision: str = "bf16",
    filled: bool = False,
) -> Measured:
    """Read one invented micro-batch by the family's own adapter. ``net`` is of ``config``, by default the
    ``cut_config`` of these layers. ``filled``: the first picture's prompt is a token shorter and filled up,
    as pages of unequal size are.
    """
    import torch
    from vramwise.families.family import family_of_model_type
    from vramwise.ocr.images import sides_as_asked
    from vramwise.ocr.vlm.adapter import Prepared
    from vramwise.ocr.vlm.families import adapter_class

    from benchmarks.zero_products import products_left_out

    torch.set_num_threads(1)
    attention = attention or ("eager" if model == "got_ocr" else "sdpa")
    config = config or cut_config(model, text_layers, vision_layers)
    family = family_of_model_type(config["model_type"])
    assert family is not None
    net = (net if net is not None else build(config, attention)).to(device)
    tensors, pixels = inputs(config, width, height, images, prompt_tokens)
    if "mm_token_type_ids" not in inspect.signature(net.forward).parameters:
        tensors.pop("mm_token_type_ids", None)  # transformers 5 asks for it, older ones refuse it
    if filled:
        tensors["attention_mask"][0, 0] = 0
    prepared = Prepared(tensors, ((width, height),) * images)
    read = reading_of(net, config["model_type"], adapter_class(family), prepared, new_tokens)
    started = time.perf_counter()
    most = peak_bytes(products_left_out(read)) if device == "cpu" else peak_bytes_on_card(read, device)
    spent = time.perf_counter() - started
    return Measured(
        model,
        config,
        attention,
        pixels,
        images,
        prompt_tokens,
        new_tokens,
        most,
        spent,
        precision,
        sides_as_asked(width, height, family.max_pixels or None, family.longest_side),
    )


def run(models: tuple[str, ...] = MODELS, sizes: tuple[tuple[int, int], ...] = SIZES) -> dict[str, Any]:
    """The full matrix."""
    import torch

    torch.set_num_threads(1)
    figures: dict[str, Any] = {}
    head = ("pixels", "pictures", "layers", "prompt", "new", "MiB", "plan", "off", "s")
    print("model       ", " ".join(f"{name:>9}" for name in head))
    for model in models:
        net = build(cut_config(model, 2, 1), "eager" if model == "got_ocr" else "sdpa")
        cases: list[dict[str, Any]] = [{"width": w, "height": h} for w, h in (*sizes, *SHAPES)]
        cases += [
            {"width": 512, "height": 512, "images": 3},
            {"width": 512, "height": 512, "prompt_tokens": 3000},
            {"width": 256, "height": 256, "prompt_tokens": 1000, "new_tokens": 40},
        ]
        for case in cases:
            _report(figures, measure(model, **case, net=net))
        del net
        deeper = 1 if model.startswith("qwen3_5") else 4 if "_7b" in model else 8
        _report(figures, measure(model, 1024, 1024, text_layers=deeper, vision_layers=4))
    return figures


def _report(figures: dict[str, Any], it: Measured) -> None:
    text, vision = it.config.get("text_config", it.config), it.config["vision_config"]
    depth = vision.get("depth") or vision.get("sam_config", vision)["num_hidden_layers"]
    layers = f"{text['num_hidden_layers']}+{depth}"
    cells = (it.pixels, it.images, layers, it.prompt_tokens, it.new_tokens)
    sizes = (f"{it.peak_bytes / MIB:.1f}", f"{it.predicted_bytes() / MIB:.1f}", f"{100 * it.error:+.1f}%")
    print(
        f"{it.model:12}", " ".join(f"{cell:>9}" for cell in (*cells, *sizes, f"{it.seconds:.1f}")), flush=True
    )
    name = " ".join(map(str, (it.model, *cells)))
    figures[name] = {"peak_bytes": it.peak_bytes, "predicted_bytes": it.predicted_bytes()}
