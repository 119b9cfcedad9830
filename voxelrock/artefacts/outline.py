"""Where the rock is in a scan: the plug problem."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from voxelrock.artefacts.ends import ends
from voxelrock.artefacts.fitting import Fit
from voxelrock.artefacts.sampling import FEW, Sample, sampled, usable
from voxelrock.artefacts.surroundings import Found, missing_part, surroundings, whole_part
from voxelrock.errors import ParameterError
from voxelrock.geometry import AXES, ZYX, Cylinder, VoxelGrid
from voxelrock.image import VoxelImage
from voxelrock.typing import HostArray

MARGIN_VX, MARGIN = 3.0, 0.02
"""The margin by default: so many voxels, or so much of the radius, whichever is more."""


@dataclass(frozen=True)
class Outline:
    """Where the rock is in an image.

    Parameters
    ----------
    region
        The inside of the rock, safe to measure in: a cylinder less the margin, or None where the rock fills the image.
    padding
        The constant around the field of view (NaN is one), or None.
    air
        Whether air surrounds the rock, beside any padding.
    air_level, rock_level
        Their grey; NaN without air.
    radius, center
        Of the rock's outline, before the margin, in the grid's unit: the centre half way along the axis. NaN and None without an outline.
    tilt
        Of the plug's axis against the image's, in degrees.
    length
        Of the rock along its axis, where it ends before the image does; else None.
    fraction
        Share of the image's voxels that lie in ``region``.
    cut
        Whether part of the cylinder is missing (a slabbed core), so that ``region`` is the largest one inside what is there.
    axis, unit
        The image's axis along which the plug lies, and the unit of lengths.
    doubt
        Why surroundings that seemed to be there were not believed; empty otherwise.
    """

    region: Cylinder | None
    padding: float | None = None
    air: bool = False
    air_level: float = math.nan
    rock_level: float = math.nan
    radius: float = math.nan
    center: ZYX[float] | None = None
    tilt: float = 0.0
    length: float | None = None
    fraction: float = 1.0
    cut: bool = False
    axis: str = "z"
    unit: str = "voxel"
    doubt: str = ""

    def describe(self) -> str:
        """What was found, in one plain sentence.

        Examples
        --------
        >>> Outline(region=None).describe()
        'the rock fills the image: no air and no padding around it'
        """
        if self.region is None:
            if self.doubt:
                return f"something dark surrounds the rock, but no plug was found in it: {self.doubt}"
            return "the rock fills the image: no air and no padding around it"
        padding = "" if self.padding is None else f"padding of {self.padding:g} outside a circle"
        if not self.air:
            filled = f", but not filled with rock: {self.doubt}" if self.doubt else ", filled with rock"
            words = f"{padding} of radius {self._length(self.radius)}{self._tilted}{filled}"
        else:
            words = f"{padding}; " if padding else ""
            words += f"a plug of radius {self._length(self.radius)}{self._tilted}, in air (grey {self.air_level:.5g}, rock {self.rock_level:.5g})"
        if self.length is not None:
            words += f", {self._length(self.length)} long"
        if self.cut:
            words += f"; part of the cylinder is missing, a cylinder of radius {self._length(float(self.region.radius))} lies in the rest"
        return f"{words}; {self.fraction:.0%} of the image is used"

    @property
    def _tilted(self) -> str:
        return f", tilted by {self.tilt:.1f}°" if self.tilt >= 0.05 else ""

    def _length(self, value: float) -> str:
        return f"{value:.4g} {self.unit}" + ("s" if self.unit == "voxel" else "")

    def to_text(self) -> str:
        """The region as text for ``--roi`` and recipes; exactly ``region`` when read back on the same grid.

        Examples
        --------
        >>> Outline(region=Cylinder(axis="z", radius=9.5, center=dict(y=10.0, x=12.0))).to_text()
        'cylinder:axis=z,radius=9.5voxel,y=10voxel,x=12voxel'
        """
        if self.region is None:
            return "none"
        center, region = ZYX.of(self.region.center), self.region
        named = isinstance(region.axis, str)
        parts = [f"axis={region.axis}" if named else "direction=" + "/".join(f"{u:.7g}" for u in ZYX.of(region.axis))]
        parts.append(f"radius={float(region.radius):.7g}{self.unit}")
        parts += [f"{a}={c:.7g}{self.unit}" for a, c in zip(AXES, center) if a != region.axis or region.length is not None]
        if region.length is not None:
            parts.append(f"length={float(region.length):.7g}{self.unit}")
        return "cylinder:" + ",".join(parts)


def outline(image: VoxelImage, /, *, axis: str = "z", margin: float | str | None = None) -> Outline:
    """Find where the rock is in a scan of a plug; computes, from a few slices.

    Padding is a constant (or NaN, or the declared value of no data) that fills everything outside a circle; air is what surrounds a plug
    that is brighter. A cylinder is fitted to the places where the rock ends on rays in each slice, so that it may lie off the middle,
    tilted, cut by the sides of the image, or end inside it. Where the outside is not clearly air or padding, or the edge no circle, there is
    no region: a rock with vugs, fractures or layers fills its image.

    Parameters
    ----------
    image
        A scan (grey), or a segmentation, in which only padding is looked for.
    axis
        The axis along which the plug lies, roughly: ``"z"``, ``"y"`` or ``"x"``.
    margin
        How far ``region`` stays inside the rock, in the grid's unit or text such as ``"50 um"``. By default 3 voxels or 2 % of the radius,
        whichever is more: blur and the edge of a median reach two to three voxels into the rock.

    Returns
    -------
    Outline
        What was found; ``region`` is a :class:`Cylinder` in the image's grid, or None.

    Raises
    ------
    ParameterError, UnitError
        The axis is none, the image has fewer than 16 voxels across it, or the margin is no length or leaves nothing.
    DataError
        No sampled voxel holds data.

    Notes
    -----
    Reads 17 slices of images up to 128 MiB and 6 of larger ones, every n-th voxel where they have more than 512 along a side; a few small
    windows more where the rock ends inside the image. Memory: under 200 MB for any size. In a store each slice decodes a layer of chunks:
    of 1024³ voxels in chunks of 64³ six of sixteen layers.

    Not found: rock in less than a fifth of a large image's length that no slice meets, a plug under a quarter of the image's width, rock
    darker than what surrounds it, and the outside of a boolean image that is True in pores only and False outside as in the solid.

    Examples
    --------
    >>> import voxelrock as vr
    >>> scan = vr.from_function(lambda z, y, x: 90 * ((y - 32) ** 2 + (x - 30) ** 2 <= 25**2), shape=64, dtype="u1")
    >>> found = outline(scan)
    >>> round(found.radius), round(found.region.radius), found.padding
    (25, 22, 0.0)
    """
    sample = sampled(image, axis)
    usable(sample)
    return outlined(image, sample, margin)


def outlined(image: VoxelImage, sample: Sample, margin: float | str | None) -> Outline:
    """The outline of an image that has been sampled; where rock is in one or two slices of several, reads more between their neighbours."""
    found = surroundings(sample)
    if found.fit is not None and found.fit.good.sum() < 3 <= len(sample.positions):
        rocky = np.flatnonzero(found.fit.good)
        first, last = sample.positions[max(0, rocky[0] - 1)], sample.positions[min(len(sample.positions) - 1, rocky[-1] + 1)]
        sample = sampled(image, AXES[sample.axis], np.unique(np.linspace(first, last, FEW + 1).round().astype(int)).tolist())
        found = surroundings(sample)
    return _written(image, sample, found, margin)


def _written(image: VoxelImage, sample: Sample, found: Found, margin: float | str | None) -> Outline:
    fit, grid, axis = found.fit, image.grid, AXES[sample.axis]
    if fit is None:
        return Outline(None, axis=axis, unit=grid.unit, doubt=found.doubt)
    inset = _margin(grid, margin, fit)
    off = missing_part(fit, max(inset, 3.0 * fit.tolerance))
    span = ends(image, sample, found)
    region, center = _region(grid, sample, fit, (inset, off, span))
    _, _, p, q, radius = fit.cylinder
    air = found.plug is not None and found.levels is not None
    return Outline(
        region=region,
        padding=found.padding,
        air=air,
        air_level=found.levels.air if found.levels else math.nan,
        rock_level=found.levels.rock if found.levels else math.nan,
        radius=float(f"{radius:.7g}"),
        center=center,
        tilt=0.0 if isinstance(region.axis, str) else math.degrees(math.atan(math.hypot(p, q))),
        length=None if span is None else (span[1] - span[0]) * math.sqrt(1 + p * p + q * q),
        fraction=_fraction(grid, region, sample),
        cut=off is not None,
        axis=axis,
        unit=grid.unit,
        doubt=found.doubt,
    )


def _margin(grid: VoxelGrid, margin: float | str | None, fit: Fit) -> float:
    wanted = max(MARGIN_VX * max(grid.spacing), MARGIN * fit.radius) if margin is None else grid.length(margin)
    if not (math.isfinite(wanted) and wanted >= 0):
        raise ParameterError(f"the margin is a length of at least 0; got {margin}")
    if wanted >= 0.95 * fit.radius:
        raise ParameterError(f"a margin of {wanted:g} {grid.unit} leaves nothing of a plug of radius {fit.radius:g} {grid.unit}")
    return wanted


Shape = tuple[float, HostArray | None, tuple[float, float] | None]


def _region(grid: VoxelGrid, sample: Sample, fit: Fit, shape: Shape) -> tuple[Cylinder, ZYX[float]]:
    """The cylinder less the margin, on the grid, and the middle of the rock's axis. Lengths have seven digits, as in text."""
    inset, off, span = shape
    n, across = sample.axis, sample.across
    whole = (grid.shape[n] - 1) * grid.spacing[n]
    a, b, p, q, radius = fit.cylinder
    upright = math.hypot(p, q) * whole < 0.5 * min(grid.spacing)
    if upright:
        a, b, p, q = a + p * whole / 2, b + q * whole / 2, 0.0, 0.0
    middle = whole / 2 if span is None else sum(span) / 2
    center = _place(grid, n, across, (middle, a + p * middle, b + q * middle))
    if off is not None:
        a0, b0, radius = whole_part((0.0, 0.0), radius, off)
        a, b = a + a0, b + b0
    norm = math.sqrt(1 + p * p + q * q)
    direction = _put(n, across, (1 / norm, p / norm, q / norm))
    length = None
    if span is not None:
        low, high = (s + side * _slack(grid, s, inset, (whole, radius, norm), side) for s, side in zip(span, (1, -1)))
        middle, length = (low + high) / 2, float(f"{max(high - low, min(grid.spacing)) * norm:.7g}")
    place = _place(grid, n, across, (middle, a + p * middle, b + q * middle))
    size = float(f"{max(radius - inset, 0.5 * min(grid.spacing)):.7g}")
    return Cylinder(axis=AXES[n] if upright else direction, radius=size, center=place, length=length), center


def _slack(grid: VoxelGrid, end: float, inset: float, facts: tuple[float, float, float], side: int) -> float:
    """How far the region stays off an end of the rock: the margin and the end's own tilt; beyond the image where the rock goes on."""
    whole, radius, norm = facts
    tilt = radius * math.sqrt(1 - 1 / norm**2)
    inside = end > 0 if side > 0 else end < whole
    return inset + tilt if inside else -(2 * tilt + max(grid.spacing))


def _put(axis: int, across: tuple[int, int], values: tuple[float, float, float]) -> ZYX[float]:
    """Values (along, a, b) in the order of the axes."""
    parts = [0.0, 0.0, 0.0]
    for n, value in zip((axis, *across), values):
        parts[n] = float(f"{value:.7g}")
    return ZYX(*parts)


def _place(grid: VoxelGrid, axis: int, across: tuple[int, int], values: tuple[float, float, float]) -> ZYX[float]:
    along, a, b = (v + grid.origin[n] for n, v in zip((axis, *across), values))
    return _put(axis, across, (along, a, b))


def _fraction(grid: VoxelGrid, region: Cylinder, sample: Sample) -> float:
    """Share of the image's voxels in the region, from a lattice of at most 32 × 128 × 128 of them."""
    counts = [min(n, 32 if axis == sample.axis else 128) for axis, n in enumerate(grid.shape)]
    places = (o + (np.arange(c) + 0.5) * n / c * s - 0.5 * s for c, n, o, s in zip(counts, grid.shape, grid.origin, grid.spacing))
    z, y, x = np.ix_(*places)
    return float(region.contains(z, y, x).mean())
