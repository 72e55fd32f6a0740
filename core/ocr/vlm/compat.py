"""Where transformers 4.57, transformers 5, bitsandbytes and torch spell things differently. Nothing else
knows.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import sys
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

from ...errors import VramwiseError, in_words
from ...families.blocks import quantisation_details
from ...families.family import Family
from ...families.saved.quantised import SavedQuantised
from ...shell import pip_line
from ...weights.checkpoint_files import read_config, written_config
from .memory_errors import is_out_of_memory as is_out_of_memory
from .processor_files import mended_processor_files

MOVABLE_8BIT = (0, 48)  # bitsandbytes from which .to(device) of an 8-bit model is allowed
_DEQUANTISING = {
    "fp8": "FineGrainedFP8Config",
    "mxfp8": "FineGrainedFP8Config",
    "mxfp4": "Mxfp4Config",
    "compressed-tensors": "CompressedTensorsConfig",
}
_CAST_NOTICE = "MatMul8bitLt: inputs will be cast"


def key_mapping(rules: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """``rules`` for names of weights as ``from_pretrained`` takes them. transformers 4 puts the base model's
    "model." before every name where none in the files begins so, after it has renamed them.
    """
    if version_of("transformers") >= (5, 0) or any(name.startswith("model.") for name in names):
        return dict(rules)
    followed = r"(?=(?:model)\.)"
    return {
        pattern.replace(followed, r"model\."): replacement.removeprefix("model.")
        for pattern, replacement in rules.items()
    }


def version_of(distribution: str) -> tuple[int, ...]:
    """(major, minor) of an installed distribution; (0, 0) where it is missing."""
    try:
        parts = metadata.version(distribution).split(".")
    except metadata.PackageNotFoundError:
        return (0, 0)
    return tuple(int("".join(c for c in part if c.isdigit()) or 0) for part in parts[:2])


def require_transformers(family: Family) -> None:
    """Refuse a family that this transformers does not know yet."""
    needed = tuple(int(part) for part in family.min_transformers.split(".")[:2])
    if version_of("transformers") < needed:
        raise VramwiseError(
            f"{family.name} needs transformers {family.min_transformers} or newer; "
            f"this Python has {metadata.version('transformers')}. "
            f"Update with: {pip_line(f'transformers>={family.min_transformers}')}"
        )


_ATTENTION_OF_TRAINING = frozenset(("attn_implementation", "_attn_implementation"))


def disguised_config(path: Path) -> Any:
    """The config of a folder whose config.json names another family's model_type, says something else of
    its quantisation than its files, brings the attention that it was trained with, or begins with a mark that
    transformers does not take, as an object of its own class; None for every other folder, which
    transformers' Auto classes read by themselves.
    """
    config, written = read_config(path), written_config(path)
    kind = config.get("model_type")
    as_written = written.get("model_type") == kind and quantisation_details(written) == quantisation_details(
        config
    )
    for part in (config, config.get("text_config")):
        if isinstance(part, dict) and (given := _ATTENTION_OF_TRAINING & part.keys()):
            as_written = False
            for name in given:
                del part[name]
    if as_written and not (path / "config.json").read_bytes().startswith(BOM_UTF8):
        return None
    from transformers import AutoConfig
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    if kind not in CONFIG_MAPPING:
        return None  # our own class, which takes what its authors write
    return type(AutoConfig.for_model(kind)).from_dict(config)


def dequantising(saved: SavedQuantised) -> Any:
    """The quantisation config that makes transformers unpack a folder's weights while it loads them.

    Raises VramwiseError where this transformers has none that can.
    """
    import transformers

    name = _DEQUANTISING.get(saved.method, "")
    made = getattr(transformers, name, None)
    if made is not None:
        with contextlib.suppress(TypeError, ValueError):  # older ones know no fp8 without blocks
            config = made.from_dict({**saved.details, "dequantize": True})
            if getattr(config, "dequantize", False):
                return config
    raise VramwiseError(
        f"transformers {metadata.version('transformers')} cannot unpack weights that were saved as "
        f"{saved.label} ({saved.method}). Update with: {pip_line('transformers>=5.24')}, or take the model's "
        "16-bit files."
    )


def open_processor(path: Path) -> Any:
    """The processor of a local folder. Never looks at the Hub and never runs code from the folder."""
    try:
        try:
            processor = _from_folder(path)
        except Exception as error:
            if isinstance(error, ImportError) or not (mended := mended_processor_files(path)):
                raise
            with TemporaryDirectory() as folder:
                for name, content in mended.items():
                    (Path(folder) / name).write_bytes(content)
                processor = _from_folder(Path(folder))
    except ImportError as error:
        hint = f" Install it with: {pip_line('torchvision')}" if "torchvision" in str(error).lower() else ""
        raise VramwiseError(
            f"The processor in {path} needs a package that is missing: {error}{hint}"
        ) from error
    except Exception as error:  # the tokenizers' own errors have no class of their own
        if not any((path / name).is_file() for name in _PICTURE_PROCESSORS):
            raise VramwiseError(f"{path} has no preprocessor_config.json. {BESIDE}") from error
        raise VramwiseError(
            f"The processor in {path} cannot be opened: {in_words(error)}. {BESIDE}"
        ) from error
    tokenizer = getattr(processor, "tokenizer", None)
    if tokenizer is None or len(tokenizer) <= len(tokenizer.get_added_vocab()):
        raise VramwiseError(f"{path} has no tokenizer.json with a vocabulary. {BESIDE}")
    if getattr(processor, "image_processor", None) is None:
        raise VramwiseError(f"{path} has no preprocessor_config.json. {BESIDE}")
    return processor


_PICTURE_PROCESSORS = ("preprocessor_config.json", "processor_config.json")
BESIDE = (
    "The tokenizer's and processor's files belong beside the weights: download the model's folder again or, "
    "for a model of your own, copy them from the one that it was made from."
)


def _from_folder(path: Path) -> Any:
    from transformers import PROCESSOR_MAPPING, AutoProcessor

    config = disguised_config(path)
    processor = AutoProcessor if config is None else PROCESSOR_MAPPING[type(config)]
    return processor.from_pretrained(str(path), local_files_only=True, trust_remote_code=False)


@contextmanager
def last_logits_only(net: Any) -> Iterator[None]:
    """While generation runs, give the language head of ``net`` the last position alone.

    Generation asks for that by ``logits_to_keep``, but only where the class's forward names it. Qwen2-VL's in
    transformers 4.57 does not: it computes the logits of the whole prompt, 3.4 GB for an A4 page, and
    generation reads their last row.
    """
    asks = getattr(net, "_supports_logits_to_keep", None)
    head = None if asks is None or asks() else net.get_output_embeddings()
    if head is None:
        yield
        return
    hook = head.register_forward_pre_hook(lambda module, given: (given[0][:, -1:], *given[1:]))
    try:
        yield
    finally:
        hook.remove()


def flash_attention_2() -> bool:
    """Whether the flash-attn package itself can be used. The Hub kernel that transformers would fetch
    instead is not.
    """
    from transformers.utils import is_flash_attn_2_available

    return bool(is_flash_attn_2_available())


def import_bitsandbytes() -> ModuleType:
    """Import bitsandbytes without its download.

    On CPUs with AVX512-BF16 the import asks the package ``kernels``, where that is installed, to fetch
    compiled code from the Hub. A None entry in sys.modules makes ``import kernels`` fail, which bitsandbytes
    expects: it keeps its own CPU code. The entry is taken out again at once, so other packs see ``kernels``
    unchanged; a process-wide HF_HUB_OFFLINE would break their downloads.
    """
    if "bitsandbytes" in sys.modules:
        return _quiet(sys.modules["bitsandbytes"])
    if find_spec("bitsandbytes") is None:
        raise VramwiseError(
            "int8 and int4 need the package bitsandbytes, which this Python does not have. "
            f"Install it with: {pip_line('bitsandbytes>=0.48')}, or choose bf16 or fp16."
        )
    held = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "kernels"}
    sys.modules["kernels"] = None  # type: ignore[assignment]
    functions = logging.getLogger("bitsandbytes.backends.cpu.ops")
    functions.addFilter(_without_kernels)
    try:
        return _quiet(importlib.import_module("bitsandbytes"))
    except (ImportError, OSError, RuntimeError) as error:
        raise VramwiseError(
            f"bitsandbytes is installed but cannot run here: {first_line(error)} "
            "Choose bf16 or fp16, or install a build for this machine."
        ) from error
    finally:
        functions.removeFilter(_without_kernels)
        del sys.modules["kernels"]
        sys.modules.update(held)


def guard_kernels() -> None:
    """Have bitsandbytes imported by us where transformers or accelerate might do it first and fetch code."""
    if find_spec("kernels") is not None and find_spec("bitsandbytes") is not None:
        import_bitsandbytes()


def _without_kernels(record: logging.LogRecord) -> bool:
    return "kernels-community" not in record.getMessage()


class _Once(logging.Filter):
    """Lets the cast notice of the 8-bit matmul through once; it comes at every layer and token."""

    shown = False

    def filter(self, record: logging.LogRecord) -> bool:
        if _CAST_NOTICE not in record.getMessage():
            return True
        first, self.shown = not self.shown, True
        return first


_once = _Once()


def _quiet(module: ModuleType) -> ModuleType:
    log = logging.getLogger("bitsandbytes.autograd._functions")
    if _once not in log.filters:
        log.addFilter(_once)
    return module


def first_line(error: BaseException) -> str:
    """The first line of an error's message, ending in a full stop."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    line = lines[0] if lines else type(error).__name__
    return line if line.endswith((".", "!", "?")) else line + "."
