"""Images whose last digits depend on the kind of device say where they were computed, and are never computed half here, half there."""

import dask
import numpy as np
import pytest
import zarr

import voxelrock as vr
from voxelrock.errors import UnfinishedError
from voxelrock.graph import devices
from voxelrock.storage import saving

IMAGE = np.arange(8**3, dtype="u2").reshape(8, 8, 8)


def computed(image):
    return [entry["parameters"] for entry in image.history if entry["operation"] == "compute"]


def test_the_history_names_the_device_where_it_matters(tmp_path, monkeypatch):
    image = vr.from_array(IMAGE)
    logarithm = np.log(image + 1.0)
    assert computed(vr.save(logarithm, tmp_path / "host.zarr")) == [{"device": "cpu"}]
    assert computed(vr.save(vr.filters.gaussian(logarithm, sigma_vx=1), tmp_path / "later.zarr")) == [{"device": "cpu"}]
    assert computed(vr.save(vr.open(tmp_path / "host.zarr") + 1, tmp_path / "stored.zarr")) == [{"device": "cpu"}]  # of what it was made of
    assert computed(vr.save(vr.filters.gaussian(image, sigma_vx=1), tmp_path / "exact.zarr")) == []
    assert computed(vr.save(logarithm, zarr.storage.MemoryStore())) == [{"device": "cpu"}]
    with dask.config.set(scheduler="processes"):  # which nobody asked what they compute on
        assert devices.device_of(logarithm.data) is None
    monkeypatch.setattr(devices, "array_module", lambda: object())
    assert computed(vr.save(logarithm, tmp_path / "device.zarr")) == [{"device": "gpu"}]
    above = vr.segmentation.threshold(image, high=vr.statistics.summary(logarithm)["mean"])
    assert computed(vr.save(above, tmp_path / "above.zarr")) == [{"device": "gpu"}]


def test_a_save_goes_on_where_it_began(tmp_path, monkeypatch):
    broken = [True]

    def values(z, y, x):
        if broken and z.max() > 3:
            raise RuntimeError("the lamp went out")
        return z + y + x

    image = np.log(vr.from_function(values, shape=8, dtype="u1", block=4) + 1.0)
    with pytest.raises(RuntimeError, match="the lamp"):
        vr.save(image, tmp_path / "log.zarr", chunks=4, shards=None)
    broken.clear()
    with monkeypatch.context() as patch:
        patch.setattr(saving, "device_of", lambda data: "gpu")
        with pytest.raises(UnfinishedError, match=r"another device \(cpu then, gpu now\)"):
            vr.save(image, tmp_path / "log.zarr", chunks=4, shards=None, resume=True)
    found = vr.save(image, tmp_path / "log.zarr", chunks=4, shards=None, resume=True)
    np.testing.assert_allclose(found.compute(), np.log(np.indices((8, 8, 8)).sum(0) + 1.0), rtol=1e-6)
