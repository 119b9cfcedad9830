"""What a scan shows beside rock: the surroundings of a plug, and artefacts, which are removed."""

from voxelrock.artefacts.nature import Nature, nature
from voxelrock.artefacts.outline import Outline, outline
from voxelrock.artefacts.rings import remove_rings

__all__ = ["Nature", "Outline", "nature", "outline", "remove_rings"]
