"""Computing several lazy results in one reading."""

from __future__ import annotations

from typing import Any

from dask import config
from dask.array.optimization import optimize
from dask.base import get_scheduler, unpack_collections
from dask.highlevelgraph import HighLevelGraph, MaterializedLayer
from dask.system import CPU_COUNT
from dask.threaded import get as threaded_get

from voxelrock import options
from voxelrock.graph import overseers, places, progress
from voxelrock.graph.expressions import leaves
from voxelrock.graph.reductions import ReductionLayer


def compute(*results: Any, label: str = "computing") -> Any:
    """Compute lazy results together, reading each image once.

    Takes images, xarray objects, Dask arrays, and lists, tuples and dictionaries of them; gives the same with NumPy arrays inside (an
    image gives a NumPy array). Reductions over one image become one task per block, with the largest halo. One argument gives one result,
    several give a tuple.

    Examples
    --------
    >>> import voxelrock as vr
    >>> image = vr.full(shape=vr.ZYX(4, 4, 4), value=3, dtype="u1")
    >>> vr.compute({"mean": vr.statistics.summary(image)["mean"]})["mean"].item()
    3.0
    """
    collections, repack = unpack_collections(*results)
    if collections:
        graph = merge_readings(HighLevelGraph.merge(*(c.__dask_graph__() for c in collections)))
        keys = [c.__dask_keys__() for c in collections]
        values = execute(graph, keys, label)
        finished = []
        for collection, value in zip(collections, values):
            function, extra = collection.__dask_postcompute__()
            finished.append(function(value, *extra))
    else:
        finished = []
    computed = repack(finished)
    return computed[0] if len(results) == 1 else tuple(computed)


def execute(graph: Any, keys: list[Any], label: str) -> list[Any]:
    """Run a graph on the scheduler in force (threads, or the cluster of the current client)."""
    tasks = optimize(graph, keys)
    counted = [str(key[0]) for key in tasks if isinstance(key, tuple) and str(key[0]).startswith("part-") and "tree" not in key[0]]
    with progress.bar(len(counted), label, names=frozenset(counted)):
        return list(schedule(tasks, keys))


def schedule(tasks: Any, keys: list[Any], *, waiting: int = 0) -> Any:
    """Hand tasks to the scheduler in force: the cluster of the current client, or ``options.workers`` (Dask's ``num_workers``) threads.

    ``waiting`` threads come on top of one for each core, where tasks wait for the disk and would leave cores idle.
    """
    get = get_scheduler()
    if get is not None:
        overseer = overseers.current()
        if overseer is None:
            return get(dict(tasks), keys)
        found = overseer.run(dict(tasks), keys)
        places.sweep(overseer.unused)
        return found
    return threaded_get(dict(tasks), keys, num_workers=threads(waiting=waiting))


def threads(*, waiting: int = 0) -> int:
    """How many threads compute where there is no cluster."""
    return options.get().workers or config.get("num_workers", None) or CPU_COUNT + waiting


def merge_readings(graph: HighLevelGraph) -> HighLevelGraph:
    """Join reductions that share an image, a tiling and a depth of dependence into one layer of one task per block."""
    depths = _depths(graph)
    groups: dict[Any, list[list[str]]] = {}
    read = {name: _leaves(layer) for name, layer in graph.layers.items() if isinstance(layer, ReductionLayer)}
    for name, found in sorted(read.items()):
        alike = groups.setdefault((graph.layers[name].tiling, depths[name]), [])
        touching = [group for group in alike if any(read[other] & found for other in group)]
        alike[:] = [group for group in alike if group not in touching] + [[name, *(n for group in touching for n in group)]]
    layers, dependencies = dict(graph.layers), {k: set(v) for k, v in graph.dependencies.items()}
    for (tiling, _), alike in groups.items():
        for names in alike:
            if len(names) > 1:
                _join(layers, dependencies, names, tiling)
    return HighLevelGraph(layers, dependencies)


def _join(layers: dict[str, Any], dependencies: dict[str, set[str]], names: list[str], tiling: Any) -> None:
    members = {m.name(tiling): m for name in sorted(names) for m in layers[name].members}
    merged = ReductionLayer(tuple(members.values()), tiling)
    layers[merged.part] = merged
    dependencies[merged.part] = set().union(*(dependencies[n] for n in names))
    for needs in dependencies.values():
        if needs & set(names):
            needs.add(merged.part)
    for name in names:  # an empty layer keeps the name: what was made of the result (its half, say) looks for the layer by the array's name
        layers[name], dependencies[name] = MaterializedLayer({}), {merged.part}


def _leaves(layer: ReductionLayer) -> set[str]:
    return {leaf.identity for m in layer.members for leaf in leaves(*m.roots)}


def _depths(graph: HighLevelGraph) -> dict[str, int]:
    depths: dict[str, int] = {}
    for name in graph._toposort_layers():
        below = max((depths[d] for d in graph.dependencies[name]), default=0)
        depths[name] = below + isinstance(graph.layers[name], ReductionLayer)
    return depths
