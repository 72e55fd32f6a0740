"""What exists: OCR models, languages and recognisers, one CSV row each. Adding one must not touch Python."""

from .readers import (
    BUILTIN,
    Language,
    OCRModel,
    Recogniser,
    default_language,
    language,
    languages,
    ocr_model,
    ocr_models,
    recogniser,
    recognisers,
)

__all__ = [
    "BUILTIN",
    "Language",
    "OCRModel",
    "Recogniser",
    "default_language",
    "language",
    "languages",
    "ocr_model",
    "ocr_models",
    "recogniser",
    "recognisers",
]
