"""How far a threshold can be trusted: what the histogram says of its two classes."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from voxelrock.errors import DataError, ParameterError
from voxelrock.image.results import number
from voxelrock.kernels import modes as kernels
from voxelrock.typing import HostArray

FEW = 0.05
"""A class that holds less of the voxels than this is warned about."""
_HALF = 0.5


def _counted(histogram: xr.DataArray, phase: str) -> tuple[HostArray, HostArray]:
    """The occupied part of a histogram: counts and grey values."""
    if phase not in ("dark", "bright"):
        raise ParameterError(f"phase is 'dark' or 'bright'; got {phase!r}")
    if histogram.dims != ("value",):
        raise ParameterError(
            f"a histogram over grey values is wanted, as of vr.statistics.histogram(image); got one over {', '.join(map(str, histogram.dims))}"
        )
    counts = np.asarray(histogram.values, float)
    occupied = np.flatnonzero(counts)
    if not occupied.size:
        raise DataError("the histogram counts no voxel: where= and nodata leave nothing")
    part = slice(occupied[0], occupied[-1] + 1)
    return counts[part], np.asarray(histogram["value"], float)[part]


def _share(counts: HostArray, values: HostArray, threshold: float, phase: str) -> float:
    """The fraction of the voxels that a threshold gives to the phase asked for."""
    dark = float(counts[values <= threshold].sum() / counts.sum())
    return dark if phase == "dark" else 1.0 - dark


def porosity_curve(histogram: xr.DataArray, /, *, phase: str = "dark") -> xr.DataArray:
    """Porosity against the threshold, from a histogram.

    Parameters
    ----------
    histogram
        Of :func:`voxelrock.statistics.histogram`; a lazy one is computed.
    phase
        Which class is pore: ``"dark"`` (value <= threshold) or ``"bright"``.

    Returns
    -------
    xarray.DataArray
        Fractions over ``value`` (the threshold), with the coordinate ``slope``: their change for one grey level.

    Raises
    ------
    ParameterError, DataError
        An unknown phase, something that is no histogram, or one that counts nothing.

    Examples
    --------
    >>> import voxelrock as vr
    >>> rock = vr.from_function(lambda z, y, x: 10 + 90 * (x > 2), shape=6, dtype="u1")
    >>> float(porosity_curve(vr.statistics.histogram(rock)).sel(value=50))
    0.5
    """
    counts, values = _counted(histogram, phase)
    share = np.cumsum(counts) / counts.sum()
    share = share if phase == "dark" else 1.0 - share
    slope = np.gradient(share, values) if values.size > 1 else np.zeros(1)
    attrs = {"units": "1", "long_name": "porosity", "definition": f"fraction of the counted voxels that is pore at each threshold; pores are {_words(phase)}"}
    axis = ("value", values, dict(histogram["value"].attrs))
    return xr.DataArray(share, dims="value", coords={"value": axis, "slope": ("value", slope)}, name="porosity_curve", attrs=attrs)


def _words(phase: str) -> str:
    return "value <= threshold" if phase == "dark" else "value > threshold"


def assess(histogram: xr.DataArray, /, *, threshold: float, phase: str = "dark") -> xr.Dataset:
    """What a histogram says of a threshold: separability, modes, classes, and how far the porosity moves with it.

    Parameters
    ----------
    histogram
        Of :func:`voxelrock.statistics.histogram`, of the image that is thresholded; a lazy one is computed.
    threshold
        The grey value that parts the classes.
    phase
        Which class is pore: ``"dark"`` (value <= threshold) or ``"bright"``.

    Returns
    -------
    xarray.Dataset
        Numbers: ``separability`` (Otsu's criterion, 0 to 1); ``pore_fraction`` and ``solid_fraction`` (of the counted voxels); ``pore_mode`` and
        ``solid_mode`` (grey values of the highest peaks of the classes; NaN where a class has none); ``solid_width`` (the standard deviation of the
        solid mode, or of the only one, from its half width on the side away from the pores); ``porosity_low`` and ``porosity_high`` (at the threshold
        one ``solid_width`` away on either side); ``porosity_slope`` (their difference for one grey level); ``peaks``. The attribute ``warnings`` is a
        list of sentences for people.

    Raises
    ------
    ParameterError, DataError
        As :func:`porosity_curve`.

    Notes
    -----
    The peaks are those of the histogram smoothed over 1/85 of its range, at least 0.5 % as high as the highest and parted by dips of 10 %. Otsu 1979,
    doi:10.1109/TSMC.1979.4310076, gives the criterion.

    Examples
    --------
    >>> import voxelrock as vr
    >>> rock = vr.generators.ct_scan(vr.generators.sandstone(shape=48, seed=1), seed=1)
    >>> found = assess(vr.statistics.histogram(rock), threshold=21000)
    >>> bool(found["porosity_low"] < found["pore_fraction"] < found["porosity_high"])
    True
    """
    counts, values = _counted(histogram, phase)
    limit = float(threshold)
    peaks = kernels.modes(counts, values)
    pore, solid = (_highest(peaks, limit, dark=dark) for dark in ((phase == "dark"), (phase != "dark")))
    main = max(peaks, key=lambda p: p.height).value if np.isnan(solid) else solid
    width = kernels.width(counts, values, main, rising=phase == "dark")
    low, high = sorted(_share(counts, values, limit + sign * width, phase) for sign in (-1, 1))
    share = _share(counts, values, limit, phase)
    units = str(histogram["value"].attrs.get("units", "1"))
    plain: dict[str, tuple[float, str, str]] = {
        "separability": (kernels.separability(counts, values, limit), "variance between the classes over the whole variance (Otsu 1979)", "1"),
        "pore_fraction": (share, f"fraction of the counted voxels with {_words(phase)}", "1"),
        "solid_fraction": (1.0 - share, "fraction of the other counted voxels", "1"),
        "pore_mode": (pore, "grey value of the pore class's highest peak", units),
        "solid_mode": (solid, "grey value of the solid class's highest peak", units),
        "solid_width": (width, "standard deviation of the solid mode: half width at half maximum away from the pores / 1.1774", units),
        "porosity_low": (low, "porosity with the threshold one solid_width closer to the pores", "1"),
        "porosity_high": (high, "porosity with the threshold one solid_width closer to the solid", "1"),
        "porosity_slope": ((high - low) / (2 * width) if width else 0.0, "change of porosity for one grey level, over two solid_width", "1"),
        "peaks": (float(len(peaks)), "peaks of the smoothed histogram", "1"),
    }
    numbers = {k: number(np.asarray(value), k, definition=words, units=unit) for k, (value, words, unit) in plain.items()}
    return xr.Dataset(numbers, attrs={"warnings": _warnings(plain, peaks, phase)})


def _highest(peaks: list[kernels.Mode], limit: float, *, dark: bool) -> float:
    found = [p for p in peaks if (p.value <= limit) == dark]
    return max(found, key=lambda p: p.height).value if found else float("nan")


def _warnings(facts: dict[str, Any], peaks: list[kernels.Mode], phase: str) -> list[str]:
    share, low, high = (facts[k][0] for k in ("pore_fraction", "porosity_low", "porosity_high"))
    found = []
    if np.isnan(facts["pore_mode"][0]) or np.isnan(facts["solid_mode"][0]):
        found.append(
            f"the histogram is not bimodal: it has no peak on either side of the threshold, so the porosity {share:.4f} follows from the threshold chosen, "
            f"not from the rock (one noise width either way gives {low:.4f} to {high:.4f})"
        )
    elif (max(peaks, key=lambda p: p.height).value == facts["pore_mode"][0]) and share > _HALF:
        found.append(
            f"the class taken for pore holds {share:.4f} of the rock and its highest peak: the threshold lies between two minerals, "
            f"or phase={phase!r} is the wrong class"
        )
    if min(share, 1 - share) < FEW:
        name = "pore" if share < _HALF else "solid"
        found.append(f"the {name} class holds {min(share, 1 - share):.4f} of the voxels, less than {FEW}: thresholds are poorly determined by so few")
    if len(peaks) > 2:
        found.append(f"the histogram has {len(peaks)} peaks (at {', '.join(f'{p.value:.5g}' for p in peaks)}): one threshold parts them into two classes")
    return found
