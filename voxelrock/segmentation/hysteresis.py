"""Two thresholds: what is surely the phase, and what is joined to it."""

from __future__ import annotations

from typing import Any

import numpy as np

from voxelrock.errors import ParameterError
from voxelrock.graph.patterns import Pointwise, boolean
from voxelrock.image import VoxelImage
from voxelrock.image.operations import operation
from voxelrock.image.selection import an_image, counted, known_where
from voxelrock.image.validity import CHOSEN, both
from voxelrock.kernels.components import check_connectivity
from voxelrock.kernels.numbering import Choice
from voxelrock.kernels.selection import within
from voxelrock.labels.components import COMPONENTS
from voxelrock.labels.restriction import Where, rules_of
from voxelrock.parameters import real

_WITHIN = Pointwise(within, boolean)
_SURE = 1
"""The bit of a voxel that is beyond the strict threshold."""


@operation
def hysteresis(image: VoxelImage, /, *, low: float, high: float, phase: str = "bright", connectivity: int = 6, where: Where = None) -> VoxelImage:
    """True in the components of a generous threshold that hold a voxel of the strict one.

    Parameters
    ----------
    image
        Grey values.
    low, high
        The two thresholds. Of the bright phase: components of ``value >= low`` that hold a ``value >= high``. Of the dark one: components of
        ``value <= high`` that hold a ``value <= low``.
    phase
        ``"bright"`` or ``"dark"``.
    connectivity
        6, 18 or 26 neighbours.
    where
        True = used. Outside nothing exists: it joins nothing.

    Returns
    -------
    VoxelImage
        Boolean, lazy; outside ``where``, and where the image holds no data, it holds none.

    Raises
    ------
    ParameterError
        low above high, or no number; another phase or connectivity.

    Notes
    -----
    Bitwise; ``skimage.filters.apply_hysteresis_threshold`` on the whole image, except that a value equal to a threshold belongs to the phase.
    Two passes; memory as :func:`voxelrock.labels.label`.

    Examples
    --------
    >>> import voxelrock as vr
    >>> image = vr.from_function(lambda z, y, x: 5 * (x != 3) + 4 * (x == 0), shape=6, dtype="u1")
    >>> hysteresis(image, low=5, high=9).compute()[0, 0].tolist()
    [True, True, True, False, False, False]
    """
    first, last = real(low, "low"), real(high, "high")
    if not first <= last:
        raise ParameterError(f"low is not above high, and both are numbers; got low={low}, high={high}")
    if phase not in ("bright", "dark"):
        raise ParameterError(f"phase is 'bright' or 'dark'; got {phase!r}")
    data, keep = an_image(image).data, counted(image, where)
    likely, sure = (_beyond(data, keep, bound, phase) for bound in ((first, last) if phase == "bright" else (last, first)))
    bare = image.with_data(likely, nodata=None, phases={})
    rules = rules_of(bare, check_connectivity(connectivity), Choice(every=_SURE))
    code = CHOSEN(sure, sure, other=0, dtype="uint8")
    return known_where(bare, COMPONENTS(likely, code, rules=rules, dtype=np.dtype(bool)), keep)


def _beyond(data: Any, keep: Any, bound: float, phase: str) -> Any:
    mask = _WITHIN(data, low=bound, high=None) if phase == "bright" else _WITHIN(data, low=None, high=bound)
    return both(mask, keep[0]) if keep else mask
