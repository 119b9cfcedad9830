"""Writing and reading with each named codec: grey values, a mask, float32."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

import voxelrock as vr
from benchmarks import stores
from benchmarks.model import Contender, Family, Job, Operation, Timed, Work
from voxelrock.storage.codecs import CODECS, resolve


def _image(job: Job, kind: str) -> vr.VoxelImage:
    array = stores.read(job.grey) if kind == "grey u2" else np.load(job.data / ("mask.npy" if kind == "mask" else "field.npy"))
    return vr.from_array(array)


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _writing(kind: str, codec: str) -> Callable[[Job], Work]:
    def make(job: Job) -> Work:
        image = _image(job, kind)

        def work() -> Timed:
            stored = vr.save(image, job.result, codec=codec)
            plain = stored.size * stored.dtype.itemsize
            return Timed(job.result, {"compression": round(plain / _bytes(job.result), 2)})

        return work

    return make


def _reading(kind: str, codec: str) -> Callable[[Job], Work]:
    def make(job: Job) -> Work:
        vr.save(_image(job, kind), job.result, codec=codec)
        return lambda: vr.open(job.result).compute()

    return make


def _operation(kind: str, default: str, data: tuple[str, ...]) -> list[Operation]:
    names = {default: f"{default} (default)"} | {codec: codec for codec in CODECS if codec not in ("auto", default)}
    made = []
    for verb, maker in (("write", _writing), ("read", _reading)):
        made.append(Operation(f"{kind}, {verb}", tuple(Contender(name, maker(kind, codec)) for codec, name in names.items()), data=data))
    return made


FAMILY = Family(
    "codecs",
    "Codecs by name",
    (
        *_operation("grey u2", resolve("auto", np.dtype("u2"), labels=False), ("grey.zarr",)),
        *_operation("mask", resolve("auto", np.dtype(bool), labels=False), ("mask.npy",)),
        *_operation("float32", resolve("auto", np.dtype("f4"), labels=False), ("field.npy",)),
    ),
    size=256,
    columns=("compression",),
    notes="From and to memory; written stores are flushed to disk.",
)
