"""What is to be computed, as a value: leaves that are read, and kernels applied to them.

An expression stands for a whole image. It knows its shape, its type, its identity, and which box of each input a box of it needs; it
holds no task and no data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import dask.array as da
import numpy as np

from voxelrock.geometry import Tiling, VoxelBox
from voxelrock.graph.identity import fingerprint
from voxelrock.graph.sources import Source
from voxelrock.kernels.backend import Kernel
from voxelrock.typing import Triple


@dataclass(frozen=True, eq=False)
class Read:
    """A leaf: the voxels of a source, read by the task that needs them."""

    source: Source

    @cached_property
    def identity(self) -> str:
        """Equal for equal voxels."""
        return fingerprint("read", self.source.identity)

    @property
    def shape(self) -> Triple:
        """Number of voxels along (z, y, x)."""
        return self.source.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the voxels."""
        return self.source.dtype

    @property
    def inputs(self) -> tuple[Expression, ...]:
        """None: this is a leaf."""
        return ()


@dataclass(frozen=True, eq=False)
class Blocks:
    """A leaf: the blocks of a Dask array that other tasks make. ``array`` stays with the client.

    ``meaning`` is the identity of the expression that the blocks hold, where it is known: then they are the same image at any tiling.
    """

    name: str
    tiling: Tiling
    dtype: np.dtype[Any]
    meaning: str = ""
    array: da.Array | None = field(default=None, compare=False, repr=False)

    def __reduce__(self) -> tuple[Any, ...]:
        return Blocks, (self.name, self.tiling, self.dtype, self.meaning)

    @cached_property
    def identity(self) -> str:
        """Equal for equal meanings, else for equal names of tasks."""
        return self.meaning or fingerprint("blocks", self.name)

    @property
    def shape(self) -> Triple:
        """Number of voxels along (z, y, x)."""
        return self.tiling.shape

    @property
    def inputs(self) -> tuple[Expression, ...]:
        """None: this is a leaf."""
        return ()


@dataclass(frozen=True, eq=False)
class Value:
    """A small result of another computation, used as a parameter (a threshold, say). ``array`` stays with the client.

    ``meaning`` is its identity where that is known whatever the blocks that it was found in.
    """

    key: tuple[str | int, ...]
    array: da.Array | None = field(default=None, compare=False, repr=False)
    meaning: str = ""

    def __reduce__(self) -> tuple[Any, ...]:
        return Value, (self.key, None, self.meaning)

    @cached_property
    def identity(self) -> str:
        """Equal for equal meanings, else for equal names of tasks."""
        return self.meaning or fingerprint("value", list(self.key))


@dataclass(frozen=True)
class Footprint:
    """Which voxels of its inputs a kernel needs for a box of its output.

    ``halo`` voxels on each side, filled by ``mode`` beyond the image; or the boxes that ``gather(box, **parameters)`` names, one for each
    input (``rigid`` says that they are the box itself, moved: then halos of what follows stay halos).
    """

    halo: Triple = (0, 0, 0)
    mode: str = "reflect"
    gather: Any = None
    rigid: bool = False


@dataclass(frozen=True, eq=False)
class Apply:
    """A kernel applied to the boxes of its inputs."""

    kernel: Kernel[Any, Any]
    parameters: tuple[tuple[str, Any], ...]
    inputs: tuple[Expression, ...]
    footprint: Footprint
    shape: Triple
    dtype: np.dtype[Any]
    located: bool = False

    @cached_property
    def identity(self) -> str:
        """Equal for equal kernels, versions, parameters and inputs."""
        inputs = [i.identity for i in self.inputs]
        return fingerprint(self.kernel, self.parameters, inputs, self.footprint, list(self.shape), self.dtype)

    @property
    def values(self) -> list[Value]:
        """The parameters that other computations deliver."""
        return [v for _, v in self.parameters if isinstance(v, Value)]

    def demand(self, box: VoxelBox, *, halo: bool = True) -> list[VoxelBox]:
        """The box of each input that a box of the output needs, inside the image."""
        if self.footprint.gather is not None:
            return list(self.footprint.gather(box, **dict(self.parameters)))
        wide = box.expand(self.footprint.halo) if halo and any(self.footprint.halo) else box
        return [wide & VoxelBox((0, 0, 0), i.shape) for i in self.inputs]


Expression = Read | Blocks | Apply


def walk(*roots: Expression) -> list[Expression]:
    """All nodes below (and with) the roots, every node after its inputs, each once."""
    found: dict[str, Expression] = {}

    def visit(node: Expression) -> None:
        if node.identity in found:
            return
        for item in node.inputs:
            visit(item)
        found[node.identity] = node

    for root in roots:
        visit(root)
    return list(found.values())


def required(wanted: list[tuple[Expression, VoxelBox]], *, halo: bool = True) -> dict[str, VoxelBox]:
    """For every node below the wanted ones, by identity, the smallest box of it that serves them all."""
    boxes: dict[str, VoxelBox] = {}

    def ask(node: Expression, box: VoxelBox) -> None:
        before = boxes.get(node.identity)
        boxes[node.identity] = box if before is None else before | box

    for node, box in wanted:
        ask(node, box)
    for node in reversed(walk(*(n for n, _ in wanted))):
        if isinstance(node, Apply):
            for item, box in zip(node.inputs, node.demand(boxes[node.identity], halo=halo)):
                ask(item, box)
    return boxes


Margin = tuple[Triple, Triple]
"""How many voxels more of a root are wanted than a block has: before it and after it, along (z, y, x)."""


def wide(roots: Sequence[Expression], margins: Sequence[Margin], box: VoxelBox) -> list[tuple[Expression, VoxelBox]]:
    """Each root with the box of it that a block's task wants: the block's with its margin, inside the image; no margins are margins of 0."""
    if not margins:
        return [(root, box) for root in roots]
    return [(root, box.grow(*margin) & VoxelBox.whole(root.shape)) for root, margin in zip(roots, margins)]


def replaced(root: Expression, leaf_for: Mapping[str, Expression]) -> Expression:
    """The expression with leaves replaced by identity; every node is made once."""
    done: dict[str, Expression] = {}
    for node in walk(root):
        if node.identity in leaf_for:
            done[node.identity] = leaf_for[node.identity]
        elif isinstance(node, Apply):
            inputs = tuple(done[i.identity] for i in node.inputs)
            done[node.identity] = Apply(node.kernel, node.parameters, inputs, node.footprint, node.shape, node.dtype, node.located)
        else:
            done[node.identity] = node
    return done[root.identity]


def leaves(*roots: Expression) -> Iterator[Read | Blocks]:
    """The leaves below the roots, each once."""
    for node in walk(*roots):
        if not isinstance(node, Apply):
            yield node


def values(*roots: Expression) -> list[Value]:
    """The lazy parameters below the roots, each once."""
    found = {v.identity: v for node in walk(*roots) if isinstance(node, Apply) for v in node.values}
    return list(found.values())


def reach(*roots: Expression, margins: Sequence[Margin] = ()) -> dict[str, Triple | None]:
    """How far from a box of the roots each node is looked at, in voxels; None where a resampling lies between.

    By identity, as :func:`required`: whatever serves several paths serves the farthest.
    """
    found: dict[str, Triple | None] = {root.identity: (0, 0, 0) for root in roots}
    for root, (low, high) in zip(roots, margins):
        found[root.identity] = _largest(found[root.identity] or (0, 0, 0), _largest(low, high))
    for node in reversed(walk(*roots)):
        if isinstance(node, Apply):
            far = found[node.identity]
            if node.footprint.gather is not None and not node.footprint.rigid:
                far = None
            if far is not None:
                a, b, c = (m + n for m, n in zip(far, node.footprint.halo))
                far = (a, b, c)
            for item in node.inputs:
                before = found.get(item.identity, far)
                found[item.identity] = None if before is None or far is None else _largest(before, far)
    return found


def _largest(first: Triple, second: Triple) -> Triple:
    a, b, c = map(max, first, second)
    return a, b, c
