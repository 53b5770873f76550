"""The reference of a model: bins, sketches and natural jumps; made at training, read by who serves and watches it."""

from shared.reference.build import build_reference
from shared.reference.clumps import Clump, Clumps
from shared.reference.measure import Measure
from shared.reference.profiles import CategoricalProfile, NumericProfile
from shared.reference.reference import Reference
from shared.reference.sketch import Sketch, SketchResult
from shared.reference.volume import Volume

__all__ = [
    "CategoricalProfile",
    "Clump",
    "Clumps",
    "Measure",
    "NumericProfile",
    "Reference",
    "Sketch",
    "SketchResult",
    "Volume",
    "build_reference",
]
