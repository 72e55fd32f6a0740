"""What a model needs and what fits, computed from config.json and safetensors headers."""

from .fit import make_plan
from .footprint import (
    Footprint,
    Term,
    Workload,
    footprint,
    reading_bytes,
    reading_terms,
    weight_bytes,
)
from .plan import Choice, Plan, Verdict

__all__ = [
    "Choice",
    "Footprint",
    "Plan",
    "Term",
    "Verdict",
    "Workload",
    "footprint",
    "make_plan",
    "reading_bytes",
    "reading_terms",
    "weight_bytes",
]
