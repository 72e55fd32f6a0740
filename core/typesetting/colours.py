"""The colours of what stands in a region: its paper, its ink, and how far the ink reaches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import VramwiseError

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

Colour = tuple[float, float, float]
"""Red, green, blue, 0..1."""
AUTO = "auto"
BLACK, WHITE = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
LEAST_CONTRAST = 0.15  # distance of paper and ink in RGB of 0..1; less is texture, not writing
MOST_INK = 0.6  # writing covers less of its region than that
ROUNDS = 12


@dataclass(frozen=True)
class Sample:
    """``ink`` is None where nothing is written; ``reach`` is the share of width and height that it spans."""

    paper: Colour
    ink: Colour | None
    reach: tuple[float, float] = (1.0, 1.0)


def parse_colour(name: str, value: str) -> Colour:
    """``value`` such as "#1a2b3c", "#fff" or "red"; VramwiseError naming the input ``name`` otherwise."""
    from PIL import ImageColor

    try:
        red, green, blue = ImageColor.getrgb(value.strip())[:3]
    except ValueError as error:
        raise VramwiseError(
            f'{name} "{value}" is no colour. Write "{AUTO}", a colour such as #ff8800, or a name such as red.'
        ) from error
    return red / 255, green / 255, blue / 255


def contrasting(colour: Colour) -> Colour:
    """Black or white, whichever is farther in lightness (Rec. 709 weights)."""
    lightness = 0.2126 * colour[0] + 0.7152 * colour[1] + 0.0722 * colour[2]
    return BLACK if lightness > 0.5 else WHITE


def sample(patch: NDArray[float32]) -> Sample:
    """Paper and ink of an upright patch (height, width, 3) by two means; the paper is what its rim shows.

    The ink's colour is that of the half of its pixels farthest from the paper: the others are edges, where
    both mix.
    """
    import numpy as np

    pixels = np.nan_to_num(patch.reshape(-1, 3).astype(np.float64))
    first, second, chosen = _two_means(pixels)
    labels = chosen.reshape(patch.shape[:2])
    rim = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    if rim.mean() > 0.5:  # the second cluster is the paper
        first, second, labels = second, first, ~labels
    apart = float(np.linalg.norm(first - second))
    if apart < LEAST_CONTRAST or not 0 < labels.mean() <= MOST_INK:
        return Sample(_colour(np.median(pixels, axis=0)), None)
    paper = np.median(pixels[~labels.ravel()], axis=0)
    inked = pixels[labels.ravel()]
    far = np.linalg.norm(inked - paper, axis=1)
    ink = np.median(inked[far >= np.median(far)], axis=0)
    rows, columns = np.nonzero(labels.any(axis=1))[0], np.nonzero(labels.any(axis=0))[0]
    reach = (np.ptp(columns) + 1) / labels.shape[1], (np.ptp(rows) + 1) / labels.shape[0]
    return Sample(_colour(paper), _colour(ink), (float(reach[0]), float(reach[1])))


def _two_means(pixels: Any) -> tuple[Any, Any, Any]:
    """Two centres and, for each pixel, whether it belongs to the second. Begins at the ends of the main axis,
    so that the same picture always gives the same answer."""
    import numpy as np

    middle = pixels.mean(axis=0)
    axis = np.linalg.eigh(np.cov((pixels - middle).T) if len(pixels) > 1 else np.eye(3))[1][:, -1]
    along = (pixels - middle) @ axis
    first, second = pixels[along.argmin()], pixels[along.argmax()]
    chosen = np.zeros(len(pixels), bool)
    for _ in range(ROUNDS):
        nearer = ((pixels - second) ** 2).sum(1) < ((pixels - first) ** 2).sum(1)
        if not nearer.any() or nearer.all() or (nearer == chosen).all():
            break
        chosen = nearer
        first, second = pixels[~chosen].mean(axis=0), pixels[chosen].mean(axis=0)
    return first, second, chosen


def _colour(values: Any) -> Colour:
    red, green, blue = (float(min(1.0, max(0.0, value))) for value in values)
    return red, green, blue
