"""Connected components: what belongs together, what spans the sample, what is cut off. Equal at any chunking to one pass over the whole."""

from voxelrock.labels.components import count, label
from voxelrock.labels.connectivity import connectivity, effective_porosity, isolated_porosity, percolating_porosity
from voxelrock.labels.selection import clear_border, floating_solid, keep, largest, percolating, remove_small
from voxelrock.labels.table import table

__all__ = [
    "clear_border",
    "connectivity",
    "count",
    "effective_porosity",
    "floating_solid",
    "isolated_porosity",
    "keep",
    "label",
    "largest",
    "percolating",
    "percolating_porosity",
    "remove_small",
    "table",
]
