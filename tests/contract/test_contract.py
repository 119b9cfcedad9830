import subprocess
import sys

import dask
import dask.array as da
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import voxelrock as vr
from tests.contract.cases import CASES, COMPUTING, DESCRIBING, GENERATORS, SMALL, grey, tube_scan
from voxelrock.geometry import VoxelBox
from voxelrock.graph.arrays import lift
from voxelrock.graph.evaluation import evaluate
from voxelrock.graph.expressions import values as values_of
from voxelrock.graph.reductions import ReductionLayer
from voxelrock.graph.stitching import StitchedLayer
from voxelrock.testing import evaluate_foreign, foreign_voxels, raise_if_computed, reduce_foreign, stored

SHAPE = (9, 11, 8)
each = pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)


def cuts(length):
    """Any partition of an axis, one-voxel chunks included."""
    return st.sets(st.integers(1, length - 1), max_size=4).map(lambda s: tuple(np.diff([0, *sorted(s), length]).tolist()))


chunkings = st.tuples(*(cuts(n) for n in SHAPE))


def image_of(case, chunks, kind):
    array = grey(SHAPE, case.dtype)
    if kind == "stored":
        return stored(array, chunks)
    data = da.from_array(array, chunks=chunks)
    return vr.from_array(data)


def values(result):
    return np.asarray(result.compute(scheduler="sync") if isinstance(result, vr.VoxelImage) else result.compute(scheduler="sync").values)


def check(case, result):
    expected = np.asarray(case.truth(grey(SHAPE, case.dtype)))
    found = values(result)
    assert found.shape == expected.shape
    if case.tolerance:
        np.testing.assert_allclose(found, expected, rtol=case.tolerance, atol=case.tolerance * max(1, np.nanmax(np.abs(expected))))
    else:
        np.testing.assert_array_equal(found, expected)
        if found.dtype.kind == "f" and expected.dtype.kind == "f" and found.dtype == expected.dtype:
            assert found.tobytes() == expected.astype(found.dtype).tobytes()


@each
@pytest.mark.parametrize("kind", ["stored", "lazy"])
def test_equals_the_dense_truth_at_any_chunking(case, kind):
    if kind == "stored":

        @given(chunkings)
        def run(chunks):
            check(case, case.make(image_of(case, chunks, kind)))

        run()
    check(case, case.make(image_of(case, ((4, 5), (3, 1, 7), (8,)), kind)))


@each
def test_one_voxel_chunks(case):
    array = grey(SHAPE, case.dtype)
    if "slices" not in case.name and "crop" not in case.name:  # those index voxels that a smaller image does not have
        array = np.ascontiguousarray(array[2:6, 3:9, 2:6])
    chunks = tuple((1,) * n for n in array.shape)
    whole = values(case.make(stored(array)))
    assert whole.size
    assert values(case.make(stored(array, chunks))).tobytes() == whole.tobytes()


@each
def test_is_lazy_and_leaves_its_input_alone(case):
    array = grey(SHAPE, case.dtype)
    before = array.copy()
    with raise_if_computed():
        result = case.make(vr.from_array(array, block=4))
    values(result)
    np.testing.assert_array_equal(array, before)


@each
def test_blocks_are_as_declared(case):
    result = case.make(image_of(case, ((2, 7), (11,), (3, 5)), "stored"))
    data = result.data
    if not hasattr(data, "dask"):
        data = result.to_dataset("variable")["mean"].data
    blocks = dask.compute(*data.to_delayed().ravel(), scheduler="sync")
    shapes = [tuple(c) for c in np.stack(np.meshgrid(*data.chunks, indexing="ij"), -1).reshape(-1, data.ndim)] if data.ndim else [()]
    for block, shape in zip(blocks, shapes):
        assert block.dtype == data.dtype
        assert block.shape == tuple(shape)


def names():
    found = []
    for case in CASES:
        result = case.make(image_of(case, ((2, 7), (11,), (3, 5)), "stored"))
        found.append(str(result.__dask_keys__()))
    return found


def test_tokens_are_equal_twice_and_in_another_process():
    here = names()
    assert here == names()
    script = "from tests.contract.test_contract import names; print('\\n'.join(names()))"
    there = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert there.stdout.splitlines() == here


@each
def test_on_a_foreign_device(case):
    if case.device == "host":
        subject, name = case.public.split(".")
        assert "runs on the host" in getattr(getattr(vr, subject), name).__doc__
        return
    result = case.make(image_of(case, tuple((n,) for n in SHAPE), "stored"))
    graph = result.__dask_graph__()
    stitched = [layer for layer in graph.layers.values() if isinstance(layer, StitchedLayer)]
    for layer in stitched:
        assert layer.stitching.label.host_only  # declared: a device's block is copied
        for root in layer.roots:
            if not values_of(root):
                np.testing.assert_array_equal(foreign_voxels(root), evaluate([(root, VoxelBox.whole(SHAPE))], {}, {})[0])
    if stitched:
        return
    if isinstance(result, vr.VoxelImage) and not values_of(lift(result.data)):
        np.testing.assert_array_equal(evaluate_foreign(result), values(result))
        return
    layers = [layer for layer in graph.layers.values() if isinstance(layer, ReductionLayer) and not layer.inputs.values]
    assert layers
    for layer in layers:
        if all(m.reduction.chunk.host_only for m in layer.members):  # declared: a device's block is copied
            continue
        keys = [(m.name(layer.tiling), *(0,) * len(m.shape)) for m in layer.members]
        for found, expected in zip(reduce_foreign(layer), dask.get(dict(layer), keys)):
            np.testing.assert_array_equal(found, expected)


def one_nan(values):
    """With the same NaN everywhere: a device makes another one than a host."""
    return np.where(np.isnan(values), np.nan, values).astype(values.dtype) if values.dtype.kind == "f" else values


@pytest.mark.gpu
@each
def test_on_a_gpu(case):
    image = image_of(case, ((4, 5), (3, 1, 7), (8,)), "stored")
    with vr.options.set(device="gpu"):
        device = values(case.make(image))
    with vr.options.set(device="cpu"):
        host = values(case.make(image))
    if case.device in ("bitwise", "host"):
        assert one_nan(device).tobytes() == one_nan(host).tobytes()
    else:
        np.testing.assert_allclose(device, host, rtol=1e-6)


def test_every_public_operation_has_a_case():
    missing = []
    for subject in ("filters", "statistics", "segmentation", "generators", "labels", "morphology", "structure", "artefacts", "registration"):
        module = getattr(vr, subject)
        missing += [f"{subject}.{name}" for name in module.__all__ if not any(c.public == f"{subject}.{name}" for c in CASES)]
    assert not [name for name in missing if name.removeprefix("generators.") not in (*GENERATORS, *DESCRIBING, *COMPUTING, "Scanner")]


@pytest.mark.parametrize("name", GENERATORS)
def test_a_generated_voxel_follows_from_its_index(name):
    make = GENERATORS[name]
    with raise_if_computed():
        whole = make(shape=SMALL, block=SMALL)
    expected = whole.compute(scheduler="sync")
    for block in ((7, 5, 3), (2, 11, 1)):
        assert make(shape=SMALL, block=block).compute(scheduler="sync").tobytes() == expected.tobytes()
    np.testing.assert_array_equal(whole[5:, 2:4, 7].compute(), expected[5:, 2:4, 7:8])


@pytest.mark.parametrize("name", [name for name, make in DESCRIBING.items() if make is not None])
def test_what_describes_an_image_at_the_call_heeds_no_chunks(name):
    make, array = DESCRIBING[name], tube_scan()
    before = array.copy()
    whole = make(vr.from_array(array))

    @given(st.tuples(*(cuts(n) for n in array.shape)))
    def run(chunks):
        assert make(stored(array, chunks)) == whole
        assert make(vr.from_array(da.from_array(array, chunks=chunks))) == whole

    run()
    assert whole != make(vr.from_array(array[:, :, :-6].copy()))
    np.testing.assert_array_equal(array, before)
