"""Inside a task: read what is needed, run the chain of kernels on the host or on the device, hand back a host array."""

from __future__ import annotations

from typing import Any

import numpy as np

from voxelrock import options
from voxelrock.errors import MissingPackageError, VoxelrockError
from voxelrock.geometry import VoxelBox
from voxelrock.graph.expressions import Apply, Expression, Read, Value, required, walk
from voxelrock.kernels import backend
from voxelrock.kernels.padding import pad
from voxelrock.typing import Block, HostArray

Given = dict[str, tuple[VoxelBox, HostArray]]
"""What other tasks delivered: for a leaf's identity its box and voxels."""


def array_module() -> Any:
    """NumPy, or CuPy where this worker computes on a device, by ``options.device``.

    Raises
    ------
    MissingPackageError
        ``options.device`` is ``"gpu"`` and no device answers.
    """
    wanted = options.get().device
    if wanted == "cpu":
        return np
    found = backend.device_module()
    if found is None and wanted == "gpu":
        raise MissingPackageError("options.device is 'gpu', but this worker has no CUDA device that CuPy can use (pip install 'voxelrock[gpu]')")
    return np if found is None else found


def evaluate(wanted: list[tuple[Expression, VoxelBox]], given: Given, parameters: dict[str, Any], xp: Any = None) -> list[Block]:
    """The voxels of boxes of expressions; every node is computed once, on the smallest box that serves all, and freed after its last use.

    Errors of ours that a kernel raises name the box that it saw. What does not fit into a device's memory is computed on the host.
    """
    xp = array_module() if xp is None else xp
    if xp is np:
        return _evaluated(wanted, given, parameters, np)
    try:
        return _evaluated(wanted, given, parameters, xp)
    except MemoryError:  # outside of the clause, as the error keeps alive what the device held
        pass
    if xp.__name__ == "cupy":
        backend.release_device_memory()
    return _evaluated(wanted, given, parameters, np)


def _evaluated(wanted: list[tuple[Expression, VoxelBox]], given: Given, parameters: dict[str, Any], xp: Any) -> list[Block]:
    boxes = required(wanted)
    nodes = walk(*(node for node, _ in wanted))
    uses = _uses(nodes, wanted)
    done: dict[str, Block] = {}
    for node in nodes:
        box = boxes[node.identity]
        if isinstance(node, Apply):
            inputs = _inputs(node, box, boxes, done)
            for item in node.inputs:
                uses[item.identity] -= 1
                if not uses[item.identity]:
                    del done[item.identity]
            done[node.identity] = _apply(node, box, inputs, parameters, xp)
            del inputs
        else:
            done[node.identity] = _leaf(node, box, given, xp)
    return [_part(done[node.identity], box, boxes[node.identity]) for node, box in wanted]


def _uses(nodes: list[Expression], wanted: list[tuple[Expression, VoxelBox]]) -> dict[str, int]:
    uses = {node.identity: 0 for node in nodes}
    for node in nodes:
        for item in node.inputs:
            uses[item.identity] += 1
    for node, _ in wanted:
        uses[node.identity] += 1
    return uses


def _leaf(node: Expression, box: VoxelBox, given: Given, xp: Any) -> Block:
    if isinstance(node, Read):
        block = node.source.read(box) if box.size else np.empty(box.shape, node.dtype)
    else:
        have, block = given[node.identity]
        block = _part(block, box, have)
    return _placed(block, xp)


def _placed(block: Block, xp: Any) -> Block:
    """A block where its task computes; kernels that run on the host alone hand back host arrays."""
    if xp is np or not isinstance(block, np.ndarray):
        return block
    return backend.to_device(block) if xp.__name__ == "cupy" else xp.asarray(block)


def _part(block: Block, box: VoxelBox, have: VoxelBox) -> Block:
    return block if box == have else block[box.within(have).slices]


def _inputs(node: Apply, box: VoxelBox, boxes: dict[str, VoxelBox], done: dict[str, Block]) -> list[Block]:
    found: list[Block] = []
    if not box.size:
        return found
    for item, need in zip(node.inputs, node.demand(box)):
        block = _part(done[item.identity], need, boxes[item.identity])
        if any(node.footprint.halo):
            full = box.expand(node.footprint.halo)
            before = tuple(a - b for a, b in zip(need.start, full.start))
            after = tuple(b - a for a, b in zip(need.stop, full.stop))
            block = pad(block, before=before, after=after, mode=node.footprint.mode)
        found.append(block)
    return found


def _apply(node: Apply, box: VoxelBox, inputs: list[Block], parameters: dict[str, Any], xp: Any) -> Block:
    if not box.size:
        return xp.empty(box.shape, dtype=getattr(xp, node.dtype.name))
    keywords = {name: parameters[v.identity] if isinstance(v, Value) else v for name, v in node.parameters}
    if node.located:
        keywords.update(start=box.start, shape=box.shape, xp=xp)
    try:
        result = node.kernel(*inputs, **keywords)
    except VoxelrockError as error:
        raise error.at(box) from None
    same = result.dtype == node.dtype if isinstance(result, np.ndarray) else str(result.dtype).rsplit(".", 1)[-1] == str(node.dtype)
    if tuple(result.shape) != box.shape or not same:
        raise RuntimeError(
            f"{node.kernel!r} was to deliver {node.dtype} of shape {box.shape} for {box}, and delivered {result.dtype} of shape {tuple(result.shape)}",
        )
    return _placed(result, xp)
