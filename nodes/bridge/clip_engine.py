"""A text-writing CLIP of ComfyUI as the model of OCR Inference, so that nobody holds it in memory twice.

Newer versions of ComfyUI (0.26 with Qwen3-VL) load vision-language models as a CLIP: its node Generate Text
calls ``tokenize`` with an image, ``generate`` and ``decode``, and so does this. Older ones have no such CLIP.
Which family a CLIP is of, it says by the name under which it hands out tokens; each is asked its own way.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...core.errors import VramwiseError
from .schema import OCRModel, io

if TYPE_CHECKING:
    from ...core.families.family import Sampling
    from ...core.ocr.engines.protocol import ProgressCallback, ReadOptions
    from ...core.ocr.results.result import OCRResult
    from ...core.ocr.vlm.page_result import Answer

WRITES = ("tokenize", "generate", "decode")
# The beginning of the name of a CLIP in comfy/text_encoders, and the family whose prompts and coordinates it
# has. Any other that looks at pictures is asked as the last.
FAMILIES = {"qwen35": "qwen3_5", "gemma4": "gemma4", "gemma3": "gemma3", "qwen3vl": "qwen3_vl"}
MOST_TOKENS = 32_768  # of ComfyUI's own node
# Gemma 4 looks at a picture with one of these numbers of tokens, each of TOKEN_PIXELS; ComfyUI takes 280
# unless told otherwise, which is too few for a page.
GEMMA4_BUDGETS = (280, 560, 1120)
TOKEN_PIXELS = 9 * 16 * 16


def clips_can_write() -> bool:
    """Whether this ComfyUI has CLIPs that write text."""
    from comfy.sd import CLIP

    return all(hasattr(CLIP, name) for name in WRITES)


def model_input(tooltip: str) -> Any:
    """The ocr_model input: a CLIP may come too where there are such CLIPs."""
    if not clips_can_write():
        return OCRModel.Input("ocr_model", optional=True, tooltip=tooltip)
    return io.MultiType.Input("ocr_model", [OCRModel, io.Clip], optional=True, tooltip=tooltip)


def is_clip(model: Any) -> bool:
    return all(callable(getattr(model, name, None)) for name in WRITES)


class ClipReader:
    """Reads with a CLIP. ComfyUI loads, moves and cancels it by its own means."""

    def __init__(self, clip: Any) -> None:
        from ...core.families.family import family

        self.clip, self.family = clip, family(family_of(clip))
        self.held_by = clip  # lives as long as its loader's output, this reader for one reading

    def read(
        self, images: Sequence[Any], options: ReadOptions, progress: ProgressCallback
    ) -> Iterator[OCRResult]:
        """One result per uint8 RGB image (height, width, 3), in order."""
        from ...core.ocr.vlm.json_answers import checked_results

        return checked_results(self._each, images, options, progress)

    def _each(
        self, images: Sequence[Any], options: ReadOptions, progress: ProgressCallback
    ) -> Iterator[OCRResult]:
        from ...core.ocr.images import check_size, is_blank
        from ...core.ocr.vlm.page_result import Source, page_result
        from ...core.ocr.vlm.prompts import ignored, is_talk, is_together, task_prompt

        if (is_together(options) and len(images) > 1) or is_talk(options):
            raise VramwiseError(
                "A CLIP takes one picture and one question at a time. Link ocr_model to an OCR Model Loader "
                "for several pictures in one question and for a history, or leave them out."
            )
        task, prompt = task_prompt(self.family, options)
        source = Source("clip", "auto", self.family.coordinates)
        for image in images:
            check_size(image)
        for done, image in enumerate(images, 1):
            progress.check()
            answer = None if is_blank(image) else self._answer(image, prompt, options)
            size = image.shape[1], image.shape[0]
            yield page_result(answer, source, task, options, size, ignored(options))
            progress.page_done(done, len(images))

    def _answer(self, image: Any, prompt: str, options: ReadOptions) -> Answer:
        from ...core.ocr.images import fit_pixels
        from ...core.ocr.vlm.page_result import Answer
        from ...core.ocr.vlm.prompts import most_pixels, sampling_of

        shown = fit_pixels(image, most_pixels(self.family, options.max_pixels or self.family.default_pixels))
        limit = min(options.max_new_tokens or self.family.max_new_tokens, MOST_TOKENS)
        started = time.perf_counter()
        written = self._written(shown, prompt, limit, sampling_of(options))
        count = int(written.numel()) if hasattr(written, "numel") else len(written)
        return Answer(
            text=str(self.clip.decode(written)),
            tokens=count,
            finish_reason="length" if count >= limit else "stop",
            seen=(shown.shape[1], shown.shape[0]),
            seconds=time.perf_counter() - started,
        )

    def _written(self, image: Any, prompt: str, limit: int, sampling: Sampling | None) -> Any:
        """The token ids of the answer. Nothing is left to chance: the same picture gives the same text, words
        that are drawn too.
        """
        import torch

        picture = torch.from_numpy(image).to(torch.float32).div(255)[None]
        if self.family.id == "gemma3":
            picture = _squared(picture)
        try:
            tokens = self.clip.tokenize(
                prompt,
                image=picture,
                skip_template=False,
                min_length=1,
                thinking=False,
                **self._budget(image),
            )
            if _sees(tokens):
                if sampling is None:
                    return self.clip.generate(tokens, do_sample=False, max_length=limit, seed=0)
                drawn = {"temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": 0}
                return self.clip.generate(
                    tokens, do_sample=True, max_length=limit, seed=sampling.seed, **drawn
                )
        except (AttributeError, NotImplementedError, TypeError) as error:
            raise VramwiseError(
                f"This CLIP writes no text ({error}). Load a vision-language model such as Qwen3-VL, Qwen3.5 "
                "or Gemma 4 as the CLIP, or link ocr_model to an OCR Model Loader."
            ) from error
        raise VramwiseError(
            "This CLIP does not look at pictures. Load a vision-language model such as Qwen3-VL, Qwen3.5 or "
            "Gemma 4 as the CLIP, or link ocr_model to an OCR Model Loader."
        )

    def _budget(self, image: Any) -> dict[str, int]:
        """How many tokens a picture may become, for the family that lets itself be told."""
        if self.family.id != "gemma4":
            return {}
        pixels = image.shape[0] * image.shape[1]
        enough = (budget for budget in GEMMA4_BUDGETS if budget * TOKEN_PIXELS >= pixels)
        return {"max_soft_tokens": next(enough, GEMMA4_BUDGETS[-1])}


def family_of(clip: Any) -> str:
    """The id of the family by whose prompts ``clip`` is asked."""
    name = str(getattr(getattr(clip, "tokenizer", None), "clip_name", "")) or _first_key(clip)
    found = (family for begins, family in FAMILIES.items() if name.startswith(begins))
    return next(found, tuple(FAMILIES.values())[-1])


def _first_key(clip: Any) -> str:
    """The name under which a CLIP without a tokenizer of core's hands out its tokens."""
    import torch

    white = torch.ones(1, 64, 64, 3)
    try:
        tokens = clip.tokenize("", image=white, skip_template=False, min_length=1, thinking=False)
    except Exception:  # what it cannot do is said when it is asked to read
        return ""
    return str(next(iter(tokens), "")) if isinstance(tokens, Mapping) else ""


def _squared(picture: Any) -> Any:
    """``picture`` (1, H, W, 3) with white below or beside it: Gemma 3's CLIP sees the middle square alone."""
    import torch

    _, height, width, _ = picture.shape
    side = max(height, width)
    return torch.nn.functional.pad(picture, (0, 0, 0, side - width, 0, side - height), value=1.0)


def _sees(tokens: Any) -> bool:
    """Whether a picture is among the tokens: as numbers in place of a token."""
    if isinstance(tokens, Mapping):
        return any(map(_sees, tokens.values()))
    if isinstance(tokens, (list, tuple)):
        return any(map(_sees, tokens))
    return hasattr(tokens, "shape")
