"""``vr.open``: anything that holds an image, lazily."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from voxelrock.errors import MissingFileError, ParameterError
from voxelrock.geometry import ZYX, Tiling, VoxelGrid
from voxelrock.graph.arrays import from_source
from voxelrock.graph.sources import as_voxels
from voxelrock.image import Field, VoxelImage
from voxelrock.image.operations import record
from voxelrock.io.formats import ReadOptions, Scan
from voxelrock.io.registry import read
from voxelrock.storage import open_zarr
from voxelrock.storage.layout import compute_edge
from voxelrock.storage.opening import is_store, is_store_object
from voxelrock.storage.records import partial_path
from voxelrock.storage.remote import SCHEMES, bare, is_url

_SLABS, _SLAB_BYTES = 8, 64 * 2**20


def open(place: Any, /, *, spacing: Any = None, origin: Any = None, unit: str | None = None, nodata: float | None = None, path: str = "",
         **file: Any) -> VoxelImage:  # fmt: skip
    """Open an image without reading it.

    Parameters
    ----------
    place
        A Zarr store (voxelrock's, RockVerse's, OME-Zarr, plain; a path, a store in memory or a ``zarr.Array``; or in an object store, as
        ``s3://``, ``gs://``, ``az://`` or ``https://``), a TIFF file or a folder of slices, ``.raw`` with ``shape=`` and ``dtype=`` (or a
        sidecar), ``.mhd``, ``.mha``, ``.npy``.
    spacing, origin, unit
        The grid, as in :meth:`VoxelGrid.of`; overrides what the file says, and the history says so.
    nodata
        The value of voxels that hold no data.
    path
        The array inside a Zarr group.
    file
        For headerless files ``shape``, ``dtype``, ``offset`` and ``order``; for TIFF ``series``. See :class:`voxelrock.io.formats.ReadOptions`.

    Returns
    -------
    VoxelImage
        Lazy. Blocks are whole pages for TIFF (each page is decoded once), near-cubes for all else.

    Raises
    ------
    MissingFileError, FormatError, UnfinishedError
        Nothing is there, or it is not what it claims to be, or it was never completed.
    StorageError
        An object store cannot be reached, or may not be read.
    ParameterError
        Options that do not fit the format; a URL with credentials, or a remote store that was opened elsewhere.

    Notes
    -----
    Of an object store the graph, the history and the reports get the URL alone. Every process opens it from its own environment
    (``AWS_ACCESS_KEY_ID``, ``AWS_ENDPOINT_URL``, …) or AWS profile, so set that for the workers of a cluster too. Needs the extra ``s3``.

    Examples
    --------
    >>> import voxelrock as vr, tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "rock.npy"
    >>> _ = vr.save(vr.zeros(shape=4), file)
    >>> vr.open(file, spacing="8 um").grid.unit
    'um'
    """
    unknown = sorted(file.keys() - ReadOptions.__dataclass_fields__.keys())
    if unknown:
        raise ParameterError(
            f"vr.open has no option {unknown[0]!r}; it takes spacing= (the size of a voxel, such as '8 um'), origin, unit and nodata, "
            f"and of files {', '.join(ReadOptions.__dataclass_fields__)}"
        )
    options = ReadOptions(**file)
    if is_store_object(place) or is_url(place):
        _check_store(options, place)
        image = open_zarr(place, path=path)
    else:
        image = _from_path(Path(place), path, options)
    if spacing is not None or origin is not None or unit is not None:
        image = _overridden(image, spacing, origin, unit)
    return image if nodata is None else image.assign(nodata=nodata)


def _from_path(place: Path, path: str, options: ReadOptions) -> VoxelImage:
    if is_store(place) or place.suffix == ".zarr" or (not place.exists() and partial_path(place).is_dir()):
        _check_store(options, place)
        return open_zarr(place, path=path)
    if not place.exists():
        advice = "give a URL as text, not as a Path" if str(place).partition(":/")[0] in SCHEMES else "check the path"
        raise MissingFileError(f"{place} does not exist; {advice}")
    return from_scan(read(place, options), place.name)


def _check_store(options: ReadOptions, place: Any) -> None:
    if options != ReadOptions():
        name = place if isinstance(place, Path) else bare(place) if is_url(place) else "this"
        raise ParameterError(f"{name} is a Zarr store: leave shape=, dtype=, offset=, order= and series= out")


def from_scan(scan: Scan, name: str) -> VoxelImage:
    """The image that a file holds."""
    source = as_voxels(scan.source)
    grid = VoxelGrid(ZYX(*source.shape), scan.spacing or ZYX(1.0, 1.0, 1.0), scan.origin or ZYX(0.0, 0.0, 0.0), scan.unit or "voxel")
    if scan.paged:
        page = max(1, source.shape[1] * source.shape[2] * source.dtype.itemsize)
        planes = max(1, min(_SLAB_BYTES // page, -(-source.shape[0] // _SLABS)))
        tiling = Tiling.regular(source.shape, (planes, *source.shape[1:]))
    else:
        tiling = Tiling.compute(source.shape, edge=compute_edge(source.shape))
    facts = record("open", {"file": name, "notes": list(scan.notes)})
    return VoxelImage(from_source(source, tiling), grid, Field(description=scan.description), history=(facts,))


def _overridden(image: VoxelImage, spacing: Any, origin: Any, unit: str | None) -> VoxelImage:
    before = image.grid
    image = image.assign_grid(spacing=spacing, origin=origin, unit=unit)
    said = before.unit != "voxel" and bool(before.differences(image.grid))
    facts = {"grid": str(image.grid)} | ({"instead_of": str(before)} if said else {})
    return image.recorded("assign_grid", facts, before=image)
