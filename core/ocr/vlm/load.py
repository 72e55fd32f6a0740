"""From a folder of safetensors to a live net: one device, one precision, every key accounted for."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from ...catalog.precisions import AS_SAVED, quantised_precisions
from ...errors import VramwiseError
from ...families.family import Family
from ...families.saved.names import renaming
from ...families.saved.quantised import saved_quantised
from ...planning.as_saved import DEQUANTISED
from ...shell import pip_line
from ...weights.checkpoint_files import read_config, tensor_index, variant
from . import compat, fp8_layers, lora
from .adapter import token_ids
from .families import adapter_class
from .key_check import check_keys
from .load_failures import misfit, remedy
from .model_owner import LoadSpec

log = logging.getLogger("vramwise.ocr.vlm")
DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}
_PROCESSOR_SUFFIXES = (".json", ".jinja", ".txt", ".model", ".tiktoken")
_WEIGHT_CONFIGS = ("config.json", "generation_config.json")


def load_net(spec: LoadSpec, family: Family) -> torch.nn.Module:
    """The net of ``spec``, in eval mode on ``spec.device`` ("auto": accelerate's placement over cards and
    RAM).

    Reads ``spec.path`` and nothing else: no Hub, no code from the folder, safetensors only. A folder that was
    saved quantised is loaded as it is. Raises VramwiseError when a key is missing, unexpected or of another
    shape, when the attention or the precision is not to be had here; out of memory passes through as torch
    raised it.
    """
    compat.require_transformers(family)
    check_attention(spec.attention, family)
    compat.guard_kernels()
    arguments: dict[str, Any] = {
        "dtype": compute_dtype(spec.precision, spec.device, family.fp16_overflows),
        "attn_implementation": spec.attention,
        "local_files_only": True,
        "trust_remote_code": False,
        "use_safetensors": True,
        "output_loading_info": True,
        "generation_config": _generation_config(spec.path),
        "variant": variant(spec.path),
        **_placement(spec),
        **_quantisation(spec, family),
    }
    config = compat.disguised_config(spec.path)
    if config is not None:
        arguments["config"] = config
    net, info = _from_folder(spec, family, arguments)
    check_keys(net, info, spec, family)
    if "device_map" not in arguments or (_dequantises(spec) and spec.device.startswith("mps")):
        net = net.to(spec.device)
    if spec.precision in DTYPES:
        _widen_bare_fp8(net, arguments["dtype"])
    _check_fp8(fp8_layers.compute_in_16bit(net), spec)
    if spec.adapter is not None:
        net = lora.put_on(net, spec.adapter, arguments["dtype"])
    net.eval()
    net.generation_config = _generation_config(spec.path)
    return net


def _from_folder(
    spec: LoadSpec, family: Family, arguments: dict[str, Any]
) -> tuple[torch.nn.Module, dict[str, Any]]:
    """The net as transformers loads it, and what it says of the folder's names. Raises as ``load_net``."""
    model_class = adapter_class(family).model_class()
    try:
        # Prompts of ComfyUI run in inference mode; parameters made there could never be used outside it.
        with (
            torch.inference_mode(False),
            torch.no_grad(),
            _on(spec.device),
            lora.left_alone(spec.path) as more,
        ):
            arguments = {**arguments, **more}
            net, info = model_class.from_pretrained(str(spec.path), **arguments)
            if info.get("missing_keys") and (rules := _renaming(spec)):
                del net
                net, info = model_class.from_pretrained(str(spec.path), **arguments, key_mapping=rules)
                net._weight_conversions = []  # saved again, it has the class's names
    except VramwiseError:
        raise
    except Exception as error:  # a folder may hold anything, and transformers raises of every kind
        if compat.is_out_of_memory(error):
            raise
        raise VramwiseError(
            f"{family.name} in {spec.path} cannot be loaded at {spec.precision}: "
            f"{misfit(error, spec.path) or f'{compat.first_line(error)} {remedy(error)}'}"
        ) from error
    return net, info


def _renaming(spec: LoadSpec) -> dict[str, str]:
    """How names of the files become those of the class, where transformers did not know it by itself."""
    try:
        names = tensor_index(spec.path)
        return compat.key_mapping(renaming(names, read_config(spec.path)), names)
    except VramwiseError:
        return {}


def compute_dtype(precision: str, device: str, fp16_overflows: bool = False) -> torch.dtype:
    """The dtype of everything that is not quantised. Under int8 and int4: bf16 where the device computes
    in it, and where the model overflows fp16.
    """
    first = precision.partition(" ")[0]
    if precision in DTYPES or DEQUANTISED in precision:
        return DTYPES[first]
    if precision not in quantised_precisions() and not precision.endswith(AS_SAVED):
        raise VramwiseError(f'There is no precision "{precision}". Use one of: bf16, fp16, fp32, int8, int4.')
    if fp16_overflows:
        return torch.bfloat16
    kind = torch.device(
        "cuda" if device == "auto" and torch.cuda.is_available() else device.replace("auto", "cpu")
    )
    if kind.type == "cuda" and torch.version.hip is None and torch.cuda.get_device_capability(kind)[0] < 8:
        return torch.float16
    return torch.bfloat16


def check_attention(attention: str, family: Family) -> None:
    """Refuse what would fail in the middle of a load, or fetch a kernel from the Hub."""
    if attention not in family.attention:
        raise VramwiseError(
            f"{family.name} has no {attention} attention in transformers. "
            f"Use one of: {', '.join(family.attention)}."
        )
    if attention == "flash_attention_2" and not compat.flash_attention_2():
        raise VramwiseError(
            "flash_attention_2 needs the package flash-attn and a GPU that it supports: not here. "
            "Set attention to auto or sdpa; VRAMwise fetches no kernel in its place."
        )


def skip_modules(spec: LoadSpec, family: Family) -> list[str]:
    """Modules that stay 16-bit. Any list replaces transformers' default, so the language head is in it
    again.
    """
    vision = () if spec.quantise_vision else family.vision_modules
    return list(dict.fromkeys((*family.keep_16bit, *vision)))


def _widen_bare_fp8(net: torch.nn.Module, dtype: torch.dtype) -> None:
    """fp8 that config.json has no word on: transformers 4 leaves it so, and no layer computes with it."""
    for parameter in net.parameters():
        if parameter.dtype in (torch.float8_e4m3fn, torch.float8_e5m2):
            parameter.data = parameter.data.to(dtype)


def _check_fp8(layers: int, spec: LoadSpec) -> None:
    """Refuse a folder that was planned as fp8 and that transformers has unpacked: it takes twice the room."""
    saved = saved_quantised(read_config(spec.path)) if spec.precision.endswith(AS_SAVED) else None
    if saved is not None and saved.method == "fp8" and not layers:
        raise VramwiseError(
            f"transformers did not keep {spec.path.name} in fp8 on {spec.device}, though it was planned so: "
            "it takes twice the memory. Choose another device, or the model's 16-bit files."
        )


@contextmanager
def _on(device: str) -> Iterator[None]:
    """With ``device`` as CUDA's current one: transformers asks that one for fp8, not its target."""
    if not device.startswith("cuda") or not torch.cuda.is_available():
        yield
        return
    with torch.cuda.device(device):
        yield


def _dequantises(spec: LoadSpec) -> bool:
    """Whether a folder that was saved quantised becomes 16-bit while it is loaded."""
    return DEQUANTISED in spec.precision


def _placement(spec: LoadSpec) -> dict[str, Any]:
    from transformers.utils import is_accelerate_available

    if is_accelerate_available():
        if _dequantises(spec) and spec.device.startswith("mps"):  # Metal has no fp8: unpacked on the CPU
            return {"device_map": {"": "cpu"}}
        return {"device_map": "auto" if spec.device == "auto" else {"": spec.device}}
    if spec.device == "auto":
        raise VramwiseError(
            "device_map auto needs the package accelerate. "
            f"Install it with: {pip_line('accelerate')}, or name one device."
        )
    return {}


def _quantisation(spec: LoadSpec, family: Family) -> dict[str, Any]:
    saved = saved_quantised(read_config(spec.path))
    if saved is not None:
        if saved.method == "bitsandbytes":
            _import_quantiser(spec)
        return {"quantization_config": compat.dequantising(saved)} if _dequantises(spec) else {}
    if spec.precision not in quantised_precisions():
        return {}
    skip = skip_modules(spec, family)
    if spec.precision == "int8" and int8_library(spec.device) == "torchao":
        from torchao.quantization import Int8WeightOnlyConfig
        from transformers import TorchAoConfig

        config = TorchAoConfig(Int8WeightOnlyConfig(), modules_to_not_convert=skip)
        return {"quantization_config": config}
    _import_quantiser(spec)
    from transformers import BitsAndBytesConfig

    if spec.precision == "int8":
        return {"quantization_config": BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=skip)}
    return {
        "quantization_config": BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=compute_dtype(spec.precision, spec.device, family.fp16_overflows),
            llm_int8_skip_modules=skip,
        )
    }


def int8_library(device: str) -> str:
    """ "bitsandbytes", or "torchao" where that is the one that can run: no bitsandbytes here, or an Apple
    GPU.
    """
    lacking = find_spec("bitsandbytes") is None or device.startswith("mps")
    return "torchao" if lacking and find_spec("torchao") is not None else "bitsandbytes"


def _import_quantiser(spec: LoadSpec) -> None:
    if spec.device.startswith("mps"):
        raise VramwiseError(
            "bitsandbytes on Apple GPUs fetches its kernels from the Hub while it runs, "
            "which VRAMwise does not allow. Choose bf16 or fp16."
        )
    compat.import_bitsandbytes()
    from transformers.utils import is_accelerate_available

    if not is_accelerate_available():
        raise VramwiseError(
            "int8 and int4 need the package accelerate beside bitsandbytes. "
            f"Install it with: {pip_line('accelerate')}"
        )


def _generation_config(path: Path) -> Any:
    """Greedy, and of what the folder says only which tokens are special: sampling fields beside
    do_sample=False are a warning at every call, and one that is out of its range would be an error.
    """
    from transformers import GenerationConfig

    config = read_config(path)
    said = (_json_object(path / "generation_config.json"), config, config.get("text_config"))
    tokens: dict[str, Any] = {}
    for name in ("eos_token_id", "pad_token_id", "bos_token_id"):
        found = next(
            (ids for facts in said if isinstance(facts, dict) and (ids := token_ids(facts.get(name)))), ()
        )
        tokens[name] = list(found) if name == "eos_token_id" and found else next(iter(found), None)
    if tokens["pad_token_id"] is None and tokens["eos_token_id"]:
        tokens["pad_token_id"] = tokens["eos_token_id"][0]
    return GenerationConfig(do_sample=False, use_cache=True, **tokens)


def _json_object(file: Path) -> dict[str, Any]:
    """What ``file`` holds; nothing where it is absent or damaged."""
    try:
        found = json.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def true_bytes(net: torch.nn.Module) -> int:
    """Bytes of parameters, buffers and quantisation state (absmax, codes, row scales), shared storage
    counted once.

    ``get_memory_footprint`` leaves the state out: 0.7 to 2.7 % low at nf4
    (docs/sources.md#bytes-of-a-quantised-model).
    """
    seen: dict[tuple[str, int], int] = {}
    for tensor in _tensors(net):
        storage = tensor.untyped_storage()
        seen[(str(tensor.device), storage.data_ptr())] = min(
            storage.nbytes(), tensor.numel() * tensor.element_size()
        )
    return sum(seen.values())


def _tensors(net: torch.nn.Module) -> Iterator[torch.Tensor]:
    for parameter in net.parameters():
        yield from _inner(parameter)
        for name in ("CB", "SCB"):
            yield from _inner(getattr(parameter, name, None))
        yield from _quant_state(getattr(parameter, "quant_state", None))
    for buffer in net.buffers():
        yield from _inner(buffer)
    for module in net.modules():
        state = getattr(module, "state", None)  # bitsandbytes moves CB and SCB here at the first forward
        for name in ("CB", "SCB"):
            yield from _inner(getattr(state, name, None))


def _inner(tensor: Any) -> Iterator[torch.Tensor]:
    if not isinstance(tensor, torch.Tensor):
        return
    if hasattr(tensor, "__tensor_flatten__"):
        for name in tensor.__tensor_flatten__()[0]:
            yield from _inner(getattr(tensor, name))
    else:
        yield tensor.detach()


def _quant_state(state: Any) -> Iterator[torch.Tensor]:
    if state is None:
        return
    for name in ("absmax", "code", "offset"):
        yield from _inner(getattr(state, name, None))
    yield from _quant_state(getattr(state, "state2", None))


def movable(net: torch.nn.Module) -> bool:
    """Whether ``net.to(device)`` is allowed: not for a net spread over devices, nor 8-bit by an old
    bitsandbytes.
    """
    places = getattr(net, "hf_device_map", None) or {}
    if len(set(map(str, places.values()))) > 1:
        return False
    if getattr(net, "is_loaded_in_8bit", False):
        return compat.version_of("bitsandbytes") >= compat.MOVABLE_8BIT
    method = getattr(getattr(net, "quantization_method", None), "value", None)
    return method in (None, "bitsandbytes")


def save_quantised(net: torch.nn.Module, source: Path, folder: Path) -> None:
    """Save a freshly quantised ``net`` and the processor files of ``source`` so that ``load_net`` reads
    ``folder``.

    Call it before the first read: on some CPUs a 4-bit net repacks its weights at the first forward, and
    saving then loses precision. Raises OSError as the disk does.
    """
    from safetensors import SafetensorError

    folder.mkdir(parents=True, exist_ok=True)
    try:
        with torch.inference_mode(False), torch.no_grad():
            net.save_pretrained(str(folder))  # type: ignore[operator]
    except SafetensorError as error:  # its writer's word for a full disk, and no OSError
        raise OSError(str(error)) from error
    for file in sorted(source.iterdir()):
        ours = file.suffix in _PROCESSOR_SUFFIXES and not file.name.endswith(".index.json")
        if file.is_file() and ours and file.name not in _WEIGHT_CONFIGS:
            shutil.copyfile(file, folder / file.name)
