"""Images from nothing, from arrays, from functions, from xarray."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Any

import dask.array as da
import numpy as np
from dask._task_spec import DataNode
from dask.highlevelgraph import HighLevelGraph

from voxelrock.errors import ParameterError, ParameterTypeError
from voxelrock.geometry import Tiling, VoxelGrid
from voxelrock.geometry.axes import ZYX, shape_of
from voxelrock.graph.identity import fingerprint, function_name
from voxelrock.graph.patterns import Generate
from voxelrock.image.bridge import from_dataarray
from voxelrock.image.image import VoxelImage
from voxelrock.image.metadata import Field, Phase
from voxelrock.image.shaping import constant
from voxelrock.kernels import selection
from voxelrock.parameters import plain
from voxelrock.typing import DTypeLike, HostArray

_GENERATED = Generate(selection.generated)


def grid_from(shape: Any, spacing: Any = None, origin: Any = None, unit: str | None = None) -> VoxelGrid:
    """A grid as it is, or one from a shape and lengths."""
    if isinstance(shape, VoxelGrid):
        return shape
    return VoxelGrid.of(shape=shape_of(shape), spacing=spacing, origin=origin, unit=unit)


def full(*, shape: Any, value: Any, dtype: DTypeLike | None = None, spacing: Any = None, block: Any = None, **metadata: Any) -> VoxelImage:
    """An image of one value.

    Parameters
    ----------
    shape
        ``ZYX(z=…, y=…, x=…)``, one length for a cube, or a whole :class:`VoxelGrid`.
    value, dtype
        The value, and the type of the voxels (by default the value's own).
    spacing
        Distance between voxels, such as ``"8 um"``.
    block
        Shape of the blocks for computing; chosen if not given.
    metadata
        ``field``, ``phases``, ``nodata`` of :class:`VoxelImage`.

    Examples
    --------
    >>> full(shape=10, value=7, dtype="u1").dtype
    dtype('uint8')
    """
    grid = grid_from(shape, spacing)
    value = plain(value, "value")
    kind = np.dtype(dtype if dtype is not None else np.asarray(value).dtype)
    if kind.kind in "iu" and not (np.iinfo(kind).min <= value <= np.iinfo(kind).max):
        raise ParameterError(f"the value {value} does not fit in {kind}")
    tiling = Tiling.compute(grid.shape) if block is None else Tiling.regular(grid.shape, ZYX.of(block))
    return VoxelImage(constant(tiling, kind.type(value).item(), kind), grid, **metadata)


def zeros(*, shape: Any, dtype: DTypeLike = "u1", **options: Any) -> VoxelImage:
    """An image of zeros; see :func:`full`.

    Examples
    --------
    >>> zeros(shape=ZYX(z=2, y=3, x=4)).size
    24
    """
    return full(shape=shape, value=0, dtype=dtype, **options)


def ones(*, shape: Any, dtype: DTypeLike = "u1", **options: Any) -> VoxelImage:
    """An image of ones; see :func:`full`.

    Examples
    --------
    >>> int(ones(shape=2).compute().sum())
    8
    """
    return full(shape=shape, value=1, dtype=dtype, **options)


def empty(*, shape: Any, dtype: DTypeLike = "u1", **options: Any) -> VoxelImage:
    """An image whose values do not matter yet (they are zeros, as results must not depend on old memory); see :func:`full`.

    Examples
    --------
    >>> empty(shape=2).dtype
    dtype('uint8')
    """
    return zeros(shape=shape, dtype=dtype, **options)


def full_like(image: VoxelImage, /, *, value: Any, dtype: DTypeLike | None = None) -> VoxelImage:
    """An image of one value with the grid, blocks and metadata of another.

    Examples
    --------
    >>> full_like(zeros(shape=3), value=5).compute().max()
    np.uint8(5)
    """
    kind = np.dtype(dtype if dtype is not None else image.dtype)
    return image.with_data(constant(image.tiling, kind.type(value).item(), kind), nodata=None, history=())


def zeros_like(image: VoxelImage, /, *, dtype: DTypeLike | None = None) -> VoxelImage:
    """An image of zeros like another.

    Examples
    --------
    >>> zeros_like(ones(shape=3)).compute().max()
    np.uint8(0)
    """
    return full_like(image, value=0, dtype=dtype)


def ones_like(image: VoxelImage, /, *, dtype: DTypeLike | None = None) -> VoxelImage:
    """An image of ones like another.

    Examples
    --------
    >>> ones_like(zeros(shape=3)).compute().min()
    np.uint8(1)
    """
    return full_like(image, value=1, dtype=dtype)


def empty_like(image: VoxelImage, /, *, dtype: DTypeLike | None = None) -> VoxelImage:
    """An image like another whose values do not matter yet (they are zeros).

    Examples
    --------
    >>> empty_like(ones(shape=3)).shape
    ZYX(z=3, y=3, x=3)
    """
    return full_like(image, value=0, dtype=dtype)


def from_array(array: Any, /, *, spacing: Any = None, origin: Any = None, unit: str | None = None, block: Any = None, **metadata: Any) -> VoxelImage:
    """An image from a NumPy array, a Dask array, or anything with a shape, a dtype and slices (axes z, y, x; 2-D is one slice).

    The voxels of a NumPy array are not copied: do not change it afterwards.

    Parameters
    ----------
    spacing, origin, unit
        The grid; see :class:`VoxelGrid`.
    block
        Shape of the blocks for computing; a Dask array keeps its own unless given.
    metadata
        ``field``, ``phases``, ``nodata`` of :class:`VoxelImage`.

    Examples
    --------
    >>> from_array(np.zeros((4, 5, 6), "u2"), spacing="8 um").grid.unit
    'um'
    """
    if isinstance(array, VoxelImage):
        return array
    if not hasattr(array, "shape") or not hasattr(array, "dtype"):
        raise ParameterTypeError(f"an image comes from an array with a shape and a dtype; got {type(array).__name__}")
    if len(array.shape) not in (2, 3):
        raise ParameterError(f"an image has three axes (z, y, x), a single slice two; got an array of {len(array.shape)}")
    data = _blocks(array, block)
    shape = ZYX(*map(int, data.shape))
    return VoxelImage(data, VoxelGrid.of(shape=shape, spacing=spacing, origin=origin, unit=unit), **metadata)


def _blocks(array: Any, block: Any) -> da.Array:
    if isinstance(array, da.Array):
        data = _native(array if array.ndim == 3 else array[None])
        return data if block is None else data.rechunk(Tiling.regular(data.shape, ZYX.of(block)).chunks)
    if isinstance(array, np.ndarray):
        native = _native(array)
        whole = native if native.ndim == 3 else native[None]
        return _in_memory(whole, Tiling.compute(whole.shape) if block is None else Tiling.regular(whole.shape, ZYX.of(block)))
    data = da.from_array(array, chunks=Tiling.compute(array.shape).chunks if len(array.shape) == 3 else "auto")
    return _native(data if data.ndim == 3 else data[None])


def _native(array: Any) -> Any:
    """An array in native byte order, and in float32 or float64 where it has another float."""
    dtype = np.dtype(array.dtype)
    if dtype.kind == "f" and dtype.itemsize not in (4, 8):
        return array.astype("f4" if dtype.itemsize < 4 else "f8")
    return array if dtype.isnative else array.astype(dtype.newbyteorder("="))


def _in_memory(array: HostArray, tiling: Tiling) -> da.Array:
    name = f"array-{fingerprint(array, tiling.chunks)[:32]}"
    blocks = {(name, *index): DataNode((name, *index), array[tiling.box(index).slices]) for index in tiling}
    return da.Array(HighLevelGraph.from_collections(name, blocks), name, tiling.chunks, meta=np.empty((0, 0, 0), array.dtype))


def from_function(
    function: Callable[..., Any], /, *, shape: Any, dtype: DTypeLike, spacing: Any = None, block: Any = None, name: str | None = None, **metadata: Any
) -> VoxelImage:
    """An image whose voxels are ``function(z, y, x)`` of their indices (int64 arrays that broadcast), block by block.

    Parameters
    ----------
    function
        Runs on the workers; importable there, or picklable.
    name
        Names what the function computes. A function that cannot be imported by name (a lambda, one of a notebook) needs one for a save to
        be resumable, as its code is no identity: without it, every call of ``from_function`` makes another image.
    shape, dtype, spacing, block, metadata
        As in :func:`full`.

    Examples
    --------
    >>> from_function(lambda z, y, x: z + y + x, shape=4, dtype="u1").compute()[1, 2, 3]
    np.uint8(6)
    """
    grid = grid_from(shape, spacing)
    tiling = Tiling.compute(grid.shape) if block is None else Tiling.regular(grid.shape, ZYX.of(block))
    kind = np.dtype(dtype)
    data = _GENERATED(tiling, kind, function=Named(function, name), dtype=kind.name)
    return VoxelImage(data, grid, **metadata)


class Named:
    """A user's function with an identity: the name given, its importable name, or one that no other function ever has."""

    def __init__(self, function: Callable[..., Any], name: str | None) -> None:
        self.function, self.name = function, name
        self.own = uuid.uuid4().hex

    @property
    def identity(self) -> str:
        """The name given, else the importable one, else one of its own."""
        if self.name is not None:
            return f"function {self.name}"
        try:
            return f"function {function_name(self.function)}"
        except ParameterTypeError:
            return f"unnamed function {self.own}"

    def __call__(self, *indices: HostArray) -> Any:
        return self.function(*indices)


def from_xarray(array: Any, /, *, axes: Mapping[Any, str] | None = None, nodata: float | None = None, phases: Mapping[int, Phase] | None = None) -> VoxelImage:
    """An image from an ``xarray.DataArray`` with dimensions z, y and x (or named by ``axes={"depth": "z"}``) and even coordinates.

    Lazy where the DataArray is; units come from the coordinates' ``units``, the no-data voxels of a mask from a coordinate ``no_data``.

    Examples
    --------
    >>> from_xarray(zeros(shape=4, spacing="8 um").to_xarray()).grid.spacing.x
    8.0
    """
    fields = from_dataarray(array, axes)
    data, missing = fields.pop("data"), fields.pop("missing")
    image = VoxelImage(_blocks(data, None), **fields)
    if hasattr(missing, "shape"):
        missing = image.with_data(_blocks(missing, None), nodata=None)
    said = missing if nodata is None else nodata
    return image.assign(phases=phases, nodata="keep" if said is None else said)


__all__ = ["Field", "empty", "empty_like", "from_array", "from_function", "from_xarray", "full", "full_like", "ones", "ones_like", "zeros", "zeros_like"]
