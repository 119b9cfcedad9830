"""``vr.save``: an image to a store or a file, safely."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from voxelrock.errors import ParameterError, StorageError
from voxelrock.graph.overseers import check_folder
from voxelrock.graph.scratch import staged
from voxelrock.graph.sinks import Sink
from voxelrock.image import VoxelImage
from voxelrock.image.selection import refuse_mask
from voxelrock.io.opening import open as open_image
from voxelrock.io.registry import write
from voxelrock.io.writing import Header, WriteOptions
from voxelrock.storage import save_zarr
from voxelrock.storage.opening import is_store_object
from voxelrock.storage.remote import refuse_url
from voxelrock.storage.saving import Request

_STORE = ("layout", "codec", "chunks", "shards", "resume")
_FILE = ("order", "byteorder", "planes")


def save(image: VoxelImage, place: Any, /, *, overwrite: bool = False, **options: Any) -> VoxelImage:
    """Compute an image and store it; give the stored image.

    Nothing appears under the name before it is complete, and what was there stays whole until then, even when the image is computed from it.

    Parameters
    ----------
    image
        What is stored, with its grid, field, phases, no-data value and history (files, and RockVerse's layout, keep the voxels and the grid:
        open them with ``nodata=``). A mask's no-data voxels are kept by stores, as bytes of 255 that open as a mask again; files and
        RockVerse's layout refuse such a mask.
    place
        A path: ``.zarr`` (or no suffix) for a store, ``.raw .mhd .mha .tif .npy`` to export; or a ``zarr.storage.MemoryStore``.
    overwrite
        Replace what exists.
    options
        For stores: ``resume=True`` goes on where a killed save stopped; ``codec`` (auto, lz4, zstd, best, none), ``chunks``, ``shards``,
        ``layout`` (``"voxelrock"``, ``"zarr2"``, ``"rockverse"``). For files: ``order``, ``byteorder``, ``planes``.

    Raises
    ------
    ExistsError, UnfinishedError
        Something is there already, complete or not.
    StorageError
        The disk is full or read-only.
    ParameterError
        Options that do not fit the format; a URL: object stores are only read.

    Notes
    -----
    Memory: one write unit for each thread, with the halos of what is computed on the way. Shards of booleans and of integers of up to 16 bits also tell
    how often each value occurs in them: histograms, thresholds and porosities of the whole image then read no voxel.

    Examples
    --------
    >>> import voxelrock as vr, tempfile, pathlib
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> vr.save(vr.ones(shape=8, spacing="2 um"), folder / "rock.zarr").grid.spacing.x
    2.0
    """
    if not isinstance(image, VoxelImage):
        raise ParameterError(f"vr.save stores images; got {type(image).__name__} (tables: voxelrock.io.tables.save_table)")
    refuse_url(place)
    to_store = is_store_object(place) or Path(place).suffix.lower() in (".zarr", "")
    allowed = _STORE if to_store else _FILE
    for name in options:
        if name not in allowed:
            kind = "a store" if to_store else "a file"
            raise ParameterError(f"saving to {kind} has no option {name!r}; its options are {', '.join(allowed)}")
    if to_store:
        renamed = {"kind" if k == "layout" else k: v for k, v in options.items()}
        return save_zarr(image, place, Request(overwrite=overwrite, **renamed))
    return _export(image, Path(place), WriteOptions(overwrite=overwrite, **options))


def _export(image: VoxelImage, path: Path, options: WriteOptions) -> VoxelImage:
    refuse_mask(image, f"a {path.suffix} file")
    grid, field = image.grid, image.field
    header = Header(grid.shape, image.dtype, grid.spacing, grid.origin, grid.unit, field.name, field.unit, field.description)
    try:
        path.absolute().parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"cannot make the folder {path.parent}: {error.strerror}") from error
    check_folder(path.absolute().parent)
    with write(path.absolute(), header, options) as export:
        data, scratch = staged(image.data, export.tiling, path.absolute().with_name(f".{path.name}.scratch"), path.name)
        Sink(export.target, export.tiling).store(data, f"saving {path.name}")
        for item in scratch:
            item.remove()
    return open_image(path, nodata=image.nodata)
