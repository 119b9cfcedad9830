"""One kernel, up to three bodies: an array-API reference, a compiled host body, a device body. Of those that count, a fourth takes counts of values.

A kernel is a pure function on blocks. Calling it picks the body by the type of its blocks (by ``xp`` where it makes a block from nothing):
NumPy takes the host body, CuPy the device body, anything else (and whatever lacks a body) the reference, written in the array API alone.

Legend of shapes, for all kernels: blocks are (z, y, x); a kernel with a halo ``h`` takes a block that is larger than its result by ``h``
voxels on each side of each axis, whose outside was filled by the edge mode already, and returns the inner part only ("valid" mode).
This is the only module that names cupy.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterable
from functools import lru_cache
from types import ModuleType
from typing import Any, Generic, ParamSpec, TypeVar, cast

import numpy as np
from numba import njit

from voxelrock.typing import Block, HostArray

P = ParamSpec("P")
R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])


def jit(function: F) -> F:
    """Compile a host body: no GIL, cached on disk, IEEE arithmetic in the order written (no fused or reordered operations)."""
    return cast(F, njit(nogil=True, cache=True, fastmath=False, error_model="numpy")(function))


def is_cupy(array: Block) -> bool:
    """Whether an array lives on a CUDA device; never imports cupy."""
    kind = getattr(sys.modules.get("cupy"), "ndarray", None)  # another thread may be in the middle of importing it
    return kind is not None and isinstance(array, kind)


def namespace(*arrays: Block) -> Any:
    """The array-API namespace that the arrays belong to."""
    for array in arrays:
        if isinstance(array, np.ndarray | np.generic):
            continue
        if is_cupy(array):
            return sys.modules["cupy"]
        if hasattr(array, "__array_namespace__"):
            return array.__array_namespace__()
    return np


def beside(block: Block) -> dict[str, Any]:
    """The keyword that makes a new array on a block's device; nothing for NumPy and CuPy, which have one current device."""
    return {} if isinstance(block, np.ndarray) or is_cupy(block) else {"device": block.device}


class Kernel(Generic[P, R]):
    """A named, versioned pure function on blocks with one body per kind of device.

    Parameters
    ----------
    reference
        The array-API body; its name, module and docstring become the kernel's.
    cost
        Nanoseconds per voxel on one core, roughly: decides whether recomputing at borders beats exchanging them, and predicts how long a graph takes.
        Where parameters change it by much, it is that of the usual ones, and :meth:`costs` says the others'.
    exact
        True if the bodies agree bit for bit on every device, False if only to a tolerance. What NaN carries beside being NaN does not count, and CuPy
        compiles everything so that float32 below 2**-126 is zero on a device (float64 is kept).
    version
        Raised when the results change: part of the identity of everything computed with it.
    host_only
        Why it runs on the host whatever its blocks are; a device's block is copied. Empty: it runs where its blocks are.
    """

    def __init__(self, reference: Callable[P, R], *, cost: float, exact: bool, version: int, workspace: float, host_only: str = "") -> None:
        self.reference = reference
        self.host_body: Callable[P, R] | None = None
        self.device_body: Callable[P, R] | None = None
        self.weighted_body: Callable[..., R | None] | None = None
        self.scaling: Callable[..., float] | None = None
        self.cost, self.exact, self.version, self.workspace, self.host_only = cost, exact, version, workspace, host_only
        self.__name__, self.__qualname__ = reference.__name__, reference.__qualname__
        self.__module__, self.__doc__ = reference.__module__, reference.__doc__
        self.__wrapped__ = reference

    def host(self, body: Callable[P, R]) -> Callable[P, R]:
        """Register the body for NumPy blocks (a decorator)."""
        self.host_body = body
        return body

    def device(self, body: Callable[P, R]) -> Callable[P, R]:
        """Register the body for CuPy blocks (a decorator)."""
        self.device_body = body
        return body

    def weighted(self, body: Callable[..., R | None]) -> Callable[..., R | None]:
        """Register the body for values in any order that occur several times each (a decorator).

        It gets how often (int64), then the blocks, all of one length; its result is that of the blocks in which they occur, or None where it has none.
        """
        self.weighted_body = body
        return body

    def costs(self, body: Callable[..., float]) -> Callable[..., float]:
        """Register what gives the cost from the parameters (a decorator)."""
        self.scaling = body
        return body

    def cost_of(self, parameters: Iterable[tuple[str, Any]]) -> float:
        """Nanoseconds per voxel with these parameters."""
        return self.cost if self.scaling is None else self.scaling(**dict(parameters))

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        arrays = [a for a in args if hasattr(a, "dtype")]
        xp = namespace(*arrays) if arrays else kwargs.get("xp", np)
        if self.host_body is not None and xp is np:
            return self.host_body(*args, **kwargs)
        if self.device_body is not None and xp is sys.modules.get("cupy"):
            return self.device_body(*args, **kwargs)
        return self.reference(*args, **kwargs)

    @property
    def place(self) -> str:
        """Where it computes on a worker with a device, in words."""
        if self.host_only:
            return f"host: {self.host_only}"
        return "device: a body of its own" if self.device_body is not None else "device: array API"

    @property
    def identity(self) -> str:
        """Name and version; equal in every process."""
        return f"{self.__module__}.{self.__qualname__}/{self.version}"

    def __reduce__(self) -> str:
        return self.__qualname__  # pickled by reference to the module's global

    def __repr__(self) -> str:
        return f"<kernel {self.identity}>"


def kernel(*, cost: float = 1.0, exact: bool = True, version: int = 1, workspace: float = 1.0, host_only: str = "") -> Callable[[Callable[P, R]], Kernel[P, R]]:
    """Make the decorated array-API function a :class:`Kernel`.

    ``workspace`` is the memory that a call holds beside its arguments and its result, in multiples of the input's bytes.
    """
    return lambda reference: Kernel(reference, cost=cost, exact=exact, version=version, workspace=workspace, host_only=host_only)


@lru_cache(maxsize=1)
def device_module() -> ModuleType | None:
    """CuPy if it is installed and a device computes, else None; looked for once in a process, as every task asks.

    A device that is there, and does not compute (CuPy compiles what it runs: without CUDA's compiler nothing runs), is told of by a warning.
    """
    try:
        import cupy
    except ImportError:
        return None
    if not cupy.cuda.is_available():
        return None
    try:
        computes = int(cupy.arange(3).sum()) == 3
    except Exception as error:  # what is missing shows in errors of every class: no compiler, no headers, no memory, a driver that is too old
        warnings.warn(
            f"a CUDA device is there, and CuPy cannot compute on it ({' '.join(str(error).split())}); this process computes on the host", stacklevel=2
        )
        return None
    return cast(ModuleType, cupy) if computes else None


def release_device_memory() -> None:
    """Give back the blocks of device memory that CuPy keeps for later."""
    cast(Any, sys.modules["cupy"]).get_default_memory_pool().free_all_blocks()


def to_device(block: Block) -> Block:
    """Copy a host block to the current CUDA device, in the byte order that devices have."""
    return cast(Any, sys.modules["cupy"]).asarray(block.astype(block.dtype.newbyteorder("="), copy=False))


def to_host(block: Block) -> HostArray:
    """A NumPy array with the same values; copies only from a device."""
    if is_cupy(block):
        return cast(HostArray, cast(Any, sys.modules["cupy"]).asnumpy(block))
    return cast(HostArray, block)
