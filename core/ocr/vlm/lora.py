"""An adapter on top of a loaded base, by peft: merged into 16-bit weights, active beside quantised ones."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from ...errors import VramwiseError
from ...shell import pip_line
from ...weights.lora_folders import ADAPTER_CONFIG
from . import compat

# Ways to start the layers that read no file and leave the base as it is; the adapter's own weights follow.
_STARTS = (True, False, None, "gaussian", "orthogonal")
_told: ContextVar[bool] = ContextVar("vramwise_no_adapter", default=False)
_SECONDS = 1.0  # for one expression over the names of all layers, which takes milliseconds
# Names of layers as older transformers wrote them.
_OLDER = (
    (r"^base_model\.model\.visual\.", "base_model.model.model.visual."),
    (
        r"^base_model\.model\.model\.(layers|embed_tokens|norm)\.",
        r"base_model.model.model.language_model.\1.",
    ),
    (r"^base_model\.model\.language_model\.model\.", "base_model.model.model.language_model."),
    (r"^base_model\.model\.vision_tower\.", "base_model.model.model.vision_tower."),
)


@contextmanager
def left_alone(folder: Path) -> Iterator[dict[str, Any]]:
    """Within it, and with the arguments it gives, transformers puts no adapter on top that lies beside whole
    weights, where peft is installed: it may be a left-over, and no plan has counted it.
    """
    if not (folder / ADAPTER_CONFIG).exists() or find_spec("peft") is None:
        yield {}
    elif compat.version_of("transformers") >= (5, 0):
        yield {"adapter_kwargs": {"subfolder": "no-adapter"}}
    else:  # it looks into the folder itself, and then asks the Hub for the adapter's base
        _look_for_none_while_told()
        told = _told.set(True)
        try:
            yield {}
        finally:
            _told.reset(told)


@functools.cache
def _look_for_none_while_told() -> None:
    """Have transformers 4 find no adapter in the thread that is told so."""
    from transformers import modeling_utils
    from transformers.models.auto import auto_factory

    for module in (modeling_utils, auto_factory):
        found = module.find_adapter_config_file

        def look(*given: Any, found: Callable[..., Any] = found, **more: Any) -> Any:
            return None if _told.get() else found(*given, **more)

        module.find_adapter_config_file = look


def put_on(net: torch.nn.Module, folder: Path, dtype: torch.dtype) -> torch.nn.Module:
    """``net`` with the adapter in ``folder``, computed in ``dtype``.

    Raises VramwiseError where the adapter is of another model: of other layers, or of other shapes.
    """
    try:
        import peft
    except ImportError as error:
        raise VramwiseError(
            f"{folder} is an adapter, and the package peft is needed to load it: {pip_line('peft')} "
            f"({compat.first_line(error)})"
        ) from error
    try:
        config = peft.PeftConfig.from_pretrained(str(folder))
        _make_safe(config, [name for name, _ in net.named_modules()], folder)
        with torch.inference_mode(False), torch.no_grad():
            dense = getattr(net, "hf_quantizer", None) is None  # then merged, which is better done in fp32
            wrapped = peft.PeftModel(net, config, autocast_adapter_dtype=dense)
            tensors = _tensors(folder, wrapped)
            found = peft.set_peft_model_state_dict(wrapped, tensors)
            _check(found, tensors, folder)
            changed = wrapped.merge_and_unload() if dense else _active(wrapped, dtype)
    except VramwiseError:
        raise
    except Exception as error:  # peft raises of every kind for what it did not write itself
        if compat.is_out_of_memory(error):
            raise
        raise VramwiseError(
            f"The adapter in {folder} cannot be put on its base: {compat.first_line(error)} It may be of "
            "another size of the model, or of a newer peft."
        ) from error
    return changed  # type: ignore[no-any-return]


def _make_safe(config: Any, names: list[str], folder: Path) -> None:
    """Refuse what would read another file or run for ever; the names of layers become plain ones."""
    config.inference_mode = True
    if getattr(config, "init_lora_weights", True) not in _STARTS:
        raise VramwiseError(
            f"The adapter in {folder} starts its layers by {str(config.init_lora_weights)[:40]!r}, which "
            "changes the base. Save it as a plain LoRA with peft, or merge it."
        )
    if isinstance(getattr(config, "target_modules", None), str) and config.target_modules != "all-linear":
        config.target_modules = _matching(config.target_modules, names, folder)
    for field in ("rank_pattern", "alpha_pattern"):
        told = getattr(config, field, None) or {}
        by_name = {
            re.escape(name): value
            for pattern, value in reversed(list(told.items()))  # the first that matches counts
            for name in _matching(f"(?:.*\\.)?(?:{pattern})", names, folder)
        }
        if told:
            setattr(config, field, by_name)
    if isinstance(getattr(config, "exclude_modules", None), str):
        config.exclude_modules = _matching(config.exclude_modules, names, folder)


def _matching(pattern: str, names: Iterable[str], folder: Path) -> list[str]:
    """The names that ``pattern`` of a foreign file matches whole, within bounded time."""
    import regex

    try:
        return [name for name in names if regex.fullmatch(pattern, name, timeout=_SECONDS)]
    except (TimeoutError, regex.error) as error:
        raise VramwiseError(
            f"{folder / ADAPTER_CONFIG} names layers by the expression {pattern[:80]!r}, which cannot be "
            f"used ({type(error).__name__}). Name the layers in a list."
        ) from error


def _tensors(folder: Path, wrapped: Any) -> dict[str, torch.Tensor]:
    """The adapter's weights, under the names that this transformers has for the layers."""
    import peft

    tensors: dict[str, torch.Tensor] = peft.utils.load_peft_weights(str(folder), device="cpu")
    here = [name for name, _ in wrapped.named_modules()]
    if all(_is_layer(name, here) for name in list(tensors)[:20]):
        return tensors
    renamed = {}
    for name, tensor in tensors.items():
        for older, now in _OLDER:
            changed, count = re.subn(older, now, name)
            if count and _is_layer(changed, here):
                name = changed
                break
        renamed[name] = tensor
    return renamed


def _is_layer(name: str, here: list[str]) -> bool:
    layer = re.split(r"\.(?:lora_|hada_|lokr_|modules_to_save|weight$|bias$)", name)[0]
    return layer in here or f"base_model.model.{layer}" in here


def _check(found: Any, tensors: dict[str, torch.Tensor], folder: Path) -> None:
    """Every tensor of the adapter has its place: one that is dropped would change nothing, without a word."""
    lost = sorted(getattr(found, "unexpected_keys", ()))
    if lost or not tensors:
        few = ", ".join(lost[:3]) + (f" and {len(lost) - 3} more" if len(lost) > 3 else "")
        raise VramwiseError(
            f"The adapter in {folder} changes layers that its base does not have: {few or 'none at all'}. It "
            "is of another model, or was saved by another version of transformers."
        )


def _active(wrapped: Any, dtype: torch.dtype) -> Any:
    """The base with its layers changed in place, and the adapter's own weights in ``dtype``."""
    for name, parameter in wrapped.named_parameters():
        if ".lora_" in name or ".hada_" in name or ".lokr_" in name:
            parameter.data = parameter.data.to(dtype)
    return wrapped.get_base_model()
