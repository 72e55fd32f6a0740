"""What exists: OCR models, languages and recognisers, one CSV row each. Adding one must not touch Python."""

from .readers import (
    BUILTIN,
    Family,
    Language,
    OCRModel,
    Recogniser,
    Task,
    default_language,
    families,
    family,
    family_of_model_type,
    language,
    languages,
    ocr_model,
    ocr_models,
    recogniser,
    recognisers,
)

__all__ = [
    "BUILTIN",
    "Family",
    "Language",
    "OCRModel",
    "Recogniser",
    "Task",
    "default_language",
    "families",
    "family",
    "family_of_model_type",
    "language",
    "languages",
    "ocr_model",
    "ocr_models",
    "recogniser",
    "recognisers",
]
