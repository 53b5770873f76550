"""The reference of a model: bins, sketches and natural jumps; made at training, read by who serves and watches it."""

from shared.reference.build import build_reference
from shared.reference.measure import Measure
from shared.reference.profiles import CategoricalProfile, NumericProfile
from shared.reference.reference import Reference
from shared.reference.sketch import Sketch, SketchResult

__all__ = [
    "CategoricalProfile",
    "Measure",
    "NumericProfile",
    "Reference",
    "Sketch",
    "SketchResult",
    "build_reference",
]
