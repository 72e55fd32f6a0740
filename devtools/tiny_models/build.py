"""Tiny checkpoints of every family: real configuration classes, random weights, a folder like a published
one.

`tiny_checkpoint("qwen3_vl")` builds the folder once for the installed transformers and keeps it under
.comfy/tiny; `trained_checkpoint("qwen3_vl")` is the committed one that really reads (tests/fixtures/trained,
made by benchmarks/train_tiny_*.py). A folder saved by transformers 5 does not open in 4.57, therefore the
version is part of the cache's path. Hidden sizes are multiples of 64 and output features multiples of 32:
bitsandbytes' 4-bit kernels on a CPU with AVX512-BF16 refuse others.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".comfy" / "tiny"
TRAINED = ROOT / "tests" / "fixtures" / "trained"

# What the trained checkpoints read. Letters whose upper and lower case differ only in size have one case
# only, and there is no I, O or l: a random string gives no context to tell them by.
UPPER = "ABCDEFGHJKLMNPQRSTUVWXYZ"
LOWER = "abdefghijmnqrt"
DIGITS = "0123456789"
CYRILLIC = "\u0414\u0416\u0424\u042e\u042f"
READABLE = DIGITS + UPPER + LOWER + CYRILLIC

# Every word that a prompt of ours may hold gets a token of its own, so that prompts stay short. The merges of
# such a word all begin with the space before it, so that no printed string is ever merged: one token a
# letter.
WORDS = (
    "you should follow the instructions carefully and explain your answers in detail OCR with format across "
    "multi pages upon patch reference convert document to markdown extract all text content from this image "
    "keep layout html table tables formula formulas latex read recognition spotting line level output json "
    "as list of please what is written picture reading order only return description boxes page"
)

# The one of transformers' Qwen2 tokenizer: transformers 5 rebuilds it from vocabulary and merges with this
# pattern.
QWEN_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)

QWEN_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
    "{% if m['content'] is string %}{{ m['content'] }}"
    "{% else %}{% for c in m['content'] %}"
    "{% if c['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif c['type'] == 'text' %}{{ c['text'] }}{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


# The picture after the words: then a prompt of any length leaves the way from picture to answer the same.
QWEN_TEMPLATE_PICTURE_LAST = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
    "{% if m['content'] is string %}{{ m['content'] }}"
    "{% else %}{% for c in m['content'] %}{% if c['type'] == 'text' %}{{ c['text'] }}{% endif %}{% endfor %}"
    "{% for c in m['content'] %}"
    "{% if c['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>{% endif %}{% endfor %}"
    "{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


class NotHere(Exception):
    """The installed transformers has no such family; the message says which version has it."""


def families() -> tuple[str, ...]:
    return tuple(_BUILDERS)


def tiny_checkpoint(family: str) -> Path:
    """Folder of the random checkpoint of ``family``, built now if it is not cached.

    Raises NotHere where the installed transformers lacks the family, KeyError for an unknown one.
    """
    build = _BUILDERS[family]
    source = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:10]
    folder = CACHE / f"{metadata.version('transformers')}-{source}" / family
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=f".{family}-", dir=folder.parent))
        try:
            build(unfinished)
            unfinished.chmod(0o755)
            unfinished.rename(folder)
        except OSError:
            # another process built it first
            if not folder.is_dir():
                raise
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def talkative_checkpoint(family: str, folder: Path) -> Path:
    """``folder`` with a random checkpoint whose answer depends on picture, precision and every weight:
    only capital letters can be said, and all but the embeddings is ten times larger.
    """
    import torch
    from safetensors.torch import load_file, save_file
    from transformers import AutoTokenizer

    shutil.copytree(tiny_checkpoint(family), folder)
    letters = AutoTokenizer.from_pretrained(folder).convert_tokens_to_ids(list("ABCDEFGHJKLMNPQRSTUVWXYZ"))
    weights = load_file(folder / "model.safetensors")
    for name, tensor in weights.items():
        if name.endswith("embed_tokens.weight"):
            weights[name] = torch.zeros_like(tensor)
            weights[name][letters] = tensor[letters]
        elif tensor.ndim > 1:
            weights[name] = tensor * 10
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    return folder


def trained_checkpoint(family: str) -> Path:
    """Folder of the committed checkpoint that reads short printed strings: "qwen3_vl" or "got_ocr2"."""
    folder = TRAINED / family
    if not (folder / "config.json").is_file():
        raise FileNotFoundError(
            f"{folder} is not there; benchmarks/train_tiny_{family.removesuffix('2')}.py makes it"
        )
    return folder


def held_out_files(family: str) -> tuple[Path, Path]:
    """The sprite of the held-out pictures of ``family``, and the file of their boxes and strings."""
    name = "held_out" if family == "qwen3_vl" else f"held_out_{family}"
    return TRAINED / f"{name}.png", TRAINED / f"{name}.json"


def held_out(family: str = "qwen3_vl") -> list[tuple[Any, str]]:
    """The 200 (PIL picture, string) pairs that no training of ``family`` saw."""
    from PIL import Image

    png, file = held_out_files(family)
    facts = json.loads(file.read_text(encoding="utf-8"))
    with Image.open(png) as image:
        sprite = image.convert("RGB")
    return [(sprite.crop(box), text) for box, text in zip(facts["boxes"], facts["texts"], strict=True)]


def is_5() -> bool:
    return int(metadata.version("transformers").split(".")[0]) >= 5


def rope(theta: float, **more: Any) -> dict[str, Any]:
    """The rotary settings in the spelling of the installed version."""
    if is_5():
        return {"rope_parameters": {"rope_type": "default", "rope_theta": theta, **more}}
    return {"rope_theta": theta, "rope_scaling": {"rope_type": "default", **more}}


def tokenizer(
    specials: Sequence[str],
    pad: str = "<|endoftext|>",
    eos: str = "<|im_end|>",
    marks: Mapping[str, str] | None = None,
) -> Any:
    """A byte-level BPE tokenizer without a download: 256 bytes, one token a Cyrillic letter, the words of
    WORDS.

    ``marks`` are special tokens that a processor asks for by name ("image_token": "<image>").
    """
    import transformers
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

    vocabulary = {letter: index for index, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    merges: list[tuple[str, str]] = []

    def add(left: str, right: str) -> str:
        if left + right not in vocabulary:
            vocabulary[left + right] = len(vocabulary)
            merges.append((left, right))
        return left + right

    def as_bytes(text: str) -> str:
        [(piece, _)] = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False).pre_tokenize_str(
            text
        )
        return str(piece)

    for code in (*range(0x410, 0x450), 0x401, 0x451):
        add(*as_bytes(chr(code)))
    for word in WORDS.split():
        for spelling in sorted({word, word.capitalize()}):
            functools.reduce(add, as_bytes(f" {spelling}"))

    bpe = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    bpe.normalizer = normalizers.NFC()
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(QWEN_PATTERN), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    more = [token for token in specials if token not in (pad, eos)]
    # here and not only below: transformers 5 knows the list and the marks by one name
    bpe.add_special_tokens([pad, eos, *more])
    named: dict[str, Any] = {"additional_special_tokens": more}
    if marks:
        named = {"extra_special_tokens": dict(marks)}
    # 4.57's Qwen processors ask for their own tokenizer class
    kind = transformers.PreTrainedTokenizerFast if is_5() else transformers.Qwen2TokenizerFast
    return kind(
        tokenizer_object=bpe,
        model_input_names=["input_ids", "attention_mask"],
        pad_token=pad,
        eos_token=eos,
        model_max_length=32768,
        padding_side="left",
        clean_up_tokenization_spaces=False,
        **named,
    )


def save(folder: Path, net: Any, processor: Any, eos: Sequence[int], pad: int) -> None:
    """A folder as from_pretrained expects it."""
    net.generation_config.eos_token_id = list(eos)
    net.generation_config.pad_token_id = pad
    net.eval().save_pretrained(folder)
    processor.save_pretrained(folder)


# --- Qwen -------------------------------------------------------------------------------------------------

QWEN_SPECIALS = (
    "<|im_start|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
)


def _qwen_tokens(words: Any) -> dict[str, int]:
    ids = words.convert_tokens_to_ids
    return {
        "image_token_id": ids("<|image_pad|>"),
        "video_token_id": ids("<|video_pad|>"),
        "vision_start_token_id": ids("<|vision_start|>"),
        "vision_end_token_id": ids("<|vision_end|>"),
    }


def _qwen_pictures(least: int, most: int, patch: int, mean: float | None) -> Any:
    """The Qwen image processor with pixel limits ``least`` to ``most`` in the spelling of either version."""
    import transformers

    limits: dict[str, Any] = {"size": {"shortest_edge": least, "longest_edge": most}}
    if not is_5():
        limits = {"min_pixels": least, "max_pixels": most, **limits}
    colours = {} if mean is None else {"image_mean": [mean] * 3, "image_std": [mean] * 3}
    return transformers.Qwen2VLImageProcessor(
        patch_size=patch, temporal_patch_size=2, merge_size=2, **limits, **colours
    )


def qwen2_vl() -> tuple[Any, Any]:
    import transformers

    words = tokenizer(QWEN_SPECIALS)
    config = transformers.Qwen2VLConfig(
        text_config={
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "vocab_size": len(words),
            "max_position_embeddings": 4096,
            "tie_word_embeddings": True,
            "bos_token_id": None,
            "eos_token_id": words.eos_token_id,
            "pad_token_id": words.pad_token_id,
            **rope(10000.0, mrope_section=[4, 6, 6]),
        },
        vision_config={
            "depth": 2,
            "embed_dim": 64,
            "hidden_size": 64,
            "num_heads": 2,
            "mlp_ratio": 2,
            "patch_size": 14,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
        },
        tie_word_embeddings=True,
        **_qwen_tokens(words),
    )
    processor = transformers.Qwen2VLProcessor(
        image_processor=_qwen_pictures(56 * 56, 28 * 28 * 1280, 14, None),
        tokenizer=words,
        video_processor=transformers.Qwen2VLVideoProcessor(),
        chat_template=QWEN_TEMPLATE,
    )
    return transformers.Qwen2VLForConditionalGeneration(config), processor


def qwen3_vl(
    hidden: int = 64,
    wide: int = 128,
    layers: int = 3,
    depth: int = 2,
    positions: int = 64,
    least: int = 65536,
    template: str = QWEN_TEMPLATE,
) -> tuple[Any, Any]:
    """(net, processor). ``hidden`` and ``wide`` are the widths of both towers, ``layers`` of the language
    model, ``depth`` of the vision tower; ``positions`` its position embeddings; ``least`` the fewest pixels
    of a picture.
    """
    import transformers

    words = tokenizer(QWEN_SPECIALS)
    head = hidden // 2
    rest = head // 2
    sections = [rest - 2 * (rest // 3), rest // 3, rest // 3]
    config = transformers.Qwen3VLConfig(
        text_config={
            "hidden_size": hidden,
            "intermediate_size": wide,
            "num_hidden_layers": layers,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "head_dim": head,
            "vocab_size": len(words),
            "max_position_embeddings": 4096,
            "tie_word_embeddings": True,
            "bos_token_id": None,
            "eos_token_id": words.eos_token_id,
            "pad_token_id": words.pad_token_id,
            **rope(10000.0, mrope_section=sections, mrope_interleaved=True),
        },
        vision_config={
            "depth": depth,
            "hidden_size": hidden,
            "intermediate_size": wide,
            "num_heads": 2,
            "patch_size": 16,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
            "out_hidden_size": hidden,
            "num_position_embeddings": positions,
            "deepstack_visual_indexes": [0, 1],
        },
        tie_word_embeddings=True,
        **_qwen_tokens(words),
    )
    processor = transformers.Qwen3VLProcessor(
        image_processor=_qwen_pictures(least, 16777216, 16, 0.5),
        tokenizer=words,
        video_processor=transformers.Qwen3VLVideoProcessor(),
        chat_template=template,
    )
    return transformers.Qwen3VLForConditionalGeneration(config), processor


# --- GOT --------------------------------------------------------------------------------------------------


def got_ocr2(
    hidden: int = 64,
    wide: int = 128,
    layers: int = 2,
    side: int = 128,
    sight: int = 64,
    depth: int = 2,
    heads: int = 2,
    channels: int = 32,
    everywhere: bool = False,
) -> tuple[Any, Any]:
    """(net, processor). ``hidden`` and ``wide`` are the widths of the language model, ``sight`` and
    ``heads`` of the vision tower, ``channels`` of its neck. Pictures are ``side`` x ``side`` pixels and (side
    / 64) squared image tokens; ``everywhere``: every vision layer attends to the whole picture, instead of
    the last alone.

    The published processor counts 256 image tokens for its 1024-pixel picture and stores that nowhere: who
    calls another size passes ``num_image_tokens``.
    """
    import transformers

    words = tokenizer(["<|im_start|>", "<img>", "</img>", "<imgpad>"])
    config = transformers.GotOcr2Config(
        vision_config={
            "hidden_size": sight,
            "output_channels": channels,
            "num_hidden_layers": depth,
            "num_attention_heads": heads,
            "image_size": side,
            "patch_size": 16,
            "mlp_dim": 2 * sight,
            "window_size": 4,
            "global_attn_indexes": list(range(depth)) if everywhere else [depth - 1],
            # the class's 1e-10 is for loaded weights: from it nothing can be learnt
            "initializer_range": 0.02,
        },
        text_config={
            "model_type": "qwen2",
            "vocab_size": len(words),
            "hidden_size": hidden,
            "intermediate_size": wide,
            "num_hidden_layers": layers,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "max_position_embeddings": 4096,
            "tie_word_embeddings": True,
            "bos_token_id": None,
            "eos_token_id": words.eos_token_id,
            "pad_token_id": words.pad_token_id,
        },
        image_token_index=words.convert_tokens_to_ids("<imgpad>"),
        image_seq_length=(side // 64) ** 2,
        tie_word_embeddings=True,
    )
    pictures = transformers.GotOcr2ImageProcessor(size={"height": side, "width": side})
    return transformers.GotOcr2ForConditionalGeneration(config), transformers.GotOcr2Processor(
        pictures, words
    )


# --- dots.ocr ---------------------------------------------------------------------------------------------

DOTS_SPECIALS = (
    "<|img|>",
    "<|imgpad|>",
    "<|endofimg|>",
    "<|system|>",
    "<|endofsystem|>",
    "<|user|>",
    "<|endofuser|>",
    "<|assistant|>",
    "<|endofassistant|>",
)


def dots_shapes(text: Mapping[str, Any], vision: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the published checkpoint's tensors, for the numbers of its config.json."""
    width, wide, words = text["hidden_size"], text["intermediate_size"], text["vocab_size"]
    keys = width // text["num_attention_heads"] * text["num_key_value_heads"]
    shapes: dict[str, tuple[int, ...]] = {
        "lm_head.weight": (words, width),
        "model.embed_tokens.weight": (words, width),
        "model.norm.weight": (width,),
    }
    for layer in range(text["num_hidden_layers"]):
        at = f"model.layers.{layer}"
        shapes |= {
            f"{at}.input_layernorm.weight": (width,),
            f"{at}.post_attention_layernorm.weight": (width,),
            f"{at}.mlp.gate_proj.weight": (wide, width),
            f"{at}.mlp.up_proj.weight": (wide, width),
            f"{at}.mlp.down_proj.weight": (width, wide),
            f"{at}.self_attn.o_proj.weight": (width, width),
        }
        for name, out in (("q", width), ("k", keys), ("v", keys)):
            shapes |= {
                f"{at}.self_attn.{name}_proj.weight": (out, width),
                f"{at}.self_attn.{name}_proj.bias": (out,),
            }
    sight, high, side = vision["embed_dim"], vision["intermediate_size"], vision["patch_size"]
    merged, tower = sight * vision["spatial_merge_size"] ** 2, "vision_tower"
    shapes |= {
        f"{tower}.patch_embed.patchifier.proj.weight": (sight, vision["num_channels"], side, side),
        f"{tower}.patch_embed.patchifier.proj.bias": (sight,),
        f"{tower}.patch_embed.patchifier.norm.weight": (sight,),
        f"{tower}.post_trunk_norm.weight": (sight,),
        f"{tower}.merger.ln_q.weight": (sight,),
        f"{tower}.merger.ln_q.bias": (sight,),
        f"{tower}.merger.mlp.0.weight": (merged, merged),
        f"{tower}.merger.mlp.0.bias": (merged,),
        f"{tower}.merger.mlp.2.weight": (vision["hidden_size"], merged),
        f"{tower}.merger.mlp.2.bias": (vision["hidden_size"],),
    }
    for block in range(vision["num_hidden_layers"]):
        at = f"{tower}.blocks.{block}"
        shapes |= {
            f"{at}.norm1.weight": (sight,),
            f"{at}.norm2.weight": (sight,),
            f"{at}.attn.qkv.weight": (3 * sight, sight),
            f"{at}.attn.proj.weight": (sight, sight),
            f"{at}.mlp.fc1.weight": (high, sight),
            f"{at}.mlp.fc2.weight": (sight, high),
            f"{at}.mlp.fc3.weight": (high, sight),
        }
    return shapes


def dots_ocr(folder: Path) -> None:
    """Written file by file, after the published folder and without the class that is to read it: a class that
    misspelt a key would agree with its own misspelt fixture.
    """
    import torch
    from safetensors.torch import save_file

    words = tokenizer(DOTS_SPECIALS, eos="<|endofassistant|>")
    words.save_pretrained(folder)
    vision = {
        "embed_dim": 64,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_channels": 3,
        "patch_size": 14,
        "post_norm": True,
        "rms_norm_eps": 1e-05,
        "spatial_merge_size": 2,
        "temporal_patch_size": 1,
        "use_bias": False,
        "attn_implementation": "flash_attention_2",
        "init_merger_std": 0.02,
        "initializer_range": 0.02,
        "is_causal": False,
        "gradient_checkpointing": False,
    }
    text = {
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "vocab_size": len(words),
        "max_position_embeddings": 131072,
        "max_window_layers": 28,
        "rms_norm_eps": 1e-06,
        "rope_scaling": None,
        "rope_theta": 1000000,
        "sliding_window": 131072,
        "use_sliding_window": False,
        "tie_word_embeddings": False,
        "attention_bias": True,
        "attention_dropout": 0.0,
        "hidden_act": "silu",
        "initializer_range": 0.02,
        "use_cache": True,
    }
    config = {
        "architectures": ["DotsOCRForCausalLM"],
        "model_type": "dots_ocr",
        "auto_map": {
            "AutoConfig": "configuration_dots.DotsOCRConfig",
            "AutoModelForCausalLM": "modeling_dots_ocr.DotsOCRForCausalLM",
        },
        **text,
        "image_token_id": words.convert_tokens_to_ids("<|imgpad|>"),
        "video_token_id": words.convert_tokens_to_ids("<|imgpad|>"),
        "torch_dtype": "bfloat16",
        "transformers_version": "4.51.0",
        "vision_config": vision,
    }
    pictures = {
        "min_pixels": 3136,
        "max_pixels": 11289600,
        "patch_size": 14,
        "temporal_patch_size": 1,
        "merge_size": 2,
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
        "image_processor_type": "Qwen2VLImageProcessor",
        "processor_class": "DotsVLProcessor",
    }
    ends = {"eos_token_id": [words.pad_token_id, words.eos_token_id], "pad_token_id": words.pad_token_id}
    for name, facts in (
        ("config", config),
        ("preprocessor_config", pictures),
        ("generation_config", {**ends, "transformers_version": "4.51.0"}),
    ):
        (folder / f"{name}.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    chance = torch.Generator().manual_seed(0)
    tensors = {}
    for name, shape in dots_shapes(text, vision).items():
        norm = name.endswith(
            ("norm.weight", "norm1.weight", "norm2.weight", "layernorm.weight", "ln_q.weight")
        )
        tensors[name] = torch.ones(shape) if norm else torch.randn(shape, generator=chance) * 0.02
        tensors[name] = tensors[name].to(torch.bfloat16)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


# --- families of transformers 5 ---------------------------------------------------------------------------


def _needs(name: str) -> Any:
    """The class ``name`` of transformers; NotHere where it has none."""
    import transformers

    if not hasattr(transformers, name):
        raise NotHere(f"transformers {transformers.__version__} has no {name}: that needs a newer one")
    return getattr(transformers, name)


def _chat_template(before: str, image: str, after: str, answer: str) -> str:
    """A template of one shape for the families that have no public one of a line: user turn, then answer."""
    return (
        "{% for m in messages %}"
        + before
        + "{% if m['content'] is string %}{{ m['content'] }}{% else %}{% for c in m['content'] %}"
        + "{% if c['type'] == 'image' %}"
        + image
        + "{% elif c['type'] == 'text' %}{{ c['text'] }}{% endif %}{% endfor %}{% endif %}"
        + after
        + "{% endfor %}{% if add_generation_prompt %}"
        + answer
        + "{% endif %}"
    )


def glm_ocr() -> tuple[Any, Any]:
    import transformers

    net_class = _needs("GlmOcrForConditionalGeneration")
    specials = ["[gMASK]", "<sop>", "<|system|>", "<|user|>", "<|assistant|>"]
    specials += ["<|begin_of_image|>", "<|image|>", "<|end_of_image|>"]
    specials += ["<|begin_of_video|>", "<|video|>", "<|end_of_video|>"]
    words = tokenizer(specials, eos="<|endoftext|>")
    ids = words.convert_tokens_to_ids
    config = transformers.GlmOcrConfig(
        text_config={
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "head_dim": 32,
            "vocab_size": len(words),
            "max_position_embeddings": 4096,
            "pad_token_id": words.pad_token_id,
            "eos_token_id": [words.pad_token_id, ids("<|user|>")],
            **rope(10000.0, mrope_section=[4, 6, 6], partial_rotary_factor=1.0),
        },
        vision_config={
            "depth": 2,
            "hidden_size": 64,
            "num_heads": 2,
            "intermediate_size": 128,
            "out_hidden_size": 64,
            "patch_size": 14,
        },
        image_token_id=ids("<|image|>"),
        video_token_id=ids("<|video|>"),
        image_start_token_id=ids("<|begin_of_image|>"),
        image_end_token_id=ids("<|end_of_image|>"),
        video_start_token_id=ids("<|begin_of_video|>"),
        video_end_token_id=ids("<|end_of_video|>"),
    )
    template = "[gMASK]<sop>" + _chat_template(
        "<|{{ m['role'] }}|>\n", "<|begin_of_image|><|image|><|end_of_image|>", "", "<|assistant|>\n"
    )
    pictures = transformers.Glm46VImageProcessor(size={"shortest_edge": 12544, "longest_edge": 9633792})
    video = transformers.Glm46VVideoProcessor()
    return net_class(config), transformers.Glm46VProcessor(pictures, words, video, chat_template=template)


def paddleocr_vl() -> tuple[Any, Any]:
    import transformers

    net_class = _needs("PaddleOCRVLForConditionalGeneration")
    marks = {"image_token": "<|IMAGE_PLACEHOLDER|>"}
    specials = ["<s>", "<|IMAGE_START|>", "<|IMAGE_END|>", "<|IMAGE_PLACEHOLDER|>", "<|video_pad|>"]
    words = tokenizer(specials, pad="<unk>", eos="</s>", marks=marks)
    ids = words.convert_tokens_to_ids
    config = transformers.PaddleOCRVLConfig(
        text_config={
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "head_dim": 32,
            "vocab_size": len(words),
            "max_position_embeddings": 4096,
            "pad_token_id": words.pad_token_id,
            "bos_token_id": ids("<s>"),
            "eos_token_id": words.eos_token_id,
            **rope(10000.0, mrope_section=[4, 6, 6]),
        },
        vision_config={
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": 112,
            "patch_size": 14,
        },
        image_token_id=ids("<|IMAGE_PLACEHOLDER|>"),
        video_token_id=ids("<|video_pad|>"),
        vision_start_token_id=ids("<|IMAGE_START|>"),
        vision_end_token_id=ids("<|IMAGE_END|>"),
    )
    template = _chat_template(
        "{{ 'User: ' if m['role'] == 'user' else 'Assistant: ' }}",
        "<|IMAGE_START|><|IMAGE_PLACEHOLDER|><|IMAGE_END|>",
        "\n",
        "Assistant: ",
    )
    pictures = transformers.PaddleOCRVLImageProcessor(
        size={"shortest_edge": 28 * 28 * 16, "longest_edge": 28 * 28 * 2048}
    )
    return net_class(config), transformers.PaddleOCRVLProcessor(pictures, words, chat_template=template)


def lighton_ocr() -> tuple[Any, Any]:
    import transformers

    net_class = _needs("LightOnOcrForConditionalGeneration")
    marks = {
        "image_token": "<|image_pad|>",
        "image_break_token": "<|vision_pad|>",
        "image_end_token": "<|vision_end|>",
    }
    words = tokenizer(["<|im_start|>", *marks.values()], marks=marks)
    config = transformers.LightOnOcrConfig(
        text_config={
            "model_type": "qwen3",
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "head_dim": 32,
            "vocab_size": len(words),
            "max_position_embeddings": 4096,
            "tie_word_embeddings": True,
            "bos_token_id": None,
            "eos_token_id": words.eos_token_id,
            "pad_token_id": words.pad_token_id,
        },
        vision_config={
            "model_type": "pixtral",
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "head_dim": 32,
            "image_size": 1540,
            "patch_size": 14,
        },
        image_token_id=words.convert_tokens_to_ids("<|image_pad|>"),
    )
    template = _chat_template(
        "<|im_start|>{{ m['role'] }}\n", "<|image_pad|>", "<|im_end|>\n", "<|im_start|>assistant\n"
    )
    pictures = transformers.PixtralImageProcessor(
        size={"longest_edge": 1540}, patch_size={"height": 28, "width": 28}
    )
    processor = transformers.LightOnOcrProcessor(
        pictures, words, patch_size=14, spatial_merge_size=2, chat_template=template
    )
    return net_class(config), processor


DOCLING_TEMPLATE = _chat_template(
    "<|start_of_role|>{{ m['role'] }}<|end_of_role|>",
    "<image>",
    "<|end_of_text|>\n",
    "<|start_of_role|>assistant<|end_of_role|>",
)


def _docling_words(tags: Sequence[str]) -> Any:
    tiles = [f"<row_{row}_col_{column}>" for row in range(1, 5) for column in range(1, 5)]
    specials = [
        "<|start_of_role|>",
        "<|end_of_role|>",
        "<fake_token_around_image>",
        "<image>",
        "<global-img>",
    ]
    specials += ["<end_of_utterance>", *tiles, *tags]
    return tokenizer(specials, pad="<|pad|>", eos="<|end_of_text|>", marks={"image_token": "<image>"})


def idefics3() -> tuple[Any, Any]:
    """The shape of granite-docling-258M and SmolDocling: pictures in tiles, answers in DocTags."""
    import transformers

    tags = ("doctag", "text", "otsl", "loc_0", "loc_500", "fcel", "nl")
    words = _docling_words([f"<{tag}>" for tag in tags] + [f"</{tag}>" for tag in tags[:3]])
    config = transformers.Idefics3Config(
        text_config={
            "model_type": "llama",
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "vocab_size": len(words),
            "max_position_embeddings": 8192,
            "tie_word_embeddings": True,
            "bos_token_id": None,
            "eos_token_id": words.eos_token_id,
            "pad_token_id": words.pad_token_id,
        },
        vision_config={
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": 128,
            "patch_size": 16,
        },
        scale_factor=4,
        image_token_id=words.convert_tokens_to_ids("<image>"),
        pad_token_id=words.pad_token_id,
        tie_word_embeddings=True,
    )
    pictures = transformers.Idefics3ImageProcessor(
        size={"longest_edge": 512}, max_image_size={"longest_edge": 128}, do_image_splitting=True
    )
    processor = transformers.Idefics3Processor(
        pictures, words, image_seq_len=4, chat_template=DOCLING_TEMPLATE
    )
    return transformers.Idefics3ForConditionalGeneration(config), processor


def granite_docling() -> tuple[Any, Any]:
    """The shape of granite-for-docling-500m: pictures in tiles, answers in DocLang."""
    import transformers

    net_class = _needs("GraniteDoclingForConditionalGeneration")
    words = _docling_words(["<doclang>", "</doclang>", "<text>", "</text>"])
    config = transformers.GraniteDoclingConfig(
        text_config={
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 3,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "vocab_size": len(words),
            "max_position_embeddings": 8192,
            "bos_token_id": None,
            "eos_token_id": words.eos_token_id,
            "pad_token_id": words.pad_token_id,
        },
        vision_config={
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 3,
            "num_attention_heads": 2,
            "image_size": 128,
            "patch_size": 16,
            "out_hidden_size": 64,
            "deepstack_visual_indexes": [0, 1],
        },
        image_token_id=words.convert_tokens_to_ids("<image>"),
        pad_token_id=words.pad_token_id,
    )
    pictures = transformers.GraniteDoclingImageProcessor(size={"height": 128, "width": 128}, max_patches=4)
    processor = transformers.GraniteDoclingProcessor(
        pictures, words, image_seq_len=4, chat_template=DOCLING_TEMPLATE
    )
    return net_class(config), processor


def _plain(make: Callable[[], tuple[Any, Any]]) -> Callable[[Path], None]:
    """The builder of a family from its net and processor; weights are the same at every build."""

    def build(folder: Path) -> None:
        import torch

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            net, processor = make()
        words = processor.tokenizer
        save(folder, net, processor, [words.eos_token_id], words.pad_token_id)

    return build


_BUILDERS: Mapping[str, Callable[[Path], None]] = {
    "qwen2_vl": _plain(qwen2_vl),
    "qwen3_vl": _plain(qwen3_vl),
    "got_ocr2": _plain(got_ocr2),
    "dots_ocr": dots_ocr,
    "glm_ocr": _plain(glm_ocr),
    "paddleocr_vl": _plain(paddleocr_vl),
    "lighton_ocr": _plain(lighton_ocr),
    "idefics3": _plain(idefics3),
    "granite_docling": _plain(granite_docling),
}


if __name__ == "__main__":
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    for name in families():
        try:
            built = tiny_checkpoint(name)
        except NotHere as reason:
            print(f"{name}: {reason}")
            continue
        print(name, f"{sum(file.stat().st_size for file in built.iterdir()) / 1e6:.2f} MB", built)
