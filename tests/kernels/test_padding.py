import array_api_strict
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxelrock.errors import ParameterError
from voxelrock.kernels.padding import MODES, pad

NUMPY = {"reflect": "symmetric", "nearest": "edge", "mirror": "reflect", "wrap": "wrap"}
lengths = st.tuples(*[st.integers(1, 5)] * 3)
borders = st.tuples(*[st.integers(0, 9)] * 3)


@pytest.mark.parametrize("mode", MODES)
def test_padding_is_numpys(mode):
    @given(lengths, borders, borders)
    def run(shape, before, after):
        block = np.arange(np.prod(shape), dtype="i4").reshape(shape)
        expected = np.pad(block, list(zip(before, after)), mode=NUMPY[mode])
        np.testing.assert_array_equal(pad(block, before=before, after=after, mode=mode), expected)
        there = pad(array_api_strict.asarray(block, device=array_api_strict.Device("device1")), before=before, after=after, mode=mode)
        np.testing.assert_array_equal(np.asarray(there.to_device(array_api_strict.Device("CPU_DEVICE"))), expected)

    run()


def test_nothing_to_add_costs_nothing():
    block = np.zeros((2, 2, 2))
    assert pad(block, before=(0, 0, 0), after=(0, 0, 0)) is block
    with pytest.raises(ParameterError, match="edge mode"):
        pad(block, before=(1, 0, 0), after=(0, 0, 0), mode="around")
