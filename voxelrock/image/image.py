"""The voxel image: a lazy array that knows where its voxels are and what they mean."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from dataclasses import field as default
from typing import Any

import dask
import dask.array as da
import numpy as np
from dask.threaded import get as threaded_get
from numpy.lib.mixins import NDArrayOperatorsMixin

from voxelrock import options
from voxelrock.errors import GridMismatchError, ParameterError, ParameterTypeError, TooLargeError
from voxelrock.geometry import Region, Tiling, VoxelBox, VoxelGrid
from voxelrock.geometry.axes import ZYX
from voxelrock.geometry.grid import as_box
from voxelrock.graph.arrays import cropped, lift, retiled, tiling_of
from voxelrock.graph.identity import fingerprint
from voxelrock.graph.sinks import gathered, local_scheduler
from voxelrock.image import arithmetic, shaping, validity
from voxelrock.image.bridge import to_dataarray
from voxelrock.image.metadata import Field, Phase, Phases, checked_phases
from voxelrock.image.presentation import as_html, as_text, describe_memory
from voxelrock.parameters import whole
from voxelrock.typing import DTypeLike, HostArray, Json


@dataclass(frozen=True, eq=False, repr=False)
class VoxelImage(NDArrayOperatorsMixin):
    """A three-dimensional image of any size: a lazy Dask array with axes (z, y, x) on a grid.

    Images come from ``vr.open``, ``vr.from_array``, ``vr.zeros`` and their kin, and from operations. Nothing is computed until
    ``compute``, ``vr.compute``, ``vr.save`` or ``numpy.asarray`` asks for it. NumPy's functions and operators apply voxel by voxel and
    never wrap; ``==`` compares voxels. They take images on the same grid, numbers, and lazy numbers after the image, as in
    ``image > vr.segmentation.otsu_threshold(image)``.

    Parameters
    ----------
    data
        A Dask array, axes (z, y, x).
    grid
        Where the voxels are.
    field
        What they measure.
    phases
        For a segmentation, what each label stands for.
    nodata
        The value of voxels that hold no data (NaN is one), or None. A boolean image has no spare value: its ``nodata`` is a lazy boolean
        array on the same grid, True where there is no data, and its voxels are False there. Nothing counts such voxels.
    history
        The operations that made the image, oldest first.
    """

    data: da.Array
    grid: VoxelGrid
    field: Field = default(default_factory=Field)
    phases: Phases = default(default_factory=dict)
    nodata: validity.Nodata = None
    history: tuple[Json, ...] = ()

    __array_priority__ = 1000
    __hash__ = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if self.data.ndim != 3:
            raise ParameterError(f"a voxel image has three axes (z, y, x); got an array of {self.data.ndim}")
        if self.data.dtype.kind not in "biuf" or (self.data.dtype.kind == "f" and self.data.dtype.itemsize not in (4, 8)):
            raise ParameterTypeError(f"voxels are booleans, integers, float32 or float64; got {self.data.dtype}")
        if not self.data.dtype.isnative:
            object.__setattr__(self, "data", self.data.astype(self.data.dtype.newbyteorder("=")))
        if tuple(self.data.shape) != tuple(self.grid.shape):
            raise ParameterError(f"the array has shape {self.data.shape}, its grid {tuple(self.grid.shape)}")
        object.__setattr__(self, "nodata", validity.checked(self.nodata, self.data))
        object.__setattr__(self, "phases", checked_phases(self.phases))
        object.__setattr__(self, "history", tuple(self.history))

    @property
    def shape(self) -> ZYX[int]:
        """Number of voxels along (z, y, x)."""
        return self.grid.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the voxels."""
        return np.dtype(self.data.dtype)

    @property
    def size(self) -> int:
        """Number of voxels."""
        return self.grid.size

    @property
    def nbytes(self) -> int:
        """Bytes of the whole image in memory (which it need never be)."""
        return self.size * self.dtype.itemsize

    @property
    def tiling(self) -> Tiling:
        """How the image is cut into blocks for computing. No result depends on it."""
        return tiling_of(self.data)

    @property
    def fingerprint(self) -> str:
        """Forty digits that are equal for equal operations on equal sources, in every process; of stored images at any chunking."""
        mask = [lift(self.nodata).identity] if isinstance(self.nodata, da.Array) else []
        return fingerprint(lift(self.data).identity, *mask)

    @property
    def valid(self) -> VoxelImage:
        """True where a voxel holds data."""
        if self.nodata is None:
            return self.with_data(shaping.everywhere(self.tiling), nodata=None, phases={})
        return self.with_data(validity.valid(self.data, self.nodata), nodata=None, phases={})

    def with_data(self, data: da.Array, **changes: Any) -> VoxelImage:
        """An image of other voxels on the same grid, with this image's metadata unless changed.

        What holds no data here holds none there, where the new voxels can say so: as a value in numbers, beside them in booleans.
        """
        if "grid" not in changes and tuple(data.shape) != tuple(self.shape):
            raise ParameterError(f"the new voxels have shape {data.shape}, the grid {tuple(self.shape)}")
        if "nodata" not in changes and self.nodata is not None:
            data, changes["nodata"] = validity.carried(self.data, self.nodata, data)
        return replace(self, data=data, **changes)

    def recorded(self, name: str, parameters: Json, *, before: Any = None) -> VoxelImage:
        """The image with one more entry in its history (after that of ``before``, where that is an image)."""
        earlier = before.history if isinstance(before, VoxelImage) else ()
        return replace(self, history=(*earlier, {"operation": name, "parameters": parameters}))

    def assign(self, *, field: Field | None = None, phases: Mapping[int, Phase] | None = None, nodata: Any = "keep") -> VoxelImage:
        """The image with other metadata; ``nodata=None`` says that every voxel holds data.

        ``nodata`` of a boolean image is a boolean image, True where there is no data (or one of its two values).
        """
        changes: dict[str, Any] = {} if field is None else {"field": field}
        if phases is not None:
            changes["phases"] = phases
        if nodata is None:
            changes["nodata"] = None
        elif not isinstance(nodata, str) or nodata != "keep":
            changes |= self._without(nodata)
        return replace(self, **changes)

    def _without(self, nodata: Any) -> dict[str, Any]:
        """The fields that change where some voxels are said to hold no data."""
        place = isinstance(nodata, VoxelImage | Region)
        if self.dtype.kind != "b":
            if place:
                raise ParameterTypeError(f"an image of {self.dtype} has a value for no data: image.where(~mask, other=V).assign(nodata=V)")
            return {"nodata": validity.number_for(nodata, self.dtype)}
        value = None if place else validity.number_for(nodata, np.dtype("i8"))
        if value not in (None, 0, 1):
            return {"nodata": None}  # no voxel has that value
        missing = self.restriction(nodata) if value is None else validity.equal(self.data, value)
        data, mask = validity.restricted(self.data, validity.inverted(missing))
        return {"data": data, "nodata": mask}

    def assign_grid(self, grid: VoxelGrid | None = None, *, spacing: Any = None, origin: Any = None, unit: str | None = None) -> VoxelImage:
        """The same voxels on another grid of the same shape: a whole one, or this one with another spacing or origin.

        What is not given stays where it is, converted to the unit that the new lengths name. ``unit`` alone gives a scale to a grid in
        voxels; to convert a physical one there is ``to_unit``.
        """
        if grid is None:
            grid = shaping.changed_grid(self.grid, spacing, origin, unit)
        return replace(self, grid=grid)

    def to_unit(self, unit: str) -> VoxelImage:
        """The same image with the lengths of its grid in another unit."""
        return replace(self, grid=self.grid.to_unit(unit))

    def astype(self, dtype: DTypeLike, *, clip: bool = False) -> VoxelImage:
        """The image in another type. Values are never wrapped: one that does not fit is an error, or is clipped on request.

        Floats become integers by rounding to the nearest, ties to even. A mask with no-data voxels gets a no-data value: the largest of an
        integer type (255 in u1), NaN in a float. Halo 0; memory: up to three blocks.
        """
        data, nodata = shaping.astype(self.data, self.nodata, shaping.voxel_type(dtype), clip)
        return self.with_data(data, nodata=nodata)

    def where(self, condition: VoxelImage | Region, other: Any) -> VoxelImage:
        """This image where the condition holds, ``other`` (a number or an image) elsewhere; no data in the condition is False. Halo 0."""
        chosen = self.restriction(condition)
        if isinstance(other, VoxelImage):
            self.same_grid(other)
            data, nodata = shaping.choose_image((self.data, self.nodata), chosen, (other.data, other.nodata))
        else:
            data, nodata = shaping.choose_number((self.data, self.nodata), chosen, other)
        return self.with_data(data, nodata=nodata)

    def isin(self, values: Iterable[Any]) -> VoxelImage:
        """True where a voxel has one of the values (never where there is no data). Halo 0."""
        return self.with_data(shaping.isin(self.data, values), phases={})

    def crop(self, where: Region | VoxelBox | Mapping[str, Any]) -> VoxelImage:
        """The smallest box that holds a region, or a physical box ``dict(z=("0 mm", "2 mm"), …)``; the grid follows."""
        box = where if isinstance(where, VoxelBox) else shaping.region_of(where).box(self.grid)
        if box not in VoxelBox.whole(self.shape):
            raise ParameterError(f"the box {box} leaves the image ({self.grid})")
        return self._moved(lambda array: cropped(array, box), self.grid.crop(box))

    def _moved(self, move: Callable[[da.Array], da.Array], grid: VoxelGrid) -> VoxelImage:
        """The image and its mask of no data, moved alike."""
        return replace(self, data=move(self.data), grid=grid, nodata=move(self.nodata) if isinstance(self.nodata, da.Array) else self.nodata)

    def coarsen(self, factor: Any, *, how: str = "mean", of: Any = True) -> VoxelImage:
        """Blocks of ``factor`` voxels as one: their ``"mean"`` (float), their ``"majority"`` (ties to the smallest), or the
        ``"fraction"`` (float32) of them with the value ``of``. Voxels without data have no vote; where none has, there is no data (NaN in
        floats). Incomplete blocks at the far ends are left out. Halo 0."""
        steps = shaping.checked_factor(factor, self.shape)
        data, nodata = shaping.coarsen(self.data, steps, how, of, self.nodata)
        return self.with_data(data, grid=self.grid.coarsen(steps), nodata=nodata, phases=self.phases if how == "majority" else {})

    def rechunk(self, block: Any) -> VoxelImage:
        """The image in other blocks: one length for all axes, or one for each. No result changes, only memory and speed."""
        shape = ZYX.of(block).map(lambda n: whole(n, "the length of a block"))
        tiling = Tiling.regular(self.shape, (min(b, max(n, 1)) for b, n in zip(shape, self.shape)))
        return self._moved(lambda array: retiled(array, tiling), self.grid)

    def at(self, **point: float | str) -> Any:
        """The voxel that holds a physical point, ``image.at(z="1 mm", y=…, x=…)``: a lazy number with its position."""
        index = self.grid.voxel(point)
        one = self[tuple(slice(i, i + 1) for i in index)]
        return one.to_xarray().squeeze()

    def to_xarray(self) -> Any:
        """A lazy ``xarray.DataArray`` with coordinates in the grid's unit, and this image's metadata in its attributes."""
        return to_dataarray(self)

    def restriction(self, where: VoxelImage | Region | None) -> da.Array:
        """``where`` as a lazy boolean array on this grid (everywhere for None); where a mask holds no data it is False.

        Raises
        ------
        ParameterTypeError, GridMismatchError
            ``where`` is no boolean image or region, or lies on another grid.
        """
        if where is None:
            return shaping.everywhere(self.tiling)
        if isinstance(where, Region):
            return shaping.region(where.resolve(self.grid), self.grid, self.tiling)
        if not isinstance(where, VoxelImage) or where.dtype.kind != "b":
            kind = f"an image of {where.dtype} (compare it first, such as image != 0)" if isinstance(where, VoxelImage) else type(where).__name__
            raise ParameterTypeError(f"where= is a boolean image (True = used) or a region; got {kind}")
        self.same_grid(where)
        return where.data if where.nodata is None else validity.both(where.data, validity.valid(where.data, where.nodata))

    def same_grid(self, other: VoxelImage) -> None:
        """Raise ``GridMismatchError``, saying what differs, unless the grids are equal."""
        differences = self.grid.differences(other.grid)
        if differences:
            raise GridMismatchError("the images lie on different grids: " + "; ".join(differences))

    def compute(self, **keywords: Any) -> HostArray:
        """The voxels as a NumPy array (of a mask False where there is no data); the whole image comes into memory."""
        if keywords or not local_scheduler():
            return self.data.compute(**keywords)
        return gathered(self.data)

    def persist(self, **keywords: Any) -> VoxelImage:
        """The image with its blocks (and those that say where a mask holds no data) computed and kept in the memory of the workers."""
        if not isinstance(self.nodata, da.Array):
            return replace(self, data=self.data.persist(**keywords))
        data, nodata = dask.persist(self.data, self.nodata, **keywords)
        return replace(self, data=data, nodata=nodata)

    def __getitem__(self, key: Any) -> VoxelImage:
        if isinstance(key, Region | VoxelBox | Mapping):
            return self.crop(key)
        if isinstance(key, VoxelImage):
            raise ParameterTypeError("images are not indexed by masks (the result would have no grid); use image.where(mask, other=…) or where=mask")
        box, step = as_box(self.grid, key)
        return self._moved(lambda array: cropped(array, box, step), self.grid.crop(box, step))

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> HostArray:
        limit = options.get().array_limit
        if self.nbytes > limit:
            raise TooLargeError(
                f"this image holds {describe_memory(self.nbytes)}, more than options.array_limit ({describe_memory(limit)}); "
                "crop or coarsen it, call .compute() if you mean it, or raise the limit",
            )
        return np.asarray(self.compute(), dtype=dtype)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **keywords: Any) -> Any:
        if "out" in keywords:
            raise ParameterTypeError("images are never changed in place; write a = a + b instead of a += b")
        if method != "__call__" or keywords:
            what = f"numpy.{ufunc.__name__}.{method}" if method != "__call__" else f"{', '.join(keywords)}= of numpy.{ufunc.__name__}"
            raise ParameterTypeError(f"{what} is not defined for images; see voxelrock.statistics, or use image.data")
        return self._combined(ufunc.__name__, *inputs)

    def __array_function__(self, function: Callable[..., Any], types: Any, args: Any, kwargs: Any) -> Any:
        handler = _FUNCTIONS.get(function)
        if handler is None:
            raise ParameterTypeError(f"numpy.{function.__name__} is not defined for images; see voxelrock.statistics, or use image.data")
        return handler(*args, **kwargs)

    def _combined(self, operator: str, *operands: Any) -> VoxelImage:
        images = [o for o in operands if isinstance(o, VoxelImage)]
        for other in images[1:]:
            images[0].same_grid(other)
        arrays = [o.data if isinstance(o, VoxelImage) else arithmetic.operand(o) for o in operands]
        missing = [o.nodata if isinstance(o, VoxelImage) else None for o in operands]
        data, nodata = arithmetic.combine(operator, arrays, missing)
        plain = [{"image": o.fingerprint[:12]} if isinstance(o, VoxelImage) else arithmetic.readable(a) for o, a in zip(operands, arrays)]
        return images[0].with_data(data, nodata=nodata, phases={}).recorded(f"numpy.{operator}", {"operands": plain}, before=images[0])

    def __bool__(self) -> bool:
        raise ParameterError("the truth of an image is ambiguous: it has many voxels; compute a statistic, such as vr.statistics.summary(image)")

    def __len__(self) -> int:
        return self.shape.z

    def __iter__(self) -> Any:
        raise ParameterTypeError("images are not iterated voxel by voxel; use slices, such as image[10], or image.data")

    def __repr__(self) -> str:
        return as_text(self)

    def _repr_html_(self) -> str:
        return as_html(self)

    def __dask_graph__(self) -> Any:
        return self.data.__dask_graph__()

    def __dask_keys__(self) -> Any:
        return self.data.__dask_keys__()

    def __dask_layers__(self) -> Any:
        return self.data.__dask_layers__()

    def __dask_tokenize__(self) -> Any:
        return self.data.name, repr(self.grid), self.nodata.name if isinstance(self.nodata, da.Array) else self.nodata

    def __dask_postcompute__(self) -> Any:
        return self.data.__dask_postcompute__()

    def __dask_postpersist__(self) -> Any:
        rebuild, extra = self.data.__dask_postpersist__()
        return _rebuilt, (self, rebuild, extra)

    __dask_optimize__ = staticmethod(da.Array.__dask_optimize__)
    __dask_scheduler__ = staticmethod(threaded_get)


def _rebuilt(graph: Any, image: VoxelImage, rebuild: Callable[..., Any], extra: Any, **keywords: Any) -> VoxelImage:
    return replace(image, data=rebuild(graph, *extra, **keywords))


def _clip(image: VoxelImage, a_min: Any = None, a_max: Any = None) -> VoxelImage:
    result = image if a_min is None else image._combined("maximum", image, a_min)
    result = result if a_max is None else result._combined("minimum", result, a_max)
    return result.astype(image.dtype) if image.nodata is None else result


_FUNCTIONS: dict[Callable[..., Any], Callable[..., Any]] = {
    np.where: lambda condition, x, y: x.where(condition, y),
    np.isin: lambda image, values: image.isin(values),
    np.clip: _clip,
    np.shape: lambda image: tuple(image.shape),
    np.ndim: lambda image: 3,
    np.size: lambda image: image.size,
}
