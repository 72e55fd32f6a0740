"""Does a folder hold the weights that its config.json describes, all of them and of the right shapes?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import torch

from ...errors import VramwiseError

if TYPE_CHECKING:
    from ...families.family import Family
    from .model_owner import LoadSpec

_COMPUTED = ("inv_freq", "position_ids")  # what a class computes, and older ones saved


def check_keys(net: torch.nn.Module, info: Mapping[str, Any], spec: LoadSpec, family: Family) -> None:
    """Raises VramwiseError where ``net`` did not find all its weights in the folder of ``spec``, each of its
    shape, and nothing else. ``info`` is what transformers said while it loaded it.
    """
    odd = [name for name in info.get("unexpected_keys") or () if not str(name).endswith(_COMPUTED)]
    info = {**info, "unexpected_keys": odd, "misshapen_keys": list(_misshapen(net))}
    for kind in (
        "missing_keys",
        "unexpected_keys",
        "mismatched_keys",
        "misshapen_keys",
        "error_msgs",
        "conversion_errors",
    ):
        found = info.get(kind)
        if not found:
            continue
        names = sorted(str(item[0] if isinstance(item, tuple) else item) for item in found)
        few = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        raise VramwiseError(
            f"{spec.path} does not hold the weights of {family.name} as its config.json describes them: "
            f"{kind.replace('_', ' ')} {few}. Such a model would answer garbage. {_again(info)}"
        )


def _again(info: Mapping[str, Any]) -> str:
    """What to do about weights of wrong names."""
    odd = map(str, info.get("unexpected_keys") or ())
    if any("lora_" in name or ".base_layer." in name for name in odd):
        return (
            "It was saved by peft with its adapter beside the weights: merge it with merge_and_unload() and "
            "save that, or keep the adapter in a folder of its own."
        )
    return "Download the folder again or, for a model of your own, save it again with save_pretrained()."


def _misshapen(net: torch.nn.Module) -> Iterator[str]:
    """Quantised layers whose weight is not (out_features, in_features): transformers 5.23 compares no shapes
    once a quantiser has taken the tensor.
    """
    for name, module in net.named_modules():
        wanted = getattr(module, "out_features", None), getattr(module, "in_features", None)
        weight = getattr(module, "weight", None)
        if None in wanted or weight is None or type(module) is torch.nn.Linear:
            continue
        state = getattr(weight, "quant_state", None)
        if tuple(weight.shape if state is None else state.shape) != wanted:
            yield f"{name}.weight"
