"""Capillary pressure: from the radii of menisci to pressures, saturations and what is read off them."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import xarray as xr

from voxelrock import __version__
from voxelrock.errors import ParameterError, ParameterTypeError, UnitError
from voxelrock.geometry.units import VOXEL, conversion
from voxelrock.image import VoxelImage
from voxelrock.image.results import curve
from voxelrock.image.selection import an_image
from voxelrock.parameters import real, whole
from voxelrock.pores.distributions import RESOLVED_VX, counted_sizes
from voxelrock.pores.fields import Where
from voxelrock.typing import HostArray

_PSI = 6894.757293168361
_LEAST_COSINE = 0.05
_WINLAND = 0.35
_AREAS = {"m2": 1.0, "m²": 1.0, "um2": 1e-12, "µm²": 1e-12, "D": 9.869233e-13, "mD": 9.869233e-16, "md": 9.869233e-16}
_MOST_TENSION = 10.0
"""N/m: no fluid has more; whoever gives more means mN/m."""
_MOST_PERMEABILITY = 1e-6
"""m²: a million darcies; whoever gives more means millidarcies."""


def capillary_curve(
    radii: VoxelImage, /, *, interfacial_tension: float = 0.485, contact_angle: float = 140.0, classes_per_decade: int = 10, where: Where = None
) -> xr.Dataset:
    """Capillary pressure against saturation, from the radii at which pores are invaded (computes).

    Parameters
    ----------
    radii
        From :func:`porosimetry` (saved before, if the image is large).
    interfacial_tension
        In N/m; mercury against vacuum by default.
    contact_angle
        In degrees, through the liquid (mercury) or the denser fluid; only |cos θ| enters.
    classes_per_decade
        Classes of the throat size distribution, from one voxel up.
    where
        True = counted.

    Returns
    -------
    xarray.Dataset
        Over ``radius`` (each one that occurs, falling, in the grid's unit; ``resolved`` where it is at least 1.5 of a voxel's longest side): ``pressure``
        in Pa and ``pressure_psi``, ``saturation`` of the invading fluid, all pores that are resolved being the whole, and ``wetting_saturation``, the
        rest. Over ``throat_radius``, the middle of a class (edges in ``left`` and ``right``): ``distribution``, dV/dlog₁₀ r as a fraction of the pore
        volume per decade. Numbers: ``entry_radius`` and ``entry_pressure``, where the invasion begins; ``modal_radius``, of the class with most volume;
        ``r35``, the radius at which 35 % are invaded (NaN if never); ``irreducible``, the wetting saturation that is left at the end: isolated, trapped,
        or behind throats of less than a voxel; ``resolution_pressure``, that of a radius of one voxel (its shortest side), at which the curve ends.

    Raises
    ------
    UnitError
        The size of a voxel is unknown.
    ParameterError
        A tension that is not positive or above 10 N/m; an angle of which |cos θ| is under 0.05.
    ParameterTypeError, DataError
        No image of radii, such as a local thickness; no pore.

    Notes
    -----
    Pc = 2 σ |cos θ| / r (E. W. Washburn, Proc. Natl. Acad. Sci. 7 (1921), doi:10.1073/pnas.7.4.115). r35: S. Kolodzie, SPE 9382 (1980),
    doi:10.2118/9382-MS.

    Examples
    --------
    >>> import voxelrock as vr
    >>> tube = vr.from_function(lambda z, y, x: (y > 1) & (y < 5), shape=7, dtype=bool, spacing="1 um")
    >>> found = capillary_curve(vr.pores.porosimetry(tube, inlet="z low"))
    >>> float(found["entry_radius"]), round(float(found["entry_pressure"]))
    (2.0, 371532)
    """
    factor = _washburn(interfacial_tension, contact_angle)
    unit = an_image(radii).grid.unit
    if unit == VOXEL:
        raise UnitError("a pressure needs the size of a voxel: give the image its spacing, as with image.assign_grid(spacing='8 um')")
    metres = conversion(unit, "m")
    per_decade = whole(classes_per_decade, "classes_per_decade")
    if per_decade < 1:
        raise ParameterError(f"classes_per_decade is at least 1; got {classes_per_decade}")
    values, counts = counted_sizes(radii, where, sizes_of="porosimetry")
    total = int(counts.sum())
    entered, volume = values[values > 0][::-1], counts[values > 0][::-1]
    saturation = np.cumsum(volume) / total
    shortest = min(radii.grid.spacing)
    pressure = factor / (entered * metres)
    resolution = RESOLVED_VX / 2 * max(radii.grid.spacing)
    coords = _axes(entered, unit, resolution)
    found = {
        "pressure": curve(pressure, ("radius",), coords, "pressure", units="Pa", definition="capillary pressure 2 σ |cos θ| / r"),
        "pressure_psi": curve(pressure / _PSI, ("radius",), coords, "pressure_psi", units="psi", definition="capillary pressure 2 σ |cos θ| / r"),
        "saturation": curve(saturation, ("radius",), coords, "saturation", definition="invaded volume over the volume of all resolved pores"),
        "wetting_saturation": curve(1 - saturation, ("radius",), coords, "wetting_saturation", definition="what is not invaded over all resolved pores"),
    }
    distribution = _distribution(entered, volume / total, shortest, (unit, per_decade))
    facts = _facts(entered, saturation, distribution, unit) | _pressures(entered, factor, metres, shortest)
    attributes = {"interfacial_tension": float(interfacial_tension), "contact_angle": float(contact_angle), "resolution": resolution}
    return xr.Dataset(found | {"distribution": distribution} | facts, attrs=attributes | {"voxelrock": __version__})


def _washburn(tension: Any, angle: Any) -> float:
    """2 σ |cos θ|."""
    sigma, degrees = real(tension, "interfacial_tension"), real(angle, "contact_angle")
    if not (0 < sigma <= _MOST_TENSION):
        raise ParameterError(f"interfacial_tension is in N/m (mercury 0.485, water 0.072), above 0 and up to {_MOST_TENSION:g}; got {tension}")
    if not math.isfinite(degrees) or not 0 <= degrees <= 180:
        raise ParameterError(f"contact_angle is in degrees, from 0 to 180; got {angle}")
    cosine = abs(math.cos(math.radians(degrees)))
    if cosine < _LEAST_COSINE:
        raise ParameterError(f"|cos θ| is {cosine:.3f} at a contact angle of {degrees:g} degrees: neither fluid wets, and no capillary pressure follows")
    return 2 * sigma * cosine


def _axes(radii: HostArray, unit: str, resolution: float) -> dict[str, Any]:
    resolved = radii >= resolution * (1 - 1e-9)
    return {"radius": (radii, {"units": unit, "long_name": "throat radius"}), "resolved": ("radius", resolved)}


def _distribution(radii: HostArray, share: HostArray, shortest: float, how: tuple[str, int]) -> xr.DataArray:
    """dV / dlog₁₀ r, in classes from one voxel up."""
    unit, per_decade = how
    finite = radii[np.isfinite(radii)]
    decades = math.log10(max(finite.max(initial=shortest) / shortest, 1.0))
    number = max(1, math.floor(decades * per_decade + 1e-9) + 1)
    edges = shortest * (1 - 1e-6) * 10 ** (np.arange(number + 1) / per_decade)
    volume = np.histogram(radii, edges, weights=share)[0]
    coords = {
        "throat_radius": (np.sqrt(edges[:-1] * edges[1:]), {"units": unit, "long_name": "throat radius"}),
        "left": ("throat_radius", edges[:-1], {"units": unit}),
        "right": ("throat_radius", edges[1:], {"units": unit}),
    }
    return curve(
        volume * per_decade, ("throat_radius",), coords, "distribution", definition="dV/dlog₁₀ r: fraction of the pore volume per decade of throat radius"
    )


def _facts(radii: HostArray, saturation: HostArray, distribution: xr.DataArray, unit: str) -> dict[str, xr.DataArray]:
    mode = int(np.argmax(distribution.values)) if radii.size else 0
    at = int(np.searchsorted(saturation, _WINLAND * (1 - 1e-12)))
    found = {
        "entry_radius": (radii[0] if radii.size else math.nan, "radius at which invasion begins"),
        "modal_radius": (distribution["throat_radius"].values[mode] if radii.size else math.nan, "middle of the class of throat radii with most volume"),
        "r35": (radii[at] if at < radii.size else math.nan, "radius at which 35 % of the pore volume are invaded"),
    }
    numbers = {name: curve(np.asarray(float(value)), (), {}, name, units=unit, definition=text) for name, (value, text) in found.items()}
    text = "wetting saturation that is left: isolated, trapped, or behind throats under a voxel"
    rest = np.asarray(1 - saturation[-1] if saturation.size else 1.0)
    numbers["irreducible"] = curve(rest, (), {}, "irreducible", definition=text)
    return numbers


def _pressures(radii: HostArray, factor: float, metres: float, shortest: float) -> dict[str, xr.DataArray]:
    first = factor / (radii[0] * metres) if radii.size else math.nan
    last = factor / (shortest * metres)
    return {
        "entry_pressure": curve(np.asarray(float(first)), (), {}, "entry_pressure", units="Pa", definition="capillary pressure at which invasion begins"),
        "resolution_pressure": curve(np.asarray(last), (), {}, "resolution_pressure", units="Pa", definition="capillary pressure of a radius of one voxel"),
    }


def leverett_j(curve_: xr.Dataset, /, *, permeability: float | str, porosity: float | xr.DataArray) -> xr.DataArray:
    """Leverett's dimensionless capillary pressure, Pc / (σ |cos θ|) · √(k / φ).

    Parameters
    ----------
    curve_
        From :func:`capillary_curve`.
    permeability
        In m², or text with a unit: ``"100 mD"``, ``"0.5 D"``, ``"1.2 um2"``. It is measured or computed elsewhere, never guessed.
    porosity
        A fraction, above 0 and up to 1; or a result of :func:`voxelrock.statistics.porosity`, lazy or not.

    Returns
    -------
    xarray.DataArray
        J over ``radius``, with ``wetting_saturation`` as a coordinate; dimensionless.

    Raises
    ------
    ParameterTypeError, ParameterError
        Something that is no capillary curve; a permeability or porosity out of range.

    Notes
    -----
    M. C. Leverett, Trans. AIME 142 (1941), doi:10.2118/941152-G. 1 D = 9.869233e-13 m².

    Examples
    --------
    >>> import voxelrock as vr
    >>> slit = vr.from_function(lambda z, y, x: (y > 1) & (y < 5), shape=7, dtype=bool, spacing="1 um")
    >>> found = capillary_curve(vr.pores.porosimetry(slit, inlet="z low"))
    >>> round(float(leverett_j(found, permeability="100 mD", porosity=0.2)[0]), 4)
    0.7025
    """
    if not isinstance(curve_, xr.Dataset) or "pressure" not in curve_ or "contact_angle" not in curve_.attrs:
        raise ParameterTypeError("expected a capillary curve, as vr.pores.capillary_curve(vr.pores.porosimetry(mask)) makes")
    phi, k = real(porosity, "porosity"), _area(permeability)
    if not 0 < phi <= 1:
        raise ParameterError(f"porosity is a fraction, above 0 and up to 1; got {porosity}")
    factor = _washburn(curve_.attrs["interfacial_tension"], curve_.attrs["contact_angle"]) / 2
    found = (curve_["pressure"] / factor * math.sqrt(k / phi)).rename("leverett_j").assign_coords(wetting_saturation=curve_["wetting_saturation"])
    definition = "Pc / (σ |cos θ|) √(k / φ)"
    found.attrs = {"long_name": "Leverett J", "units": "1", "definition": definition, "permeability_m2": k, "porosity": phi, "voxelrock": __version__}
    return found


def _area(permeability: Any) -> float:
    """A permeability in m².

    Raises
    ------
    UnitError, ParameterError
        Text without a known unit; a value that is not positive, or more than any rock has.
    """
    if isinstance(permeability, str):
        match = re.fullmatch(r"\s*([-+]?[\d.]+(?:[eE][-+]?\d+)?)\s*(\S+)\s*", permeability)
        if not match or match[2] not in _AREAS:
            raise UnitError(f"a permeability is a number in m², or text with a unit ({', '.join(_AREAS)}), such as '100 mD'; got {permeability!r}")
        value = float(match[1]) * _AREAS[match[2]]
    else:
        value = real(permeability, "permeability")
    if not 0 < value <= _MOST_PERMEABILITY:
        raise ParameterError(f"permeability is above 0 and up to {_MOST_PERMEABILITY:g} m² (a bare number is in m²; write '100 mD'); got {permeability}")
    return value
