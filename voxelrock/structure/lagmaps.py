"""Two-point functions in three dimensions, and their radial mean."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from voxelrock.graph.reductions import Reduction
from voxelrock.image import VoxelImage
from voxelrock.image.results import curve
from voxelrock.kernels.lags import lag_counts, lag_margin
from voxelrock.statistics.counting import add
from voxelrock.structure.correlation import or_nan, pair_of
from voxelrock.structure.restriction import Where, bulk_of, each_label, refuse_grey
from voxelrock.structure.steps import in_large_blocks, lag_box, offsets
from voxelrock.typing import HostArray, Triple


def whole_box(found: HostArray, *, half: bool) -> HostArray:
    """Counts of all steps; the opposite of a step has as many."""
    return np.concatenate([found[:0:-1, ::-1, ::-1], found]) if half else found


def _counted(voxels: tuple[Any, ...], lag: Triple, periodic: bool, *, whole: bool) -> Any:
    """Counts of all steps; of two opposite ones that have as many only the one with z ≥ 0, unless ``whole``."""
    half = len(voxels) == 1
    shape = lag[0] + 1 if half and not whole else 2 * lag[0] + 1, 2 * lag[1] + 1, 2 * lag[2] + 1
    reduction = Reduction(lag_counts, add, whole_box, margin=lag_margin)
    blocks = in_large_blocks(voxels, periodic)
    return reduction(*blocks, lag=lag, half=half, periodic=periodic, shape=shape, dtype="i8", finish={"half": half and whole})


def _hits_and_pairs(image: VoxelImage, lag: Triple, other: VoxelImage | None, where: Where, periodic: bool, *, whole: bool) -> list[Any]:
    """Pairs in the phase, and pairs that exist where these are not those of a full box; of both all steps, or of both half of them."""
    voxels, keep = pair_of(image, other, where)
    whole = whole or len(voxels) > 1
    return [_counted(part, lag, periodic, whole=whole) for part in (voxels, keep) if part]


def two_point_map(image: VoxelImage, /, *, lag: float | str, other: VoxelImage | None = None, where: Where = None, by: VoxelImage | None = None,
                  periodic: bool = False) -> xr.DataArray:  # fmt: skip
    """The two-point correlation S₂ for every step in three dimensions, up to a lag along each axis.

    Parameters
    ----------
    image, other, where, by, periodic
        As in :func:`two_point`.
    lag
        The longest lag along each axis, a length.

    Returns
    -------
    xarray.DataArray
        float64 over ``dz``, ``dy`` and ``dx`` (from the first voxel of a pair to the second, in the grid's unit). Lazy.

    Raises
    ------
    ParameterError, ParameterTypeError
        As :func:`two_point`; a lag that reaches beyond the image.

    Notes
    -----
    Bitwise: counts by Fourier transforms in double precision, rounded to the integers that they are (the error is less than a hundredth),
    summed over blocks and divided once. Smaller blocks than 200 voxels are read as larger ones: then it does not share the reading of other
    results. For 100 lags about 20 million voxels a second and core in one block, 5 in blocks of 256 with their margins, half with ``where``; 60 to
    120 megabytes of a task beside what it sees and 16 bytes for each step, of which 8 wait for each block. It runs on the host.

    Examples
    --------
    >>> import voxelrock as vr
    >>> layers = vr.from_function(lambda z, y, x: z % 2 == 0, shape=8, dtype=bool)
    >>> two_point_map(layers, lag=2).sel(dy=0, dx=1).values.tolist()
    [0.5, 0.0, 0.5, 0.0, 0.5]
    """
    if by is not None:
        refuse_grey(image, "the two-point correlation")
        return each_label(image, by, where, lambda part: two_point_map(image, lag=lag, other=other, where=part, periodic=periodic))
    box = lag_box(image, lag)
    unit = image.grid.unit
    axes = {f"d{a}": (o * s, {"units": unit}) for a, o, s in zip("zyx", offsets(box), image.grid.spacing)}
    definition = "pairs with both voxels in the phase divided by pairs whose voxels both exist"
    counts = _hits_and_pairs(image, box, other, where, periodic, whole=True)
    data = counts[0].map_blocks(probabilities, *counts[1:], facts=_Box(image.shape, box, periodic), dtype="f8")
    return curve(data, tuple(axes), axes, "two_point_map", definition=definition, bulk=bulk_of(image, where), periodic=int(periodic))


def two_point_radial(image: VoxelImage, /, *, lag: float | str, other: VoxelImage | None = None, where: Where = None, by: VoxelImage | None = None,
                     periodic: bool = False) -> xr.DataArray:  # fmt: skip
    """The radial mean of the two-point correlation S₂: over all steps of about one length, in every direction.

    Parameters
    ----------
    image, lag, other, where, by, periodic
        As in :func:`two_point_map`; ``lag`` is the longest radius.

    Returns
    -------
    xarray.DataArray
        float64 over ``lag``: shell 𝑖 holds the steps with a length from (𝑖 - ½) to (𝑖 + ½) times the smallest spacing, each with equal weight; its
        ``lag`` is their mean length. The coordinate ``steps`` counts them. NaN where no pair exists. Lazy.

    Raises
    ------
    ParameterError, ParameterTypeError
        As :func:`two_point_map`.

    Notes
    -----
    As :func:`two_point_map`; the mean is taken once, over the table of lags.

    Examples
    --------
    >>> import voxelrock as vr
    >>> full = vr.ones(shape=8, dtype=bool)
    >>> two_point_radial(full, lag=3).values.tolist()
    [1.0, 1.0, 1.0, 1.0]
    """
    if by is not None:
        refuse_grey(image, "the two-point correlation")
        return each_label(image, by, where, lambda part: two_point_radial(image, lag=lag, other=other, where=part, periodic=periodic))
    box = lag_box(image, lag)
    facts = _Box(image.shape, box, periodic)
    rule = _Shells(facts, tuple(float(s) for s in image.grid.spacing), image.grid.length(lag))
    radii, steps = rule.described()
    counts = _hits_and_pairs(image, box, other, where, periodic, whole=False)
    mean = counts[0].map_blocks(shell_means, *counts[1:], rule=rule, size=radii.size, dtype="f8", drop_axis=[1, 2], chunks=((radii.size,),))
    lags = {"lag": (radii, {"units": image.grid.unit, "long_name": "lag"})}
    definition = "mean of the two-point correlation over all steps in a shell one smallest spacing thick"
    result = curve(mean, ("lag",), lags, "two_point_radial", definition=definition, bulk=bulk_of(image, where), periodic=int(periodic))
    return result.assign_coords(steps=("lag", steps))


@dataclass(frozen=True)
class _Box:
    """The steps of a box, plane by plane, and how many pairs of voxels an image has at each."""

    shape: Triple
    lag: Triple
    periodic: bool

    def pairs(self, steps: HostArray, axis: int) -> HostArray:
        """Along one axis."""
        return np.full(steps.size, self.shape[axis]) if self.periodic else self.shape[axis] - np.abs(steps)

    def planes(self, counts: tuple[HostArray, ...]) -> Iterator[tuple[int, HostArray]]:
        """The step along z and the probabilities over those along y and x: all, or those with z ≥ 0, as counts have them."""
        z, y, x = offsets(self.lag)
        depth, plane = self.pairs(z, 0), self.pairs(y, 1)[:, None] * self.pairs(x, 2)[None, :]
        first = z.size - len(counts[0])
        for i, step in enumerate(z[first:]):
            pairs = or_nan(counts[1][i]) if len(counts) > 1 else (plane * depth[first + i]).astype("f8")
            yield int(step), counts[0][i] / pairs


@dataclass(frozen=True)
class _Shells:
    """Steps of about one length: shell i holds those from (i - ½) to (i + ½) times the smallest spacing."""

    box: _Box
    spacing: tuple[float, ...]
    longest: float

    def plane(self, step: int) -> tuple[HostArray, HostArray]:
        """The number of the shell of each step of a plane, after the last one for those that are too long; and its length."""
        _, y, x = (o * s for o, s in zip(offsets(self.box.lag), self.spacing))
        length = np.sqrt((step * self.spacing[0]) ** 2 + y[:, None] ** 2 + x[None, :] ** 2)
        shell = np.rint(length / min(self.spacing)).astype(np.int64)
        return np.where(length > self.longest * (1 + 1e-9), self.number, shell), length

    @property
    def number(self) -> int:
        """How many shells there may be; the last can be without steps."""
        return int(np.rint(self.longest * (1 + 1e-9) / min(self.spacing))) + 1

    def described(self) -> tuple[HostArray, HostArray]:
        """The mean length of the steps of each shell, and how many there are."""
        number = self.number
        lengths, steps = np.zeros(number), np.zeros(number, np.int64)
        for z in offsets(self.box.lag)[0]:
            shell, length = (a.ravel() for a in self.plane(int(z)))
            lengths += np.bincount(shell, length, number + 1)[:number]
            steps += np.bincount(shell, minlength=number + 1)[:number]
        steps = np.trim_zeros(steps, "b")
        with np.errstate(invalid="ignore"):
            return lengths[: steps.size] / steps, steps


def probabilities(*counts: HostArray, facts: _Box) -> HostArray:
    """Pairs in the phase divided by pairs that exist, for every step."""
    found = np.empty(counts[0].shape)
    for plane, (_, values) in zip(found, facts.planes(counts)):
        plane[...] = values
    return found


def shell_means(*counts: HostArray, rule: _Shells, size: int) -> HostArray:
    """The mean of the probabilities of the steps in each shell for which pairs exist; of half of them, those with z > 0 stand for their opposites too."""
    number, half = rule.number + 1, len(counts[0]) == rule.box.lag[0] + 1
    total, steps = np.zeros(number), np.zeros(number)
    for z, values in rule.box.planes(counts):
        shell, _ = rule.plane(z)
        known, weight = np.isfinite(values), 2 if half and z else 1
        total += weight * np.bincount(shell[known], values[known], number)
        steps += weight * np.bincount(shell[known], minlength=number)
    with np.errstate(invalid="ignore"):
        return (total / steps)[:size]
