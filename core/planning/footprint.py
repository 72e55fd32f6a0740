"""Bytes that a model needs at one precision for one workload, each term with where its number comes from."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ..catalog.precisions import Precision
from ..catalog.precisions import precision as named
from ..catalog.words import said, words
from ..families.blocks import Tensor, Weight
from ..families.family import Config, family_of_config
from ..families.pictures import Sides
from ..families.published import once_a_published, read_from
from ..families.weights import weights_of_config, weights_of_files
from ..units import GIB
from .activations import Term as Term
from .activations import Workload as Workload
from .activations import beside_weights
from .activations import reading_terms as reading_terms

# Beside the first model; not measured on a GPU by us (docs/sources.md#context-and-workspaces).
_CONTEXT_BYTES = int(0.6 * GIB)
# Names of vision towers where no family has the model_type.
_VISION_NAMES = ("visual", "vision_tower", "vision_model", "vision_encoder")


@dataclass(frozen=True)
class Footprint:
    """The sum of ``terms`` at one ``precision``."""

    precision: str
    terms: tuple[Term, ...]

    def _sum(self, *names: str) -> int:
        return sum(term.bytes for term in self.terms if term.name in names)

    @property
    def weights_bytes(self) -> int:
        return self._sum("weights")

    @property
    def kv_bytes(self) -> int:
        return self._sum("kv")

    @property
    def activation_bytes(self) -> int:
        return self._sum("activations")

    @property
    def overhead_bytes(self) -> int:
        return self._sum("context", "margin")

    @property
    def need_bytes(self) -> int:
        return sum(term.bytes for term in self.terms)

    def with_margin(self, more_bytes: int, why: str) -> Footprint:
        """The same with ``more_bytes`` beside, and ``why`` in the margin's source."""
        terms = (
            replace(
                term,
                bytes=term.bytes + more_bytes,
                source=said("plan_source_sum", source=term.source, rule=why),
            )
            if term.name == "margin"
            else term
            for term in self.terms
        )
        return Footprint(self.precision, tuple(terms))


def footprint(
    config: Config,
    tensors: Mapping[str, Tensor] | None,
    precision: str,
    *,
    workload: Workload,
    quantise_vision: bool = False,
    attention: str = "sdpa",
    device_kind: str = "cuda",
) -> Footprint:
    """The footprint of one model.

    ``tensors`` are the safetensors headers, None when the files are not here: then the shapes come from
    ``config``. Raises VramwiseError for an unknown precision, and where neither tells the size.
    """
    weights = weights_term(config, tensors, precision, quantise_vision)
    return with_weights(weights, config, precision, workload, attention, device_kind)


def weights_term(
    config: Config, tensors: Mapping[str, Tensor] | None, precision: str, quantise_vision: bool
) -> Term:
    """The weights alone: the part of a footprint that no workload changes."""
    if tensors is None:
        return _published_weights(config, precision, quantise_vision)
    weights = weights_of_files(used_tensors(tensors, config), config)
    return _held(weights, config, precision, quantise_vision, said("plan_source_headers"))


@once_a_published
def _published_weights(config: Config, precision: str, quantise_vision: bool) -> Term:
    return _held(weights_of_config(config), config, precision, quantise_vision, read_from(config))


def _held(
    weights: Iterable[Weight], config: Config, precision: str, quantise_vision: bool, source: str
) -> Term:
    held = weight_bytes(weights, precision, kept_16bit(config, quantise_vision))
    return Term("weights", held, said("plan_source_sum", source=source, rule=_rule(precision)))


def _rule(precision: str) -> str:
    """The bytes of a parameter in words."""
    key = f"plan_rule_{precision}"
    return said(key) if key in words("en") else named(precision).rule


def used_tensors(tensors: Mapping[str, Tensor], config: Config) -> dict[str, Tensor]:
    """What the family's class takes of a file."""
    family = family_of_config(config)
    left_out = family.unused_weights if family is not None else ()
    return {name: tensor for name, tensor in tensors.items() if not any(part in name for part in left_out)}


@dataclass(frozen=True)
class Correction:
    """What real runs on this device took beside the weights, as a share of the formula's."""

    ratio: float
    source: str


def with_weights(
    weights: Term,
    config: Config,
    precision: str,
    workload: Workload,
    attention: str,
    device_kind: str,
    measured: Correction | None = None,
) -> Footprint:
    """The footprint around a known ``weights`` term; ``measured`` corrects what reading takes."""
    reading = reading_terms(config, precision, attention, workload)
    terms = [weights, *(reading if measured is None else _corrected(reading, measured))]
    beside = sum(term.bytes for term in terms[1:])
    if device_kind == "cpu":
        terms.append(Term("context", 0, said("plan_context_cpu")))
    else:
        terms.append(Term("context", _CONTEXT_BYTES, said("plan_context_gpu")))
    terms.append(
        Term(
            "margin",
            _margin(weights.bytes, beside),
            said("plan_margin"),
        )
    )
    return Footprint(precision, tuple(terms))


def need_bytes(
    weights: Term,
    config: Config,
    precision: str,
    workload: Workload,
    attention: str,
    device_kind: str,
    measured: Correction | None = None,
) -> int:
    """``with_weights(...).need_bytes`` without the words."""
    kv, rest = beside_weights(config, precision, attention, workload)
    if measured is not None:
        rest = max(0, int((kv + rest) * measured.ratio) - kv)
    context = 0 if device_kind == "cpu" else _CONTEXT_BYTES
    return weights.bytes + kv + rest + context + _margin(weights.bytes, kv + rest)


def _margin(held: int, beside: int) -> int:
    return beside // 20 + held // 100


def _corrected(reading: Sequence[Term], measured: Correction) -> list[Term]:
    kv, rest = reading
    beside = int((kv.bytes + rest.bytes) * measured.ratio)
    return [
        kv,
        Term(
            rest.name,
            max(0, beside - kv.bytes),
            said("plan_source_corrected", measured=measured.source, source=rest.source),
        ),
    ]


def weight_bytes(
    weights: Iterable[Weight],
    precision: str,
    keep_16bit: Iterable[str] = ("lm_head",),
    *,
    double_quant: bool = True,
) -> int:
    """Bytes of ``weights`` as transformers and bitsandbytes hold them.

    A Linear stays 16-bit when a part of its dotted name is the last part of one of ``keep_16bit`` (files of
    older checkpoints say ``visual`` where the class says ``model.visual``).
    """
    row = named(precision)
    kept = {name.rpartition(".")[2] for name in keep_16bit}
    total = 0
    for weight in weights:
        if weight.stored_bytes is not None:
            total += weight.stored_bytes * weight.copies
        elif weight.linear and row.quantised and kept.isdisjoint(weight.name.split(".")):
            total += _quantised_bytes(weight, row, double_quant) * weight.copies
        else:
            total += weight.count * row.bytes_elsewhere
    return total


def _quantised_bytes(weight: Weight, row: Precision, double_quant: bool) -> int:
    rows, columns = weight.shape[0], math.prod(weight.shape[1:])
    if row.block and not double_quant:  # an fp32 scale a block and one table
        return (
            math.ceil(rows * columns * (row.linear_bits or 0) / 8)
            + 4 * math.ceil(rows * columns / row.block)
            + 64
        )
    return row.linear_bytes(rows, columns)


def kept_16bit(config: Config, quantise_vision: bool) -> tuple[str, ...]:
    """Names of modules that quantisation leaves alone, as the class and as published files have them."""
    family = family_of_config(config)
    if family is None:
        return ("lm_head",) if quantise_vision else ("lm_head", *_VISION_NAMES)
    if quantise_vision:
        return family.keep_16bit
    return (*family.keep_16bit, *family.vision_modules, *family.names_in_files)


def reading_bytes(
    config: Config, precision: str, attention: str = "sdpa", *, prompt_tokens: int = 128, static: bool = False
) -> Callable[..., int]:
    """``(pixels, images, new_tokens, sides) -> bytes`` beside the weights while reading: activations and KV
    cache.

    What an engine hands to Owner.use before each micro-batch. ``static`` and ``sides`` as in Workload.
    """

    def beside(pixels: int, images: int, new_tokens: int, sides: Sides | None = None) -> int:
        workload = Workload(pixels, images, prompt_tokens, new_tokens, static=static, sides=sides)
        return sum(beside_weights(config, precision, attention, workload))

    return beside
