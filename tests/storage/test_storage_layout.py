"""How a new store is cut where the caller does not say."""

import numpy as np
import pytest

from voxelrock import options
from voxelrock.errors import ParameterError
from voxelrock.storage.layout import choose

U2 = np.dtype("u2")
GENEROUS = 2**32


@pytest.mark.parametrize(
    ("shape", "memory", "chunk", "shard"),
    [
        ((512, 512, 512), GENEROUS, 64, 256),
        ((256, 256, 256), GENEROUS, 64, 128),
        ((128, 128, 128), GENEROUS, 32, 64),
        ((512, 512, 512), 2**26, 32, 128),
        ((256, 256, 256), 2**26, 32, 128),
        ((512, 512, 512), 2**24, 16, 64),
    ],
)
def test_chunks_are_half_a_block_in_small_images_and_a_quarter_where_memory_bounds_it(shape, memory, chunk, shard):
    with options.set(memory=memory):
        layout = choose(shape, U2)
    assert layout.chunks == (chunk,) * 3
    assert layout.shards == layout.unit == (shard,) * 3


def test_units_along_an_axis_are_of_nearly_equal_lengths():
    with options.set(memory=GENEROUS):
        assert choose((300, 300, 300), U2).unit == (192, 192, 192)


def test_an_image_of_one_chunk_has_no_shards():
    with options.set(memory=GENEROUS):
        assert choose((20, 9, 1), U2).shards is None


def test_what_is_given_is_kept():
    layout = choose((100, 100, 100), U2, chunks=(10, 20, 50), shards=(20, 20, 100))
    assert (layout.chunks, layout.shards) == ((10, 20, 50), (20, 20, 100))
    with pytest.raises(ParameterError, match="whole numbers of chunks"):
        choose((100, 100, 100), U2, chunks=10, shards=25)
