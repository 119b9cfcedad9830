"""A likeness of CuPy over NumPy: the names and the arguments of CuPy 14.2 that kernels use, and its refusals.

It shows what would fail at the first run on a device: a name or a keyword that CuPy lacks, a host array among a device's, a hidden transfer. It says
nothing about numbers, memory or speed. ``names.txt`` holds the names, each with its signature, as ``inspect.signature`` gave them.
"""

import inspect
import types
from pathlib import Path

import numpy as np
import scipy.ndimage

_SCALARS = bool | int | float | np.generic
_TABLE = dict(line.split(": ", 1) for line in (Path(__file__).parent / "names.txt").read_text().splitlines())
_OF_ARRAYS = ("add", "and", "eq", "floordiv", "ge", "gt", "le", "lshift", "lt", "mod", "mul", "ne", "or", "pow", "rshift", "sub", "truediv", "xor")
_MAKERS = frozenset(("arange", "asarray", "asnumpy", "concat", "empty", "finfo", "full", "iinfo", "isdtype", "ones", "stack", "zeros"))


class DeviceArray:
    """An array on the likeness of a device; only its own functions and operators read it."""

    __hash__ = None

    def __init__(self, values):
        self.values = np.asarray(values)
        self.dtype, self.shape, self.ndim, self.size = self.values.dtype, self.values.shape, self.values.ndim, self.values.size

    def __array__(self, *arguments, **keywords):
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()` to construct a NumPy array explicitly.")

    def __array_ufunc__(self, ufunc, method, *inputs, **keywords):
        return getattr(module, ufunc.__name__)(*inputs, **keywords) if method == "__call__" else NotImplemented

    def get(self):
        module.downloads += 1
        return self.values.copy()

    def astype(self, dtype, copy=True):
        return DeviceArray(self.values.astype(dtype, copy=copy))

    def ravel(self):
        return DeviceArray(self.values.ravel())

    def sum(self):
        return DeviceArray(self.values.sum())

    def __getitem__(self, index):
        return DeviceArray(self.values[_index(index)])

    def __setitem__(self, index, values):
        if isinstance(values, np.ndarray) and values.ndim:
            raise ValueError("non-scalar numpy.ndarray cannot be used for fill")
        self.values[_index(index)] = _inside(values)

    def __bool__(self):
        return bool(self.values)

    def __int__(self):
        return int(self.values)

    def __float__(self):
        return float(self.values)

    def __neg__(self):
        return DeviceArray(-self.values)

    def __pos__(self):
        return DeviceArray(+self.values)

    def __invert__(self):
        return DeviceArray(~self.values)


def _operator(name):
    def operate(self, other):
        with np.errstate(all="ignore"):
            return _outside(getattr(self.values, name)(_operand(other)))

    return operate


for _name in _OF_ARRAYS:
    for _form in (f"__{_name}__", f"__r{_name}__", f"__i{_name}__"):
        if hasattr(np.ndarray, _form):
            setattr(DeviceArray, _form, _operator(_form))


def _index(index):
    if isinstance(index, tuple):
        return tuple(map(_index, index))
    return index.values if isinstance(index, DeviceArray) else index


def _operand(value):
    if not isinstance(value, DeviceArray | _SCALARS):
        raise TypeError(f"Unsupported type {type(value)}")
    return _inside(value)


def _inside(value):
    if isinstance(value, np.ndarray):
        raise TypeError(f"Unsupported type {type(value)}")
    if isinstance(value, list | tuple):
        return type(value)(map(_inside, value))
    return value.values if isinstance(value, DeviceArray) else value


def _outside(value):
    if isinstance(value, tuple):
        return tuple(map(_outside, value))
    return DeviceArray(value) if isinstance(value, np.ndarray | np.generic) and not isinstance(value, bool) else value


def _checked(name, signature, function):
    """The function behind CuPy's own signature."""
    form = inspect.signature(eval(f"lambda {signature[1:-1]}: None")) if signature.startswith("(") else None

    def call(*arguments, **keywords):
        if form is None:
            if len(arguments) != int(signature.split()[1]) or keywords:
                raise TypeError(f"wrong arguments of cupy.{name}")
            found = [_operand(a) for a in arguments]
        else:
            form.bind(*arguments, **keywords)
            if name not in _MAKERS and not isinstance(arguments[0], DeviceArray):
                raise TypeError(f"cupy.{name} takes an array of the device first; got {type(arguments[0])}")
            found = [_inside(a) for a in arguments]
        with np.errstate(all="ignore"):
            return _outside(function(*found, **{k: _inside(v) for k, v in keywords.items()}))

    return call


class _Likeness(types.ModuleType):
    ndarray = DeviceArray
    uploads = downloads = 0

    def __getattr__(self, name):
        if name not in _TABLE:
            raise AttributeError(f"module 'cupy' has no attribute {name!r}, or it is missing in names.txt")
        if _TABLE[name] == "type" or name in ("finfo", "iinfo", "isdtype"):
            return getattr(np, name)
        return _checked(name, _TABLE[name], _FUNCTIONS.get(name) or getattr(np, name))

    def asarray(self, values, dtype=None, order=None, *, copy=None, blocking=False):
        if isinstance(values, DeviceArray):
            return DeviceArray(np.array(values.values, dtype=dtype, copy=copy))
        if not getattr(values, "dtype", np.dtype("u1")).isnative:
            raise ValueError("a device would read these bytes in the wrong order")
        self.uploads += isinstance(values, np.ndarray)
        return DeviceArray(np.array(values, dtype=dtype))

    def asnumpy(self, array):
        return array.get()

    def get_default_memory_pool(self):
        return types.SimpleNamespace(free_all_blocks=lambda: None)

    cuda = types.SimpleNamespace(is_available=lambda: True)


_FUNCTIONS = {
    "take": lambda a, indices, axis=None, out=None: np.take(a, indices, axis=axis, mode="wrap"),
    "bincount": lambda x, weights=None, minlength=None: np.bincount(x, minlength=minlength or 0),
}
"""Where NumPy would do more, or something else, than CuPy: places beyond the end count from the beginning."""
module = _Likeness("cupy")
filters = types.ModuleType("cupyx.scipy.ndimage")
for _name in ("rank_filter", "median_filter", "maximum_filter"):
    setattr(filters, _name, _checked(_name, _TABLE[f"ndimage.{_name}"], getattr(scipy.ndimage, _name)))
