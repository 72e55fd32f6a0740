"""What a model needs and what fits, computed from config.json and safetensors headers."""

from .footprint import (
    Footprint,
    Term,
    Workload,
    footprint,
    reading_bytes,
    reading_terms,
    weight_bytes,
)
from .shapes import Weight, published_config, weights_of_config, weights_of_files
from .verdicts import Budget, Choice, Plan, Verdict, make_plan

__all__ = [
    "Budget",
    "Choice",
    "Footprint",
    "Plan",
    "Term",
    "Verdict",
    "Weight",
    "Workload",
    "footprint",
    "make_plan",
    "published_config",
    "reading_bytes",
    "reading_terms",
    "weight_bytes",
    "weights_of_config",
    "weights_of_files",
]
