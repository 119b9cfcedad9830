"""Spatial statistics of a stored boolean image: Minkowski functionals, chords, two-point correlation, alone and in one reading."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import scipy.fft

import voxelrock as vr
from benchmarks import peers, stores
from benchmarks.model import VOXELROCK, Contender, Family, Job, Operation, Work

_MASK = "mask.zarr"
_LAG = 100


def _lag(size: int) -> int:
    return min(_LAG, size // 2)


def _ours(measure: Callable[[Any, int], Any], take: Callable[[Any], Any], job: Job) -> Work:
    return lambda: np.asarray(take(vr.compute(measure(vr.open(job.data / _MASK), _lag(job.size)))))


def _contender(measure: Callable[[Any, int], Any], take: Callable[[Any], Any]) -> Contender:
    return Contender(VOXELROCK, partial(_ours, measure, take))


def skimage_euler(threads: int) -> Callable[[Any], Any]:
    measure = peers.load("skimage.measure")
    return lambda mask: np.asarray(measure.euler_number(mask, 3))


def skimage_surface(threads: int) -> Callable[[Any], Any]:
    """The area of marching cubes, and the Euler number."""
    measure = peers.load("skimage.measure")

    def surface(mask: Any) -> Any:
        corners, faces, *_ = measure.marching_cubes(mask, 0.5)
        return np.asarray(measure.euler_number(mask, 3)) + 0 * measure.mesh_surface_area(corners, faces)

    return surface


def quantimpy_functionals(job: Job) -> list[str]:
    return peers.QUANTIMPY.command("functionals", str(job.data / _MASK))


def numpy_chords(threads: int) -> Callable[[Any], Any]:
    def chords(mask: Any) -> Any:
        lines = np.pad(np.moveaxis(mask, 0, -1).reshape(-1, mask.shape[0]), ((0, 0), (1, 1))).view("i1")
        changes = np.diff(lines.reshape(-1))
        start, stop = np.flatnonzero(changes == 1), np.flatnonzero(changes == -1)
        return np.bincount(stop - start, minlength=mask.shape[0] + 1)[1:]

    return chords


def porespy_chords(threads: int) -> Callable[[Any], Any]:
    porespy = peers.load("porespy")
    return lambda mask: np.unique(porespy.filters.region_size(porespy.filters.apply_chords(mask, spacing=0, axis=0, trim_edges=False)))


def scipy_radial(threads: int) -> Callable[[Any], Any]:
    """The correlation of the whole image at once, filled up with zeros, and the same shells."""

    def radial(mask: Any) -> Any:
        lag = _lag(mask.shape[0])
        size = [scipy.fft.next_fast_len(n + lag, real=True) for n in mask.shape]
        spectrum = scipy.fft.rfftn(mask.astype("f8"), size, workers=threads)
        counts = scipy.fft.irfftn(spectrum.real**2 + spectrum.imag**2, size, workers=threads)
        steps = np.arange(-lag, lag + 1)
        z, y, x = np.ix_(*(n - np.abs(steps) for n in mask.shape))
        parts = np.rint(counts[np.ix_(*(steps % n for n in size))]) / (z * y * x)
        z, y, x = np.ix_(steps, steps, steps)
        length = np.sqrt(z * z + y * y + x * x)
        shell = np.rint(length).astype(int)
        inside = length <= lag
        return np.bincount(shell[inside], parts[inside]) / np.bincount(shell[inside])

    return radial


def porespy_radial(threads: int) -> Callable[[Any], Any]:
    porespy = peers.load("porespy")
    return lambda mask: np.asarray(porespy.metrics.two_point_correlation(mask, bins=_lag(mask.shape[0])).probability_scaled)


def numpy_windows(threads: int) -> Callable[[Any], Any]:
    """Mean porosity of windows side by side, of 1, 2, 3 … cells, from a table of sums of the whole image."""

    def windows(mask: Any) -> Any:
        table = np.pad(mask.astype("i8").cumsum(0).cumsum(1).cumsum(2), ((1, 0),) * 3)
        found = []
        for edge in range(16, mask.shape[0] + 1, 16):
            corners = table[::edge, ::edge, ::edge]
            found.append((np.diff(np.diff(np.diff(corners, axis=0), axis=1), axis=2) / edge**3).mean())
        return np.array(found)

    return windows


def porespy_windows(threads: int) -> Callable[[Any], Any]:
    porespy = peers.load("porespy")
    return lambda mask: np.asarray(porespy.metrics.rev_porosity(mask).porosity)


def porespy_many_windows(threads: int) -> Callable[[Any], Any]:
    """As many windows as voxelrock's, of cells of 16 voxels side by side."""
    porespy = peers.load("porespy")

    def windows(mask: Any) -> Any:
        cells = mask.shape[0] // 16
        return np.asarray(porespy.metrics.rev_porosity(mask, n=sum((cells // k) ** 3 for k in range(1, cells + 1))).porosity)

    return windows


def _several(image: Any, lag: int) -> list[Any]:
    structure = vr.structure
    chords = [structure.chord_lengths(image, axis=axis) for axis in "zyx"]
    return [structure.minkowski(image), *chords, structure.two_point(image, lag=lag), structure.representative_volume(image)]


def _every(image: Any, lag: int) -> list[Any]:
    """What a person asks for by name."""
    structure = vr.structure
    numbers = [structure.specific_surface(image, per="bulk"), structure.euler_number(image), structure.connectivity_density(image)]
    paths = [structure.lineal_path(image, axis=axis) for axis in "zyx"]
    slices = [vr.statistics.profile(image, axis=axis) for axis in "zyx"]
    tables = [structure.local_porosity(image, window=32), structure.lacunarity(image), structure.mean_intercept_length(image)]
    return [*_several(image, lag), *numbers, *paths, *slices, *tables, vr.statistics.porosity(image)]


def _together(measures: Callable[[Any, int], list[Any]], job: Job) -> Work:
    return lambda: len(vr.compute(measures(vr.open(job.data / _MASK), _lag(job.size))))


def _one_by_one(measures: Callable[[Any, int], list[Any]], job: Job) -> Work:
    return lambda: len([vr.compute(result) for result in measures(vr.open(job.data / _MASK), _lag(job.size))])


def _together_or_not(measures: Callable[[Any, int], list[Any]]) -> tuple[Contender, Contender]:
    return Contender(VOXELROCK, partial(_together, measures)), Contender("voxelrock, one by one", partial(_one_by_one, measures))


def _array(factory: Callable[[int], Callable[[Any], Any]]) -> Callable[[Job], Work]:
    return stores.of_array(factory, _MASK)


def _unlike(name: str, factory: Callable[[int], Callable[[Any], Any]], module: str, **options: Any) -> Contender:
    """A peer whose definition differs: it does the same work, but its answer is another."""
    return Contender(name, _array(factory), needs=(module,), compared=False, most_runs=1, **options)


FAMILY = Family(
    "structure",
    "Spatial statistics of a stored boolean image",
    (
        Operation(
            "all Minkowski functionals",
            (
                _contender(lambda im, lag: vr.structure.minkowski(im), lambda found: found["euler_number"].sel(connectivity=26)),
                Contender("Zarr, scikit-image, Euler number alone", _array(skimage_euler), needs=("skimage",)),
                Contender("Zarr, scikit-image, surface and Euler number", _array(skimage_surface), needs=("skimage",), most_runs=1),
                Contender("Zarr, QuantImPy", command=quantimpy_functionals, missing=peers.QUANTIMPY.missing, compared=False),
            ),
            data=(_MASK,),
        ),
        Operation(
            "chords along one axis",
            (
                _contender(lambda im, lag: vr.structure.chord_lengths(im, axis="z"), lambda found: found["complete"] + found["cut"]),
                Contender("Zarr, NumPy by hand", _array(numpy_chords)),
                _unlike("Zarr, porespy", porespy_chords, "porespy"),
            ),
            data=(_MASK,),
        ),
        Operation(
            f"two-point correlation in three dimensions up to {_LAG} voxels, radial mean",
            (
                _contender(lambda im, lag: vr.structure.two_point_radial(im, lag=lag), lambda found: found),
                Contender("Zarr, SciPy by hand, the whole image at once", _array(scipy_radial)),
                _unlike("Zarr, porespy, periodic", porespy_radial, "porespy", largest=256),
            ),
            data=(_MASK,),
            tolerance=1e-12,
        ),
        Operation(
            f"two-point correlation along three axes up to {_LAG} voxels",
            (_contender(lambda im, lag: vr.structure.two_point(im, lag=lag), lambda found: found),),
            data=(_MASK,),
        ),
        Operation(
            "windows of every size: porosity (voxelrock: and surface and Euler number)",
            (
                _contender(lambda im, lag: vr.structure.representative_volume(im), lambda found: found["mean"].sel(property="porosity")),
                Contender("Zarr, NumPy by hand, porosity", _array(numpy_windows)),
                _unlike("Zarr, porespy, 1000 random windows", porespy_windows, "porespy"),
                _unlike("Zarr, porespy, as many random windows", porespy_many_windows, "porespy"),
            ),
            data=(_MASK,),
            tolerance=1e-12,
        ),
        Operation(
            "functionals, chords along three axes, correlation along three, windows",
            _together_or_not(_several),
            data=(_MASK,),
        ),
        Operation(
            "the same, with lineal paths, intercepts, profiles, local porosity, lacunarity and single numbers: 20 results",
            _together_or_not(_every),
            data=(_MASK,),
        ),
    ),
    size=256,
    repeat=3,
    notes="QuantImPy's volume is that of the lattice of corners, porespy's correlation is periodic and in bins of its own, its windows are drawn at random: "
    "their answers are not compared.",
)
