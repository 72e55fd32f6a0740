"""A text-writing CLIP of ComfyUI as the model of OCR Inference, so that nobody holds it in memory twice.

Newer versions of ComfyUI (0.26 with Qwen3-VL) load vision-language models as a CLIP: its node Generate Text
calls ``tokenize`` with an image, ``generate`` and ``decode``, and so does this. Older ones have no such CLIP.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...core.errors import VramwiseError
from .schema import OCRModel, io

if TYPE_CHECKING:
    from ...core.ocr.engines.protocol import ProgressCallback, ReadOptions
    from ...core.ocr.results.result import OCRResult
    from ...core.ocr.vlm.page_result import Answer

WRITES = ("tokenize", "generate", "decode")
FAMILY = "qwen3_vl"  # the one that ComfyUI's own CLIP reads pictures with; its prompts and its coordinates
MOST_TOKENS = 32_768  # of ComfyUI's own node


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

        self.clip, self.family = clip, family(FAMILY)

    def read(
        self, images: Sequence[Any], options: ReadOptions, progress: ProgressCallback
    ) -> Iterator[OCRResult]:
        """One result per uint8 RGB image (height, width, 3), in order."""
        from ...core.ocr.images import check_size, is_blank
        from ...core.ocr.vlm.page_result import Source, page_result
        from ...core.ocr.vlm.prompts import ignored, task_prompt

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

        shown = fit_pixels(image, options.max_pixels or self.family.default_pixels)
        limit = min(options.max_new_tokens or self.family.max_new_tokens, MOST_TOKENS)
        started = time.perf_counter()
        written = self._written(shown, prompt, limit)
        count = int(written.numel()) if hasattr(written, "numel") else len(written)
        return Answer(
            text=str(self.clip.decode(written)),
            tokens=count,
            finish_reason="length" if count >= limit else "stop",
            seen=(shown.shape[1], shown.shape[0]),
            seconds=time.perf_counter() - started,
        )

    def _written(self, image: Any, prompt: str, limit: int) -> Any:
        """The token ids of the answer. Nothing is left to chance: the same picture gives the same text."""
        import torch

        picture = torch.from_numpy(image).to(torch.float32).div(255)[None]
        try:
            tokens = self.clip.tokenize(
                prompt, image=picture, skip_template=False, min_length=1, thinking=False
            )
            if _sees(tokens):
                return self.clip.generate(tokens, do_sample=False, max_length=limit, seed=0)
        except (AttributeError, NotImplementedError, TypeError) as error:
            raise VramwiseError(
                f"This CLIP writes no text ({error}). Load a vision-language model such as Qwen3-VL as the "
                "CLIP, or link ocr_model to an OCR Model Loader."
            ) from error
        raise VramwiseError(
            "This CLIP does not look at pictures. Load a vision-language model such as Qwen3-VL as the CLIP, "
            "or link ocr_model to an OCR Model Loader."
        )


def _sees(tokens: Any) -> bool:
    """Whether a picture is among the tokens: as numbers in place of a token."""
    if isinstance(tokens, Mapping):
        return any(map(_sees, tokens.values()))
    if isinstance(tokens, (list, tuple)):
        return any(map(_sees, tokens))
    return hasattr(tokens, "shape")
