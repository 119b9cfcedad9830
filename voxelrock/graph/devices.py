"""On which kind of device an image is computed, where its last digits depend on that."""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np
from dask.base import get_scheduler
from dask.local import get_sync
from dask.threaded import get as threaded_get

from voxelrock.graph import overseers
from voxelrock.graph.evaluation import array_module
from voxelrock.graph.layers import BlockLayer, inexact
from voxelrock.graph.reductions import ReductionLayer


def device_of(data: da.Array) -> str | None:
    """``"gpu"`` or ``"cpu"``, by ``options.device`` and what this process or the workers have.

    None where every device gives the same bits, and where the processes that will compute cannot be asked.
    """
    if not any(inexact(*_roots(layer)) for layer in data.__dask_graph__().layers.values()):
        return None
    overseer = overseers.current()
    if overseer is not None:
        return overseer.device()
    if get_scheduler() not in (None, threaded_get, get_sync):
        return None
    return "cpu" if array_module() is np else "gpu"


def _roots(layer: Any) -> Any:
    if isinstance(layer, ReductionLayer):
        return layer.blocks.roots
    return layer.roots if isinstance(layer, BlockLayer) else ()
