"""A net that finds the blocks of a page and their order: PP-DocLayout, by transformers' own class."""

from __future__ import annotations

import functools
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import VramwiseError, in_words
from ...shell import pip_line
from ..vlm import compat
from ..vlm.load_failures import remedy
from ..vlm.model_owner import LoadSpec, Owner
from .blocks import Block, kept

if TYPE_CHECKING:
    import torch
    from numpy import uint8
    from numpy.typing import NDArray

    from ..engines.protocol import ProgressCallback

# PaddleX's and GLM-OCR's pipelines both take what is surer than this.
THRESHOLD = 0.3
NEEDS = "5.1.0"  # of transformers: the first with PPDocLayoutV3 (its documentation: 2026-01-29)


def load_layout_net(spec: LoadSpec) -> torch.nn.Module:
    """The net in ``spec.path``, fp32 and in eval mode on ``spec.device``. Reads that folder and nothing else.

    Raises VramwiseError where it cannot be loaded; out of memory passes through.
    """
    import torch
    from transformers import AutoModelForObjectDetection
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    if spec.model_type not in CONFIG_MAPPING:
        raise VramwiseError(
            f"{spec.name} needs transformers {NEEDS} or newer; this Python has "
            f"{metadata.version('transformers')}. Update with: {pip_line(f'transformers>={NEEDS}')}"
        )
    compat.guard_kernels()
    try:
        with torch.inference_mode(False), torch.no_grad():
            net, info = AutoModelForObjectDetection.from_pretrained(
                str(spec.path),
                dtype=torch.float32,
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
                output_loading_info=True,
            )
            net = net.to(spec.device).eval()
    except Exception as error:  # a folder may hold anything, and transformers raises of every kind
        if compat.is_out_of_memory(error):
            raise
        raise VramwiseError(
            f"{spec.name} in {spec.path} cannot be loaded: {compat.first_line(error)} {remedy(error)}"
        ) from error
    missing = sorted(info.get("missing_keys") or ())
    if missing:
        raise VramwiseError(
            f"{spec.path} lacks {len(missing)} weights of its net ({missing[0]} among them). "
            "Download this one again."
        )
    return net  # type: ignore[no-any-return]


class LayoutNet:
    """Finds blocks. The net comes from ``owner`` at every page and is kept nowhere; ``activation_bytes`` it
    takes beside its weights.
    """

    def __init__(self, name: str, path: Path, owner: Owner, activation_bytes: int) -> None:
        self.name, self.path, self.owner = name, path, owner
        self.activation_bytes = activation_bytes

    def blocks(self, image: NDArray[uint8], progress: ProgressCallback) -> list[Block]:
        """The blocks of a page (uint8 RGB) in reading order. Raises VramwiseError."""
        import torch

        progress.check()
        height, width = image.shape[:2]
        processor = self._processor
        failed = ""
        try:
            pixels = processor(images=image, return_tensors="pt")["pixel_values"]
            net: Any = self.owner.use(self.activation_bytes)
            progress.check()
            with torch.inference_mode():
                said = net(pixel_values=pixels.to(self.owner.spec.device))
                found = processor.post_process_object_detection(
                    said, threshold=THRESHOLD, target_sizes=[(height, width)]
                )[0]
            names = net.config.id2label
        except VramwiseError:
            raise
        except Exception as error:
            if not compat.is_out_of_memory(error):
                raise VramwiseError(
                    f"{self.name} cannot look for blocks on this page: {in_words(error)}. {compat.BESIDE}"
                ) from error
            failed = compat.first_line(error)
        if failed:
            raise VramwiseError(
                f"{self.name} ran out of memory while it looked for blocks. {failed} "
                "Set hybrid to lines, or free memory first."
            )
        progress.check()
        return kept(_blocks(found, names), width, height)

    @functools.cached_property
    def _processor(self) -> Any:
        from transformers import AutoImageProcessor

        compat.guard_kernels()
        try:
            return AutoImageProcessor.from_pretrained(
                str(self.path), local_files_only=True, trust_remote_code=False
            )
        except ImportError as error:
            raise VramwiseError(
                f"{self.name} needs a package that is missing: {error} "
                f"Install it with: {pip_line('torchvision')}"
            ) from error
        except Exception as error:
            raise VramwiseError(
                f"The processor in {self.path} cannot be opened: {in_words(error)}. {compat.BESIDE}"
            ) from error


def _blocks(found: Any, names: Any) -> list[Block]:
    """What the processor's post-processing says of one page."""
    labels, scores, boxes = (found[key].tolist() for key in ("labels", "scores", "boxes"))
    outlines = found.get("polygon_points") or [None] * len(labels)
    return [
        Block(
            str(names.get(label, label)).lower(),
            (box[0], box[1], box[2], box[3]),
            score,
            () if outline is None else tuple((float(x), float(y)) for x, y in outline),
        )
        for label, score, box, outline in zip(labels, scores, boxes, outlines, strict=True)
    ]
