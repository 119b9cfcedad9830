"""Paged sources are decoded once, into scratch files that a resume uses again."""

import os
from dataclasses import dataclass, field

import numpy as np
import pytest

import voxelrock as vr
from voxelrock.errors import StorageError
from voxelrock.geometry import Tiling, VoxelBox
from voxelrock.graph.arrays import from_source
from voxelrock.graph.scratch import Scratch
from voxelrock.storage.saving import ZarrTarget


@dataclass(frozen=True)
class Pages:
    """Pages that count how often each is decoded."""

    array: np.ndarray = field(compare=False)
    decoded: list = field(default_factory=list, compare=False)
    identity: str = "pages"
    paged: bool = True

    @property
    def shape(self):
        return self.array.shape

    @property
    def dtype(self):
        return self.array.dtype

    @property
    def tile(self):
        return (1, *self.array.shape[1:])

    def read(self, box):
        self.decoded.extend(range(box.start[0], box.stop[0]))
        return self.array[box.slices].copy()


@pytest.fixture
def pages(voxels):
    return Pages(voxels((20, 33, 35)))


def image_of(pages):
    return vr.VoxelImage(from_source(pages, Tiling.regular(pages.shape, (4, 33, 35))), vr.VoxelGrid.of(shape=vr.ZYX(*pages.shape)))


@pytest.mark.parametrize("elsewhere", [False, True])
def test_each_page_is_decoded_once(tmp_path, pages, elsewhere):
    with vr.options.set(scratch=str(tmp_path / "scratch") if elsewhere else ""):
        found = vr.save(vr.filters.median(image_of(pages), radius_vx=1), tmp_path / "a.zarr", chunks=8, shards=16)
    np.testing.assert_array_equal(found.compute(), vr.filters.median(vr.from_array(pages.array), radius_vx=1).compute())
    assert sorted(pages.decoded) == list(range(20))
    assert os.listdir(tmp_path) == ["a.zarr"]
    assert ".voxelrock" not in os.listdir(tmp_path / "a.zarr")


def test_a_resume_uses_what_was_decoded(tmp_path, pages, monkeypatch):
    write = ZarrTarget.write

    def stop(self, index, *args):
        if index == (1, 1, 1):
            raise RuntimeError("power cut")
        write(self, index, *args)

    with monkeypatch.context() as patch:
        patch.setattr(ZarrTarget, "write", stop)
        with pytest.raises(RuntimeError, match="power cut"):
            vr.save(image_of(pages), tmp_path / "a.zarr", chunks=8, shards=16)
    found = vr.save(image_of(pages), tmp_path / "a.zarr", chunks=8, shards=16, resume=True)
    np.testing.assert_array_equal(found.compute(), pages.array)
    assert sorted(pages.decoded) == list(range(20))


def test_marks_without_their_file_mean_nothing(tmp_path, voxels):
    array = voxels((6, 5, 4))
    scratch = Scratch(str(tmp_path / "s" / "a.raw"), array.shape, array.dtype, "a")
    other = Scratch(str(tmp_path / "s" / "a.rawer"), array.shape, array.dtype, "b")
    for each in (scratch, other):
        each.begin()
        each.write((0, 0, 0), VoxelBox.whole(array.shape), array)
    assert scratch.marks() == {(0, 0, 0)}
    scratch.begin()
    np.testing.assert_array_equal(scratch.read(VoxelBox((1, 2, 1), (5, 4, 4))), array[1:5, 2:4, 1:4])
    assert scratch.read(VoxelBox((1, 2, 1), (1, 4, 4))).shape == (0, 2, 3)
    os.truncate(scratch.file, 100)
    with pytest.raises(StorageError, match=r"a\.raw is shorter than it was; save again"):
        scratch.read(VoxelBox.whole(array.shape))
    os.unlink(scratch.file)
    with pytest.raises(StorageError, match=r"the scratch folder .*s cannot be used \(No such file or directory\)"):
        scratch.read(VoxelBox.whole(array.shape))
    scratch.begin()
    assert scratch.marks() == frozenset()
    scratch.remove()
    assert other.marks() == {(0, 0, 0)}
    other.remove()
    assert not (tmp_path / "s").exists()
