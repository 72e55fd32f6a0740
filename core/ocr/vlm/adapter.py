"""What a family must provide: pictures and a prompt become tensors, tensors become tokens, tokens become
text.
"""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ...errors import VramwiseError, in_words
from ...families.family import Family, Sampling, Task
from . import compat
from .answers import MADE_OF_TOKENS
from .answers.reasoning import is_mark

if TYPE_CHECKING:
    from PIL.Image import Image

    from .chat_history import Turn

MAX_ASPECT = 200  # smart_resize of the Qwen family refuses longer strips


@dataclass(frozen=True)
class Prepared:
    """Model inputs for a micro-batch of B pictures, or of one question about all of them, on the CPU.

    ``tensors`` go to ``generate`` as keyword arguments; "input_ids" is (B or 1, prompt tokens), padded on the
    left. ``seen`` is the (width, height) in pixels that the model looks at, for coordinates in resized
    pixels. ``opened``: the prompt ends inside thinking, so that answers begin there. ``notes`` are sentences
    for the person about how the model was asked.
    """

    tensors: Mapping[str, torch.Tensor]
    seen: tuple[tuple[int, int], ...]
    opened: bool = False
    notes: tuple[str, ...] = ()


def tensors_of(inputs: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """What of a processor's ``inputs`` goes to ``generate``. Some processors hand out token_type_ids, which
    no decoder here takes; Idefics3's has eight bytes for each pixel that says whether it counts, where one
    does.
    """
    return {
        name: value.bool() if name == "pixel_attention_mask" else value
        for name, value in inputs.items()
        if isinstance(value, torch.Tensor) and name != "token_type_ids"
    }


class Adapter:
    """The common case: a processor of transformers and ``generate``. A family's file overrides what differs.

    Holds the processor and never the net, so that an evicted model is really gone.
    """

    def __init__(self, family: Family, path: Path) -> None:
        self.family, self.path = family, path
        self.processor = self.open_processor(path)
        self.tokenizer: Any = self.processor.tokenizer
        self.tokenizer.padding_side = "left"
        if self.tokenizer.pad_token is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token

    @property
    def sampling(self) -> Sampling | None:
        """How tokens are drawn: the family's hook into decoding. None takes the likeliest."""
        return self.family.sampling

    @staticmethod
    def model_class() -> Any:
        """The class whose ``from_pretrained`` loads the family."""
        from transformers import AutoModelForImageTextToText

        return AutoModelForImageTextToText

    @staticmethod
    def open_processor(path: Path) -> Any:
        """The checkpoint's own processor, from the local folder and nowhere else."""
        return compat.open_processor(path)

    def prepare(self, pictures: Sequence[Image], prompt: str, task: Task) -> Prepared:
        """Inputs for ``pictures`` (RGB, already within the pixel limit), each with the same ``prompt``."""
        raise NotImplementedError

    def converse(
        self, pictures: Sequence[Image], prompt: str, task: Task, turns: Sequence[Turn], together: bool
    ) -> Prepared:
        """As ``prepare``, with the ``turns`` of a conversation before the prompt; ``together``: all pictures
        are one question, so that there is one row.
        """
        raise VramwiseError(
            f"{self.family.name} takes one picture and one question at a time. Switch together off and leave "
            "the history out, or choose a model such as Qwen3-VL."
        )

    def inputs(
        self,
        pictures: Sequence[Image],
        prompt: str,
        task: Task,
        turns: Sequence[Turn] = (),
        together: bool = False,
    ) -> Prepared:
        """``prepare`` or ``converse``, with a sentence where the folder's files make it fail: a processor
        opens with values that it cannot work with. Out of memory passes through.
        """
        try:
            if turns or (together and len(pictures) > 1):
                return self.converse(pictures, prompt, task, turns, together)
            return self.prepare(pictures, prompt, task)
        except VramwiseError:
            raise
        except Exception as error:
            if compat.is_out_of_memory(error):
                raise
            raise VramwiseError(
                f"The processor in {self.path} cannot prepare a picture: {in_words(error)}. {compat.BESIDE}"
            ) from error

    def generate(
        self, net: Any, prepared: Prepared, decoding: Mapping[str, Any], check: Callable[[], None]
    ) -> None:
        """Run ``net.generate``. ``decoding`` are its keyword arguments; their stopping criteria collect the
        tokens.

        ``net`` is used here and kept nowhere. ``check`` raises when the person pressed Cancel: call it
        between long steps before the first token.
        """
        check()
        self.run(net, self.placed(net, prepared.tensors), decoding)

    def decode(self, ids: Sequence[int], task: Task | None = None) -> str:
        """Text of generated tokens. Special tokens are left out, except where the task's form is made of
        them, and those that mark thinking: without them nobody could tell it from the answer.
        """
        made_of_tags = task is not None and task.parse in MADE_OF_TOKENS
        marks = {} if made_of_tags else self._marks
        pieces, start = [], 0
        for at, token in enumerate(ids):
            if token in marks:
                pieces += [self._plain(ids[start:at]), marks[token]]
                start = at + 1
        return "".join((*pieces, self._plain(ids[start:], not made_of_tags)))

    def _plain(self, ids: Sequence[int], without_special: bool = True) -> str:
        text: str = self.tokenizer.decode(
            ids, skip_special_tokens=without_special, clean_up_tokenization_spaces=False
        )
        return text

    @functools.cached_property
    def _marks(self) -> Mapping[int, str]:
        """Special tokens that mark thinking."""
        added = getattr(self.tokenizer, "added_tokens_decoder", {})
        return {
            number: str(token) for number, token in added.items() if token.special and is_mark(str(token))
        }

    def stop_ids(self) -> tuple[int, ...]:
        """Tokens that end an answer besides those of the checkpoint's generation config, which a fine-tune
        may have from a base model that knows no turns: the tokenizer's own and those of the family.
        """
        own = self.tokenizer.eos_token_id
        return (*(() if own is None else (int(own),)), *self.ids_of(*self.family.end_tokens))

    def ids_of(self, *tokens: str) -> tuple[int, ...]:
        """The numbers of those of ``tokens`` that the vocabulary has as one token."""
        numbers = ((token, self.tokenizer.convert_tokens_to_ids(token)) for token in tokens if token)
        # What the vocabulary lacks comes as its unknown token, which of Qwen3.5 is one that ends answers.
        return tuple(
            int(number)
            for token, number in numbers
            if number is not None and self.tokenizer.convert_ids_to_tokens(number) == token
        )

    @staticmethod
    def placed(net: Any, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """``tensors`` on the net's device; floating ones in its dtype."""
        return {
            name: tensor.to(net.device, net.dtype if tensor.is_floating_point() else None)
            for name, tensor in tensors.items()
        }

    @staticmethod
    def run(net: Any, tensors: Mapping[str, torch.Tensor], decoding: Mapping[str, Any]) -> None:
        """``net.generate`` in inference mode.

        When it raises (cancel, out of memory), the frames of ``generate`` are cleared at once: they hold the
        key and value cache, and whoever looks at the exception would keep that alive.
        """
        try:
            with torch.inference_mode(), compat.last_logits_only(net):
                net.generate(**tensors, **decoding)
        except BaseException as error:
            traceback.clear_frames(error.__traceback__)
            raise


def token_ids(value: Any) -> tuple[int, ...]:
    """The numbers of tokens in an entry of a config, which may hold one, several or anything."""
    given = value if isinstance(value, (list, tuple)) else [value]
    return tuple(number for number in given if type(number) is int and number >= 0)


def check_aspect(width: int, height: int) -> None:
    """Refuse a strip that no processor of this kind takes."""
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise VramwiseError(
            f"The picture is {width} x {height} pixels: longer than {MAX_ASPECT} times its width. "
            "Cut it into pieces first."
        )
