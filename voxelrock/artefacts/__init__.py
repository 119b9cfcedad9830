"""What a scan shows beside rock: the surroundings of a plug."""

from voxelrock.artefacts.nature import Nature, nature
from voxelrock.artefacts.outline import Outline, outline

__all__ = ["Nature", "Outline", "nature", "outline"]
