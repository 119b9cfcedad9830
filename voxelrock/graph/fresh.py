"""Second passes with keys of their own.

An image that depends on a number found in the same image (its threshold, say) passes over it twice. If both passes shared the keys of its
blocks, Dask would keep every block alive from the first to the second. A second pass over blocks that tasks make therefore makes
them anew, under other names; what is data already (arrays in memory, futures) stays what it is, and so do small results, such as a threshold
or the names of a block's components, whatever they waited for.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import dask.array as da
from dask._task_spec import Alias, DataNode, GraphNode, Task, convert_legacy_graph
from dask.highlevelgraph import HighLevelGraph, MaterializedLayer
from dask.utils import ensure_dict

from voxelrock.graph.expressions import Blocks, Expression, Value, leaves, replaced
from voxelrock.graph.identity import fingerprint


def fresh(expression: Expression, lazy: list[Value]) -> Expression:
    """The expression with new names for every block that a lazy parameter is computed from too."""
    made = [(v.key[0], set(v.array.__dask_graph__().layers)) for v in lazy if v.array is not None]
    stale = [leaf for leaf in leaves(expression) if isinstance(leaf, Blocks) and any(leaf.name in names for own, names in made if own != leaf.name)]
    if not stale:
        return expression
    return _renewed(expression, stale, fingerprint(*(v.identity for v in lazy)))


def second_passes(expressions: Iterable[Expression]) -> list[Value]:
    """The leaves that wait for a whole image, as lazy values: what is combined with them must not wait in memory for as long.

    Such a leaf was made in two passes (a component's number depends on all blocks). If another leaf of the same operation were also one
    that its first pass looks at, all of its blocks would be alive when the second pass begins.
    """
    found = []
    for leaf in leaves(*expressions):
        layers = leaf.array.__dask_graph__().layers if isinstance(leaf, Blocks) and leaf.array is not None else {}
        if isinstance(leaf, Blocks) and any(hasattr(layer, "second") for layer in layers.values()):
            found.append(Value((leaf.name, 0, 0, 0), leaf.array))
    return found


def again(expression: Expression, seed: str) -> Expression:
    """The expression with new names for every block that a task makes: for an operation that itself passes twice over its images."""
    return _renewed(expression, [leaf for leaf in leaves(expression) if isinstance(leaf, Blocks)], seed)


def _renewed(expression: Expression, stale: list[Blocks], seed: str) -> Expression:
    return replaced(expression, {leaf.identity: _copy(leaf, seed) for leaf in stale}) if stale else expression


def _copy(leaf: Blocks, seed: str) -> Blocks:
    assert leaf.array is not None
    layered = leaf.array.__dask_graph__()
    kept = {key for layer in getattr(layered, "layers", {}).values() for key in getattr(layer, "small_keys", ())}
    old = convert_legacy_graph(ensure_dict(layered))
    names: dict[Any, Any] = {key: _rename(key, seed) for key in _behind(old, [(leaf.name, *index) for index in leaf.tiling], kept)}
    if not any((leaf.name, *index) in names for index in leaf.tiling):
        return leaf
    new = {}
    for key, node in old.items():
        new[names.get(key, key)] = node.substitute(names, key=names.get(key, key)) if isinstance(node, GraphNode) and not isinstance(node, DataNode) else node
    name = _rename(leaf.name, seed)
    for index in leaf.tiling:  # blocks that are data keep their keys; the copy refers to them by its own
        key = (leaf.name, *index)
        if key not in names:
            new[(name, *index)] = Alias((name, *index), key)
    array = da.Array(HighLevelGraph.from_collections(name, Copies(new, kept)), name, leaf.array.chunks, meta=leaf.array._meta)
    return Blocks(name, leaf.tiling, leaf.dtype, leaf.meaning, array)


class Copies(MaterializedLayer):
    """Renamed tasks; ``small_keys`` are results that a whole image went into, and that are not made anew."""

    def __init__(self, mapping: dict[Any, Any], small_keys: set[Any]) -> None:
        super().__init__(mapping)
        self.small_keys = small_keys


def _behind(graph: dict[Any, GraphNode], keys: list[Any], kept: set[Any]) -> list[Any]:
    """The tasks that blocks are made by, down to data and to small results: those are kept, for what they wait for is not needed again."""
    found: dict[Any, None] = {}
    waiting = list(keys)
    while waiting:
        key = waiting.pop()
        if key not in found and key not in kept and isinstance(graph[key], Task):
            found[key] = None
            waiting.extend(graph[key].dependencies)
    return list(found)


def _rename(key: Any, seed: str) -> Any:
    if isinstance(key, tuple):
        return (_rename(key[0], seed), *key[1:])
    return f"{key}-{seed[:12]}"
