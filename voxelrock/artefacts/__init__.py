"""What a scan shows beside rock: the surroundings of a plug, and artefacts, which are removed."""

from voxelrock.artefacts.drift import correct_drift
from voxelrock.artefacts.hardening import correct_beam_hardening
from voxelrock.artefacts.levels import solid_profiles
from voxelrock.artefacts.nature import Nature, nature
from voxelrock.artefacts.outliers import remove_outliers
from voxelrock.artefacts.outline import Outline, outline
from voxelrock.artefacts.rings import remove_rings
from voxelrock.artefacts.shading import correct_shading
from voxelrock.artefacts.slices import bad_slices, interpolate_slices

__all__ = [
    "Nature",
    "Outline",
    "bad_slices",
    "correct_beam_hardening",
    "correct_drift",
    "correct_shading",
    "interpolate_slices",
    "nature",
    "outline",
    "remove_outliers",
    "remove_rings",
    "solid_profiles",
]
