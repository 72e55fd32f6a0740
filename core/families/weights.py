"""Every weight of a model by name and shape: from safetensors headers, else from config.json.

The formulas are checked against the real classes of transformers on the meta device, name by name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..errors import VramwiseError
from .blocks import Tensor, Weight, quantisation_details, tied
from .family import Config, family_of_config, formula, with_formulas
from .published import once_a_published

_EXPERT = re.compile(r"\.experts\.\d+\.|\.mlp\.gate\.weight$")


def weights_of_files(tensors: Mapping[str, Tensor], config: Config) -> tuple[Weight, ...]:
    """From safetensors headers. A matrix named ``*.weight`` is an nn.Linear's unless of an embedding, or of
    one of several experts and of what chooses among them: files have experts one by one, transformers'
    classes in one tensor of each layer, which no quantisation of nn.Linear reaches.

    A tied lm_head that the file repeats is counted once.
    """
    once = tied(config) and any(name.endswith("embed_tokens.weight") for name in tensors)
    quantised = bool(quantisation_details(config))
    rows = []
    for name, tensor in tensors.items():
        if once and name.split(".")[-2:] == ["lm_head", "weight"]:
            continue
        parts = name.split(".")
        linear = (
            len(tensor.shape) == 2
            and parts[-1] == "weight"
            and len(parts) > 1
            and "embed" not in parts[-2]
            and not _EXPERT.search(name)
        )
        # bare fp8 without a word in config.json is read as the precision that was asked for
        kept = tensor.dtype.upper() in ("BF16", "F16", "F32", "F64", "F8_E4M3", "F8_E5M2")
        stored = None if kept and not quantised else tensor.nbytes
        rows.append(Weight(name, tuple(tensor.shape), linear, stored_bytes=stored))
    return tuple(rows)


@once_a_published
def weights_of_config(config: Config) -> tuple[Weight, ...]:
    """From config.json alone, by the formula that its family names.

    Raises VramwiseError for another model_type or where a number is missing.
    """
    model_type = str(config.get("model_type"))
    family = family_of_config(config)
    if family is None or not family.weights:
        raise VramwiseError(
            f'The size of a "{model_type}" model is only known from its files, and they are not here. '
            f"Download them first, or choose one of: {', '.join(with_formulas())}."
        )
    try:
        return tuple(formula(family.weights)(config))
    except KeyError as error:
        raise VramwiseError(
            f"config.json of this {model_type} model does not give {error}, so its size cannot be computed. "
            "Its file is damaged or of a newer form: download the folder again or update VRAMwise."
        ) from None
