"""Chord lengths and the lineal path function: how far a straight line stays in a phase."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from voxelrock.geometry.axes import axis_number
from voxelrock.graph.reductions import Reduction
from voxelrock.image import VoxelImage
from voxelrock.image.results import curve, number
from voxelrock.kernels.lines import JoinedLines, Lines, line_runs, run_counts
from voxelrock.structure.restriction import Roles, Where, bulk_of, each_label, refuse_grey, sampled
from voxelrock.typing import HostArray


def _runs(voxels: tuple[Any, ...], axis: int, finalize: Any, shape: tuple[int, ...], dtype: str) -> Any:
    reduction = Reduction(line_runs, JoinedLines(axis), finalize, located=True)
    return reduction(*voxels, axis=axis, shape=shape, dtype=dtype, finish={"axis": axis})


def counts_and_means(found: list[Lines], *, axis: int) -> HostArray:
    """Complete and cut chords by length from one voxel on, and the share of each length among complete ones, as float64; and, in place of length
    0, the mean length of the complete ones; NaN where there are none."""
    counts = run_counts(found, axis=axis)
    complete = int(counts[0].sum()) or np.nan
    table = np.concatenate([counts, counts[:1] / complete])
    table[0, 0] = counts[0] @ np.arange(counts.shape[1]) / complete
    return table


def chord_lengths(image: VoxelImage, /, *, axis: str = "z", where: Where = None, by: VoxelImage | None = None, through: Roles = None) -> xr.Dataset:
    """How many chords of each length the lines along an axis have in a phase.

    A chord is an unbroken stretch of the phase along a line of voxels. It is complete where both its ends meet the rest of the sample, and cut
    where one meets the border of the image or the surface of ``where``: then it is at least as long as it looks.

    Parameters
    ----------
    image
        A boolean image (True = the phase asked for), or labels with phases (their pores and fluids).
    axis
        ``"z"``, ``"y"`` or ``"x"``.
    where
        True = used. Outside nothing exists. No-data voxels and those of role *outside* do not exist either.
    by
        Labels with phases (or booleans): the chords in each label, along ``label``.
    through
        Roles of the labels that make up the phase; pores and fluids by default.

    Returns
    -------
    xarray.Dataset
        ``complete`` and ``cut`` over ``length`` (one voxel to the whole axis, in the grid's unit): numbers of chords. ``density`` over ``length``:
        the fraction of complete chords per unit of length. ``mean``: the mean length of the complete chords. NaN where there are none. Lazy.

    Raises
    ------
    ParameterError, ParameterTypeError
        Grey values, labels without roles, another axis.

    Notes
    -----
    Bitwise: runs are counted in blocks, those that leave a block are joined with the neighbour's. It runs on the host: 700 million voxels a
    second and core, half of it with ``where``; two bytes of memory a voxel of the block, and 8 bytes for each line of the image at the end.
    Torquato & Lu 1993, doi:10.1103/PhysRevE.47.2950.

    Examples
    --------
    >>> import voxelrock as vr
    >>> image = vr.from_function(lambda z, y, x: (z > 1) & (z < 5), shape=6, dtype=bool) & vr.from_function(lambda z, y, x: x > 1, shape=6, dtype=bool)
    >>> found = vr.compute(chord_lengths(image, axis="z"))
    >>> found["complete"].values.tolist(), float(found["mean"])
    ([0, 0, 24, 0, 0, 0], 3.0)
    """
    number_of_axis = axis_number(axis)
    if by is not None:
        refuse_grey(image, "a chord length")
        return each_label(image, by, where, lambda part: chord_lengths(image, axis=axis, where=part, through=through))
    n, step = image.shape[number_of_axis], image.grid.spacing[number_of_axis]
    data = _runs(sampled(image, where, through, "a chord length"), number_of_axis, counts_and_means, (3, n + 1), "f8")
    unit, bulk = image.grid.unit, bulk_of(image, where)
    lengths = {"length": (np.arange(1, n + 1) * step, {"units": unit, "long_name": "chord length"})}
    texts = {"complete": "both ends meet the rest of the sample", "cut": "an end meets the border of the image or of where="}
    found = {}
    for i, (name, text) in enumerate(texts.items()):
        definition = f"number of chords of the phase along {axis} of which {text}"
        found[name] = curve(data[i, 1:].astype("i8"), ("length",), lengths, name, definition=definition, units="chords", axis=axis, bulk=bulk)
    found["density"] = curve(
        data[2, 1:] / step, ("length",), lengths, "density", definition="fraction of complete chords per length", units=f"{unit}-1", axis=axis, bulk=bulk
    )
    found["mean"] = number(data[0, 0] * step, "mean", definition="mean length of the complete chords", units=unit, axis=axis, bulk=bulk)
    return xr.Dataset(found)


def segments(found: list[Lines], *, axis: int) -> HostArray:
    """How many stretches of r + 1 voxels along the lines lie within runs, for r = 0 …"""
    counts = run_counts(found, axis=axis).sum(axis=0)
    longer = np.cumsum(counts[::-1])[::-1]  # runs of at least this length
    return np.cumsum(longer[::-1])[::-1][1:]


def lineal_path(image: VoxelImage, /, *, axis: str = "z", where: Where = None, by: VoxelImage | None = None, through: Roles = None) -> xr.DataArray:
    """The probability that a straight segment of a given length lies wholly in a phase.

    Parameters
    ----------
    image, where, by, through, axis
        As in :func:`chord_lengths`.

    Returns
    -------
    xarray.DataArray
        float64 over ``lag`` (0 to the longest, in the grid's unit; over ``label`` too with ``by``), lazy. A segment of lag 𝑟 joins the centres of
        two voxels 𝑟 apart: its value is the number of such segments in the phase, divided by the number that lies in the image and in ``where``;
        NaN where none does. At lag 0 it is the phase's volume fraction.

    Raises
    ------
    ParameterError, ParameterTypeError
        As :func:`chord_lengths`.

    Notes
    -----
    Bitwise counts, divided once; cost and memory as :func:`chord_lengths`. It runs on the host. Lu & Torquato 1992, doi:10.1103/PhysRevA.45.922.

    Examples
    --------
    >>> import voxelrock as vr
    >>> image = vr.from_function(lambda z, y, x: z < 3, shape=4, dtype=bool)
    >>> lineal_path(image, axis="z").values.tolist()
    [0.75, 0.6666666666666666, 0.5, 0.0]
    """
    number_of_axis = axis_number(axis)
    if by is not None:
        refuse_grey(image, "the lineal path")
        return each_label(image, by, where, lambda part: lineal_path(image, axis=axis, where=part, through=through))
    n, step = image.shape[number_of_axis], image.grid.spacing[number_of_axis]
    voxels = sampled(image, where, through, "the lineal path")
    inside = _runs(voxels, number_of_axis, segments, (n,), "i8")
    if len(voxels) > 1:
        placed = _runs(voxels[1:], number_of_axis, segments_or_nan, (n,), "f8")
    else:
        placed = image.size // n * np.arange(n, 0, -1)
    lags = {"lag": (np.arange(n) * step, {"units": image.grid.unit, "long_name": "lag"})}
    definition = f"segments along {axis} wholly in the phase divided by all segments of that length in the bulk"
    return curve(inside / placed, ("lag",), lags, "lineal_path", definition=definition, axis=axis, bulk=bulk_of(image, where))


def segments_or_nan(found: list[Lines], *, axis: int) -> HostArray:
    """As :func:`segments`, NaN where there are none: a denominator."""
    counts = segments(found, axis=axis).astype("f8")
    counts[counts == 0] = np.nan
    return counts
