"""What people want of a model: the words for it that the catalog, the advisor and its readers share."""

from __future__ import annotations

from ..option_values import ADVICE_TASKS

OCR, IMAGE, IMAGE_EDIT, VIDEO = "OCR", "image", "image edit", "video"
UPSCALING, AUDIO, SHAPES = "upscaling", "audio", "3d"
WHICH_GPU, ALL = "which GPU", "all"
TASKS = ADVICE_TASKS
MODEL_TASKS = (OCR, IMAGE, IMAGE_EDIT, VIDEO, UPSCALING, AUDIO, SHAPES)
# The catalog's words of an image or video model.
TASK_OF_KIND = {
    "image": IMAGE,
    "edit": IMAGE_EDIT,
    "video": VIDEO,
    "upscale": UPSCALING,
    "audio": AUDIO,
    "3d": SHAPES,
}
