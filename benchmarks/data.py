"""The image that everything runs on: a smooth correlated field in two phases, blurred between them, with noise. The same at every run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import scipy.fft
import scipy.ndimage

import voxelrock as vr
from benchmarks import stores

_TILE = 256
_LENGTH = 6.0
"""Standard deviation of the smoothing that correlates the field, in voxels."""
_PORE = -0.8416
"""Level of the field below which a fifth of the volume lies."""


def provide(folder: Path, size: int, name: str) -> Path:
    """A file of the data set, made if it is not there."""
    path = folder / name
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _MAKERS[name](folder, size)
    return path


def given(folder: Path, file: Path) -> int:
    """Put a cubic TIFF whose zeros are pores where the made mask would be; gives its edge in voxels."""
    mask = vr.open(file).compute() == 0
    edge = mask.shape[0]
    if mask.shape != (edge,) * 3:
        raise ValueError(f"{file} is no cube: {mask.shape}")
    (folder / str(edge)).mkdir(parents=True)
    np.save(folder / str(edge) / "mask.npy", mask)
    return edge


def field(edge: int) -> Any:
    """A periodic Gaussian field (f4) of mean 0 and deviation 1 in a cube."""
    white = np.random.default_rng(0).standard_normal((edge,) * 3, np.float32)
    frequencies = np.fft.fftfreq(edge) ** 2, np.fft.fftfreq(edge) ** 2, np.fft.rfftfreq(edge) ** 2
    damping = [np.exp(-2 * (np.pi * _LENGTH) ** 2 * f).astype("f4") for f in frequencies]
    spectrum = scipy.fft.rfftn(white, workers=2)
    spectrum *= damping[0][:, None, None] * damping[1][:, None] * damping[2]
    smooth = scipy.fft.irfftn(spectrum, s=white.shape, workers=2)
    return (smooth - smooth.mean()) / smooth.std()


def _tiled(tile: Any, z: int, size: int) -> Any:
    plane = tile[z % tile.shape[0]]
    repeats = -(-size // plane.shape[0])
    return np.tile(plane, (repeats, repeats))[:size, :size]


def _planes(size: int) -> Any:
    """The field and its noise, plane by plane."""
    tile = field(min(_TILE, size + size % 2))
    for z in range(size):
        yield _tiled(tile, z, size), np.random.default_rng((1, z)).standard_normal((size, size), np.float32)


def _grey_raw(folder: Path, size: int) -> None:
    with (folder / "grey.raw").open("wb") as file:
        for smooth, noise in _planes(size):
            (20000 + 6000 * np.tanh(3 * (smooth - _PORE)) + 200 * noise).astype("<u2").tofile(file)


def _scan_raw(folder: Path, size: int) -> None:
    """u1, of any size: the pattern and its noise repeat, so that it is written at the speed of the disk."""
    edge = min(_TILE, size + size % 2)
    noise = np.random.default_rng(2).standard_normal((edge,) * 3, np.float32)
    tile = np.clip(120 + 60 * np.tanh(3 * (field(edge) - _PORE)) + 12 * noise, 0, 255).astype("u1")
    with (folder / "scan.raw").open("wb") as file:
        for z in range(size):
            _tiled(tile, z, size).tofile(file)


def _grey_zarr(folder: Path, size: int) -> None:
    raw = provide(folder, size, "grey.raw")
    vr.save(vr.open(raw, shape=vr.ZYX(size, size, size), dtype="u2", spacing="5 um"), folder / "grey.zarr")


def _plain_zarr(folder: Path, size: int) -> None:
    """The grey image as zarr-python writes it in the same layout: nothing tells how often its values occur."""
    stores.write(folder / "plain.zarr", stores.read(provide(folder, size, "grey.zarr")))


def _mask_npy(folder: Path, size: int) -> None:
    np.save(folder / "mask.npy", np.stack([smooth < _PORE for smooth, _ in _planes(size)]))


def _mask_zarr(folder: Path, size: int) -> None:
    mask = np.load(provide(folder, size, "mask.npy"), mmap_mode="r")
    vr.save(vr.from_array(np.asarray(mask)), folder / "mask.zarr")


def _distance_zarr(folder: Path, size: int) -> None:
    """Minus the squared distance of pore voxels to the solid (i4)."""
    mask = np.load(provide(folder, size, "mask.npy"))
    squared = np.rint(scipy.ndimage.distance_transform_edt(mask) ** 2).astype("i4")
    vr.save(vr.from_array(-squared), folder / "distance.zarr")


def _regions_zarr(folder: Path, size: int) -> None:
    """Pores parted at their necks (i4)."""
    vr.save(vr.segmentation.split_touching(vr.open(provide(folder, size, "mask.zarr"))), folder / "regions.zarr")


def _field_npy(folder: Path, size: int) -> None:
    """float32 with noise, as a filtered scan has it."""
    np.save(folder / "field.npy", np.stack([smooth + np.float32(0.01) * noise for smooth, noise in _planes(size)]))


def _plug_zarr(folder: Path, size: int) -> None:
    """A cylinder of the grey image in noisy air, off the middle."""
    scan = vr.open(provide(folder, size, "grey.zarr"))
    tube = vr.Cylinder(axis="z", radius=f"{0.42 * 5 * size} um", center={"y": f"{2.45 * size} um", "x": f"{2.55 * size} um"})
    air = vr.from_function(lambda z, y, x: 14000 + 37 * ((z * 7919 + y * 104729 + x * 1299709) % 17), shape=scan.shape, dtype="u2", spacing="5 um")
    vr.save(scan.where(tube, air), folder / "plug.zarr")


def _rockverse_zarr(folder: Path, size: int) -> None:
    provide(folder, size, "grey.zarr")
    vr.save(vr.open(folder / "grey.zarr"), folder / "rockverse.zarr", layout="rockverse")


_MAKERS = {
    "grey.raw": _grey_raw,
    "scan.raw": _scan_raw,
    "grey.zarr": _grey_zarr,
    "plain.zarr": _plain_zarr,
    "plug.zarr": _plug_zarr,
    "mask.npy": _mask_npy,
    "mask.zarr": _mask_zarr,
    "distance.zarr": _distance_zarr,
    "regions.zarr": _regions_zarr,
    "field.npy": _field_npy,
    "rockverse.zarr": _rockverse_zarr,
}
