"""The pattern that makes numbers from images: a partial result per block, joined in a tree, finished once."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import dask.array as da
import numpy as np
from dask._task_spec import List, Task, TaskRef
from dask.highlevelgraph import HighLevelGraph

from voxelrock.errors import VoxelrockError
from voxelrock.geometry import Tiling, VoxelBox
from voxelrock.graph import progress
from voxelrock.graph.arrays import check_shapes, lift, tiling_of, value
from voxelrock.graph.expressions import Apply, Expression, Margin, Read, Value, wide
from voxelrock.graph.fresh import fresh, second_passes
from voxelrock.graph.identity import fingerprint
from voxelrock.graph.layers import BlockLayer, Inputs, LazyLayer, as_it_is
from voxelrock.graph.palettes import Palette, on_values, only_source, palette
from voxelrock.graph.patterns import RECOMPUTATION, blocks_of, recomputation
from voxelrock.graph.trees import FAN_IN, below, levels, nodes
from voxelrock.kernels.backend import Kernel
from voxelrock.typing import Block, HostArray, Triple

Combine = Callable[[list[Any]], Any]
Finalize = Callable[..., HostArray]

NO_MARGIN: Margin = ((0, 0, 0), (0, 0, 0))


@dataclass(frozen=True)
class Reduction:
    """An associative reduction.

    Parameters
    ----------
    chunk
        A kernel from blocks to a partial result: host arrays, numbers, or lists and mappings of them.
    combine
        A list of partial results to one. Associative and commutative, so that blocks do not matter; those that it joins are neighbours
        that fill a box.
    finalize
        The last partial result to an array of the declared shape; gets the keywords named in ``finish``.
    located
        Whether ``chunk`` also gets ``start`` and ``shape``.
    margin
        ``margin(**parameters)`` gives how many voxels before and after each block ``chunk`` sees too, those beyond the image left out; it then
        gets ``core``, the block's own voxels as a box of what it sees.
    """

    chunk: Kernel[Any, Any]
    combine: Combine
    finalize: Finalize
    located: bool = False
    margin: Callable[..., Margin] | None = None

    def __call__(self, *images: da.Array, shape: tuple[int, ...], dtype: Any, finish: dict[str, Any] | None = None, **parameters: Any) -> da.Array:
        """A lazy array of one block; every call of the chunk kernel gets ``parameters``, which may be lazy numbers.

        Raises
        ------
        ParameterError
            The images have different shapes.
        """
        check_shapes(images)
        pairs = tuple(sorted((k, value(v) if isinstance(v, da.Array) else v) for k, v in parameters.items()))
        lazy = [v for _, v in pairs if isinstance(v, Value)]
        lifted = [lift(image) for image in images]
        lazy += second_passes(lifted)
        margin = NO_MARGIN if self.margin is None else self.margin(**parameters)
        roots = tuple(_affordable(fresh(expression, lazy), margin, tiling_of(image)) for expression, image in zip(lifted, images))
        member = Member(self, roots, pairs, tuple(sorted((finish or {}).items())), tuple(shape), np.dtype(dtype), margin)
        layer = ReductionLayer((member,), tiling_of(images[0]))
        graph = HighLevelGraph.from_collections(member.name(layer.tiling), layer, dependencies=layer.blocks.upstream())
        return da.Array(graph, member.name(layer.tiling), tuple((n,) for n in shape), meta=np.empty((0,) * len(shape), dtype))


def _affordable(root: Expression, margin: Margin, tiling: Tiling) -> Expression:
    """What a reduction with a margin reads: blocks of their own where computing their margins again would cost too much."""
    if margin == NO_MARGIN or not isinstance(root, Apply):
        return root
    return blocks_of(root, tiling) if recomputation(root, tiling, margin) > RECOMPUTATION else root


@dataclass(frozen=True)
class Member:
    """One reduction of a reading: what it reduces, how, and the shape of its result."""

    reduction: Reduction
    roots: tuple[Expression, ...]
    parameters: tuple[tuple[str, Any], ...]
    finish: tuple[tuple[str, Any], ...]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    margin: Margin = NO_MARGIN

    def name(self, tiling: Tiling) -> str:
        """The name of the result's array."""
        facts = self.reduction.chunk, self.reduction.combine, self.reduction.finalize, [r.identity for r in self.roots], self.parameters, self.finish
        return f"{self.reduction.chunk.__name__}-{fingerprint(*facts, list(self.shape), self.dtype, tiling.chunks)[:32]}"

    def place(self, box: VoxelBox) -> dict[str, Any]:
        """What the chunk kernel is told of where its block lies."""
        found: dict[str, Any] = {"start": box.start, "shape": box.shape} if self.reduction.located else {}
        if self.reduction.margin is not None:
            found["core"] = box.within(wide(self.roots[:1], (self.margin,), box)[0][1])
        return found

    def keywords(self, lazy: dict[str, Any]) -> dict[str, Any]:
        """The parameters of the chunk kernel, of which some are lazy numbers."""
        return {k: lazy[v.identity] if isinstance(v, Value) else v for k, v in self.parameters}

    @property
    def source(self) -> Read | None:
        """The image whose values alone decide the result, wherever they lie; None where there is none."""
        alone = self.reduction.chunk.weighted_body is not None and not self.reduction.located and self.margin == NO_MARGIN
        return only_source(*self.roots) if alone else None

    def weighted(self, values: HostArray, numbers: HostArray, box: VoxelBox, lazy: dict[str, Any]) -> Any:
        """The partial result of a block in which values occur so many times."""
        body: Any = self.reduction.chunk.weighted_body
        try:
            return body(numbers, *(on_values(root, values, lazy) for root in self.roots), **self.keywords(lazy))
        except VoxelrockError as error:
            raise error.at(box) from None

    @property
    def values(self) -> tuple[Value, ...]:
        """The lazy numbers among the parameters."""
        return tuple(v for _, v in self.parameters if isinstance(v, Value))

    @property
    def work(self) -> Hashable:
        """Members whose work is equal differ in how they finish alone: they share their partial results."""
        facts = self.reduction.chunk, self.reduction.combine, self.reduction.located, self.margin
        return fingerprint(*facts, [r.identity for r in self.roots], self.parameters)


@dataclass(frozen=True)
class _Partials:
    members: tuple[Member, ...]

    def __call__(self, box: VoxelBox, blocks: list[Block], lazy: dict[str, Any]) -> list[Any]:
        """One result for each member, of which each has its own work."""
        results, at = [], 0
        for member in self.members:
            own = blocks[at : at + len(member.roots)]
            at += len(member.roots)
            try:
                results.append(member.reduction.chunk(*own, **member.keywords(lazy), **member.place(box)))
            except VoxelrockError as error:
                raise error.at(box) from None
        progress.advance()
        return results

    @cached_property
    def sources(self) -> tuple[Read, ...]:
        """The images whose values alone decide the results, one for each member; none where a member needs more."""
        found = tuple(member.source for member in self.members)
        return () if None in found else found  # type: ignore[return-value]

    def known(self, box: VoxelBox, lazy: dict[str, Any]) -> list[Any] | None:
        """The same results from how often each value occurs, where every source knows that without reading."""
        palettes: dict[str, Palette] = {}
        for source in self.sources:
            found = palettes.get(source.identity) or palette(source, box)
            if found is None:
                return None
            palettes[source.identity] = found
        results = [member.weighted(*palettes[source.identity], box, lazy) for member, source in zip(self.members, self.sources)]
        if not results or any(result is None for result in results):
            return None
        progress.advance()
        return results


def combine_members(members: tuple[Member, ...], partials: list[list[Any]]) -> list[Any]:
    """Join the partial results of several blocks, reduction by reduction."""
    return [m.reduction.combine([p[i] for p in partials]) for i, m in enumerate(members)]


def finish_member(number: int, member: Member, partials: list[list[Any]]) -> HostArray:
    """Join the last partial results of one work and finish them for a member."""
    last = member.reduction.combine([p[number] for p in partials])
    return np.asarray(member.reduction.finalize(last, **dict(member.finish)), dtype=member.dtype).reshape(member.shape)


class ReductionLayer(LazyLayer):
    """One task per block for all its members, a tree in which eight neighbours join, and one task per member that finishes.

    ``works`` are members of which each has other work; what the others do is done once.
    """

    def __init__(self, members: tuple[Member, ...], tiling: Tiling) -> None:
        super().__init__()
        self.members, self.tiling = members, tiling
        self.part = "part-" + fingerprint([m.name(tiling) for m in members])[:32]
        self.works = tuple({m.work: m for m in reversed(members)}.values())[::-1]
        roots = tuple(root for m in self.works for root in m.roots)
        extra = tuple(v for m in self.works for v in m.values)
        wanted = tuple(m.margin for m in self.works for _ in m.roots)
        margins = wanted if any(margin != NO_MARGIN for margin in wanted) else ()
        self.blocks = BlockLayer(self.part, roots, tiling, _Partials(self.works), extra, margins=margins)

    def tasks(self) -> Iterator[Task]:
        """Partial results, tree, results."""
        yield from self.blocks.tasks()
        keys: dict[Triple, Any] = {index: (self.part, *index) for index in self.tiling}
        works = f"{self.part}-works"
        yield Task(works, as_it_is, self.works)
        for level, (counts, above) in enumerate(levels(self.tiling.blocks, least=FAN_IN)):
            joined: dict[Triple, Any] = {}
            for index in nodes(above):
                joined[index] = f"{self.part}-tree", level, *index
                yield Task(joined[index], combine_members, TaskRef(works), List(*(TaskRef(keys[i]) for i in below(index, above, counts))))
            keys = joined
        numbers = {m.work: i for i, m in enumerate(self.works)}
        for member in self.members:
            last: Any = (member.name(self.tiling), *(0,) * len(member.shape))
            yield Task(last, finish_member, numbers[member.work], member, List(*map(TaskRef, keys.values())))

    @property
    def small_keys(self) -> set[Any]:
        """The results: a second pass uses them as they are."""
        return {(m.name(self.tiling), *(0,) * len(m.shape)) for m in self.members}

    @property
    def inputs(self) -> Inputs:
        """What the partial results need."""
        return self.blocks.inputs
