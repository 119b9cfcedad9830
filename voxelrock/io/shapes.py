"""The shape of a file that does not say it: what the user gave, and what would fit."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from voxelrock.errors import ParameterError, ParameterTypeError
from voxelrock.geometry import ZYX
from voxelrock.io.files import FileStamp
from voxelrock.typing import DTypeLike

_DTYPE_WORDS = re.compile(
    r"(?<![a-z0-9])(?:([uif])(1|2|4|8)(le|be)?|(u?int|uint|float|real)(8|16|32|64)(le|be)?|(8|16|32|64)[-_]?bits?)(?![a-z0-9])", re.IGNORECASE
)
_SHAPE_WORDS = re.compile(r"(?<![0-9])(\d+)[x×](\d+)[x×](\d+)(?![0-9])", re.IGNORECASE)
_LONGEST_SIDE = 65536


@dataclass(frozen=True)
class PossibleShape:
    """A shape and a type that fit a file's size; ``why`` says where the shape comes from."""

    shape: ZYX[int]
    dtype: str
    why: str

    def __str__(self) -> str:
        z, y, x = self.shape
        return f"{z} × {y} × {x} (z, y, x) {self.dtype}, {self.why}"


def clear_shape(shape: Any) -> ZYX[int]:
    """What a user gave as a shape, once its axes are beyond doubt.

    Raises
    ------
    ParameterError, ParameterTypeError
        A bare triple or pair of unequal lengths, or lengths below 1.
    """
    named = _named(shape)
    try:
        lengths = named.map(lambda n: n.__index__())
    except AttributeError:
        raise ParameterTypeError(f"a shape is made of whole numbers, such as ZYX(z=100, y=200, x=300); got {shape!r}") from None
    if min(lengths) < 1:
        raise ParameterError(f"every length of a shape is at least 1; got {tuple(lengths)} along (z, y, x)")
    return lengths


def _named(shape: Any) -> ZYX[Any]:
    if isinstance(shape, Mapping) and sorted(shape) == ["x", "y"]:
        return ZYX(1, shape["y"], shape["x"])
    if isinstance(shape, (ZYX, Mapping)) or not hasattr(shape, "__len__"):
        return ZYX.of(shape)
    values = tuple(shape)
    if isinstance(shape, str) or len(values) not in (2, 3):
        raise ParameterTypeError(f"a shape is ZYX(z=…, y=…, x=…), or dict(y=…, x=…) for one slice; got {shape!r}")
    if len(set(values)) == 1:
        return ZYX(*values) if len(values) == 3 else ZYX(1, *values)
    readings = [values, values[::-1]]
    forms = ["ZYX(z={}, y={}, x={})" if len(values) == 3 else "dict(y={}, x={})"] * 2
    one, two = (form.format(*reading) for form, reading in zip(forms, readings))
    raise ParameterError(f"the shape {values} does not say which axis comes first; write shape={one}, or shape={two} if x comes first")


def possible_shapes(path: str | os.PathLike[str], dtype: DTypeLike | None = None) -> tuple[PossibleShape, ...]:
    """The shapes that fit the size of a headerless file, the likeliest first.

    Shapes named in the file's name (``plug_200x100x100_u2le.raw``, ``berea_110_u1.raw``), cubes, stacks of square slices and
    near-cubes are tried, with the type that the name names, else with 1, 2 and 4 bytes per voxel.

    Parameters
    ----------
    path
        The file; only its name and size are looked at.
    dtype
        The type of the voxels, where it is known.

    Raises
    ------
    MissingFileError, FormatError, StorageError
        There is no such file, or it is empty.
    """
    stamp = FileStamp.of(path)
    named = _named_dtype(stamp.name)
    types = [np.dtype(dtype)] if dtype is not None else [named] if named is not None else [np.dtype(t) for t in ("u1", "<u2", "<f4")]
    found: dict[tuple[ZYX[int], str], PossibleShape] = {}
    for kind in types:
        if stamp.size % kind.itemsize == 0:
            for shape, why in _fitting(stamp.name, stamp.size // kind.itemsize):
                found.setdefault((shape, kind.str), PossibleShape(shape, kind.str.lstrip("|"), why))
    rank = {"named in the file name": 0, "x first, if the name is read so": 1, "a cube": 2, "square slices": 3, "nearly a cube": 4}
    return tuple(sorted(found.values(), key=lambda s: rank[s.why]))


def _named_dtype(name: str) -> np.dtype[Any] | None:
    match = _DTYPE_WORDS.search(name.replace("_", " ").replace(".", " "))
    if match is None:
        return None
    letter, size, order, word, bits, word_order, plain = match.groups()
    if plain:
        return np.dtype({"8": "u1", "16": "<u2", "32": "<f4", "64": "<f8"}[plain])
    kind = letter or {"i": "i", "u": "u", "f": "f", "r": "f"}[word[0].lower()]
    width = int(size) if size else int(bits) // 8
    if kind.lower() == "f" and width == 1:
        return None
    return np.dtype(f"{'>' if (order or word_order or '').lower() == 'be' else '<'}{kind.lower()}{width}")


def _fitting(name: str, count: int) -> Iterator[tuple[ZYX[int], str]]:
    for match in _SHAPE_WORDS.finditer(name):
        sides = tuple(int(n) for n in match.groups())
        if prod(sides) == count:
            yield ZYX(*sides), "named in the file name"
            yield ZYX(*sides[::-1]), "x first, if the name is read so"
    side = round(count ** (1 / 3))
    if side**3 == count:
        named = re.search(rf"(?<!\d){side}(?!\d)", name)
        yield ZYX.of(side), "named in the file name" if named else "a cube"
    yield from _near_cubes(count)


def _near_cubes(count: int, most: int = 6) -> Iterator[tuple[ZYX[int], str]]:
    candidates = np.arange(1, min(count, _LONGEST_SIDE) + 1, dtype=np.int64)
    divisors = [int(d) for d in candidates[count % candidates == 0]]
    known = set(divisors)
    square = [(count // (n * n), n) for n in divisors if n > 1 and count % (n * n) == 0 and count // (n * n) > 1]
    square.sort(key=lambda s: max(s) / min(s))
    for z, n in [s for s in square if max(s) <= 8 * min(s)][:most]:
        yield ZYX(z, n, n), "square slices"
    near = [(count // (a * b), b, a) for a in divisors for b in divisors if a < b <= 2 * a and count // a % b == 0 and count // (a * b) in known]
    near = [s for s in near if s[0] > s[1] and s[0] <= 2 * s[2]]
    near.sort(key=lambda s: s[0] / s[2])
    for longest, middle, shortest in near[:most]:
        yield ZYX(longest, middle, shortest), "nearly a cube"
