"""The pattern whose tasks learn only at run time which voxels they need: a coarse survey of the whole image tells them.

The first pass reduces the image to a small survey. In the second each task reads what the survey says that it needs, and nothing else: from
the sources, where these are stored and little was done to their voxels on the way; else from what the first pass left, packed
(:mod:`voxelrock.graph.packed`). No task of the second pass depends on a block of the first, so none is kept alive; and any box of the result
can be made anywhere, so that what follows is fused with it, halos too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import dask.array as da
import numpy as np

from voxelrock.geometry import Tiling, VoxelBox
from voxelrock.graph.arrays import lift, tiling_of, to_array, value
from voxelrock.graph.evaluation import evaluate
from voxelrock.graph.expressions import Apply, Blocks, Expression, Footprint, Value, leaves, replaced, values, walk
from voxelrock.graph.identity import fingerprint
from voxelrock.graph.packed import Catalogue, Packed, pack
from voxelrock.graph.places import Place
from voxelrock.graph.reductions import Reduction
from voxelrock.graph.sources import is_paged
from voxelrock.kernels.backend import Kernel, kernel, to_host
from voxelrock.typing import Block, Triple

CHEAP = 4.0
"""Nanoseconds per voxel up to which the second pass does again what was done, voxel by voxel, to stored images."""


@dataclass(frozen=True)
class Surveyed:
    """Each block from boxes of the input that the whole input decides; the input is an image of codes from 0 to 3 (u1).

    Parameters
    ----------
    survey
        A located kernel from a block to a part of the survey.
    combine
        Parts to one part.
    finalize
        The last part to the survey: any object that is no sequence. It gets the keywords in ``finish``.
    search
        ``search(survey, box=…, read=…, **parameters)`` gives the block of a box; ``read(box)`` the codes of any box inside the image.
    """

    survey: Kernel[Any, Any]
    combine: Callable[[list[Any]], Any]
    finalize: Callable[..., Any]
    search: Kernel[Any, Any]

    def __call__(self, codes: da.Array, *, dtype: Any, finish: dict[str, Any], survey: dict[str, Any], **parameters: Any) -> da.Array:
        """Lazy; the tiling of the codes. ``survey`` holds the parameters of the survey. Two tasks a block, and a tree."""
        tiling = tiling_of(codes)
        expression = again(codes)
        if expression is None:
            found = self._packed(codes, finish, survey)
        else:
            image = to_array(expression, tiling)
            found = Reduction(self.survey, self.combine, self.finalize, located=True)(image, shape=(), dtype=object, finish=finish, **survey)
        meaning = fingerprint("survey", self.survey, lift(codes).identity, sorted(finish.items()), sorted(survey.items()))
        facts = {"found": value(found, meaning), **dict(_lazy(expression)), **parameters}
        node = Apply(Search(self.search, expression), tuple(sorted(facts.items())), (), Footprint(), tiling.shape, np.dtype(dtype), located=True)
        return to_array(node, tiling)

    def _packed(self, codes: da.Array, finish: dict[str, Any], survey: dict[str, Any]) -> da.Array:
        place, tiling = Place.of(codes.size / 4), tiling_of(codes)
        reduction = Reduction(packed_survey, _Joined(self.combine), _Finished(self.finalize, tiling, place), located=True)
        left: da.Array = reduction(codes, shape=(), dtype=object, finish=finish, survey=self.survey, place=place, parameters=survey)
        place.watch(left.dask)
        return left


def again(array: da.Array) -> Expression | None:
    """An array as an expression over sources alone, which any task can evaluate anywhere; None where that would cost too much."""
    expression = lift(array)
    while True:
        made = {leaf.identity: lift(leaf.array) for leaf in leaves(expression) if isinstance(leaf, Blocks) and leaf.array is not None}
        made = {identity: found for identity, found in made.items() if not isinstance(found, Blocks)}
        if not made:
            break
        expression = replaced(expression, made)
    if any(isinstance(leaf, Blocks) or is_paged(leaf.source) for leaf in leaves(expression)):
        return None
    done = [node for node in walk(expression) if isinstance(node, Apply)]
    looks_around = any(any(node.footprint.halo) or (node.footprint.gather is not None and not node.footprint.rigid) for node in done)
    return None if looks_around or sum(node.kernel.cost_of(node.parameters) for node in done) > CHEAP else expression


@kernel(cost=3.0, workspace=1.0, host_only="it writes what it leaves to memory or files of the host")
def packed_survey(
    block: Block, /, *, start: Triple, shape: Triple, survey: Kernel[Any, Any], place: Place, parameters: dict[str, Any]
) -> tuple[Any, list[Packed]]:
    """A part of the survey, and the block, packed. It runs on the host: a device's block is copied."""
    codes = to_host(block)
    box = VoxelBox(start, tuple(a + n for a, n in zip(start, shape)))  # type: ignore[arg-type]
    return survey(codes, start=start, shape=shape, **parameters), [pack(place, box, codes)]


@dataclass(frozen=True)
class _Joined:
    combine: Callable[[list[Any]], Any]

    def __call__(self, partials: list[Any]) -> Any:
        return self.combine([p[0] for p in partials]), [packed for p in partials for packed in p[1]]


@dataclass(frozen=True)
class _Finished:
    finalize: Callable[..., Any]
    tiling: Tiling
    place: Place

    def __call__(self, found: Any, **finish: Any) -> Any:
        return _Left(self.finalize(found[0], **finish), Catalogue(found[1], self.tiling, self.place))


@dataclass(frozen=True, eq=False)
class _Left:
    """What the first pass leaves where the second does not read the sources again."""

    survey: Any
    catalogue: Catalogue


class Search(Kernel[Any, Any]):
    """A search as a kernel without inputs, which makes any box of its result by what it reads itself; ``codes`` is None where they were packed."""

    def __init__(self, search: Kernel[Any, Any], codes: Expression | None) -> None:
        super().__init__(search.reference, cost=search.cost, exact=search.exact, version=search.version, workspace=search.workspace, host_only=search.host_only)
        self.search, self.codes = search, codes

    @property
    def identity(self) -> str:
        """That of the search, and of what it reads."""
        return fingerprint(self.search, "packed" if self.codes is None else self.codes.identity)

    def __reduce__(self) -> Any:
        return Search, (self.search, self.codes)

    def __call__(self, *, found: Any, start: Triple, shape: Triple, xp: Any, **parameters: Any) -> Block:
        """The block at a place; it runs on the host."""
        box = VoxelBox(start, tuple(a + n for a, n in zip(start, shape)))  # type: ignore[arg-type]
        lazy = {v.identity: parameters.pop(name) for name, v in _lazy(self.codes)}
        codes, survey = self.codes, found
        if codes is None:
            survey, read = found.survey, found.catalogue.read
        else:
            read = lambda box: to_host(evaluate([(codes, box)], {}, lazy)[0])  # noqa: E731
        block = self.search(survey, box=box, read=read, **parameters)
        return block if xp is np else xp.asarray(block)


def _lazy(codes: Expression | None) -> list[tuple[str, Value]]:
    """The lazy parameters of what a search reads, named."""
    return [(f"lazy {number}", v) for number, v in enumerate(values(codes) if codes is not None else ())]
