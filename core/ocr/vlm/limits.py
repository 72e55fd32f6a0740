"""What a plan allows an engine: pixels, pictures at once, and the memory that is counted for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from ...errors import VramwiseError
from ...families.pictures import Sides

OF_THE_PLANS_MARGIN = 1.05  # which a plan leaves beside what it computes
LEAST_PIXELS = 65_536  # that a picture is counted with: processors enlarge what is smaller
LEAST_IN_TILES = 16_384  # to which a strip is made smaller so that fewer tiles are cut of it


@dataclass(frozen=True)
class MicroBatch:
    """One micro-batch that was read and what it took, for the record of measured runs.

    ``pixels`` of the largest picture as the model saw it; ``prompt_tokens`` of one row, its picture's
    included; ``activation_peak_bytes`` without what was resident, None where the device does not count.
    """

    pixels: int
    images: int
    prompt_tokens: int
    new_tokens: int
    activation_peak_bytes: int | None
    seconds: float


class BesideBytes(Protocol):
    def __call__(self, pixels: int, images: int, new_tokens: int, sides: Sides | None = None, /) -> int: ...


def nothing_beside(pixels: int, images: int, new_tokens: int, sides: Sides | None = None) -> int:
    """What reading takes beside the weights where nobody counts."""
    return 0


@dataclass(frozen=True)
class Limits:
    """What the plan allows.

    ``activation_bytes(pixels, images, new_tokens, sides)`` is the memory beside the weights for one
    micro-batch of ``images`` pictures of at most ``pixels``, all of the shape of ``sides`` (None: a page);
    ``remedies(pixels)`` gives this machine's sentences for the message that memory ran out at so many;
    ``record`` is told of every micro-batch that was read; ``fast_decode``: with a static cache and CUDA
    graphs where that is to be had.
    """

    max_pixels: int
    micro_batch: int = 1
    max_new_tokens: int | None = None
    activation_bytes: BesideBytes = nothing_beside
    remedies: Callable[[int], str] = lambda pixels: ""
    record: Callable[[MicroBatch], None] = lambda batch: None
    fast_decode: bool = False

    def needed(self, shown: Sequence[Sides], new_tokens: int) -> int:
        """Bytes beside the weights for pictures of these sides at once: each counts as the widest of them."""

        def beside(sides: Sides, images: int) -> int:
            pixels = max(LEAST_PIXELS, sides[0] * sides[1])
            return self.activation_bytes(pixels, images, new_tokens, sides)

        return beside(max(set(shown), key=lambda sides: beside(sides, 1)), len(shown))

    def needed_together(self, pixels: int, images: int, new_tokens: int) -> int:
        """The same for one prompt with ``images`` pictures of ``pixels``: as many patches and tokens as
        apart, and scores, where attention keeps any, as of one large picture.
        """
        apart = self.activation_bytes(pixels, images, new_tokens)
        return max(apart, self.activation_bytes(pixels * images, 1, new_tokens))


def within_positions(
    name: str, most: int | None, prompt_tokens: int, new_tokens: int
) -> tuple[int, tuple[str, ...]]:
    """How many of ``new_tokens`` fit behind the prompt into ``most`` positions, and the note for an answer
    that they cut. Raises VramwiseError where the prompt alone takes all of them.
    """
    if most is None or prompt_tokens + new_tokens <= most:
        return new_tokens, ()
    if prompt_tokens >= most:
        raise VramwiseError(
            f"The picture and its prompt take {prompt_tokens} tokens, and {name} has positions for {most} "
            f"with the answer. Read it at fewer megapixels, or crop it."
        )
    left = most - prompt_tokens
    return left, (
        f"{name} has positions for {most} tokens, of which the picture and its prompt took {prompt_tokens}: "
        f"the answer was cut after {left}. Read the page at fewer megapixels, or in parts.",
    )
