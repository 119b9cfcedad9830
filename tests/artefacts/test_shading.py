import numpy as np
import pytest

import voxelrock as vr
from voxelrock.artefacts import correct_shading

SHAPE, AIR = 96, 12000.0


def shade(amount):
    z, y, x = np.meshgrid(*[np.linspace(-1, 1, SHAPE)] * 3, indexing="ij")
    return 1 + amount * (0.6 * z + 0.3 * y - 0.5 * x * y - 0.3 * x**2)


@pytest.fixture(scope="module")
def rock():
    return vr.generators.sandstone(shape=SHAPE, seed=1)


@pytest.fixture(scope="module")
def clean(rock):
    return vr.generators.ct_scan(rock, seed=3).compute().astype("f8")


def slabs(a, rock):
    """How much the solid's mean differs between slabs, across each axis."""
    quartz = rock.compute() == 1
    return np.array([[np.moveaxis(a, n, 0)[s][np.moveaxis(quartz, n, 0)[s]].mean() for s in np.split(np.arange(SHAPE), 8)] for n in range(3)]).std(axis=1)


@pytest.mark.parametrize("amount", [0.1, 0.25])
def test_shading_falls_to_what_a_clean_scan_has(rock, clean, amount):
    shaded = vr.from_array(np.rint(AIR + (clean - AIR) * shade(amount)).clip(0, 65535).astype("u2"))
    before, after = slabs(shaded.compute().astype("f8"), rock), slabs(correct_shading(shaded, air=AIR).compute(), rock)
    assert (after[:2] < before[:2] / 5).all()
    assert (after < slabs(clean, rock) + 0.02 * amount * 16000).all()

    truth = float(vr.statistics.porosity(rock))
    errors = [abs(float(vr.statistics.porosity(vr.segmentation.otsu(im, phase="dark"))) - truth) for im in (shaded, correct_shading(shaded, air=AIR))]
    assert errors[1] < errors[0]


def test_a_clean_scan_stays_as_it_is_within_its_noise(clean):
    change = correct_shading(vr.from_array(clean.astype("u2")), air=AIR).compute() - clean
    assert np.sqrt(np.mean(change**2)) < 0.06 * 2500  # of a voxel's noise


@pytest.mark.parametrize("kind", ["carbonate", "tight"])
def test_minerals_that_lie_unevenly_make_no_shade(kind):
    """Two minerals that overlap in grey, of which there is more here than there; hardly any pores."""
    clean = vr.generators.ct_scan(getattr(vr.generators, kind)(shape=SHAPE, seed=1), seed=3).compute().astype("f8")
    change = correct_shading(vr.from_array(clean.astype("u2")), air=14000).compute() - clean
    assert np.sqrt(np.mean(change**2)) < 0.1 * 2500  # of a voxel's noise
    shaded = 14000 + (clean - 14000) * shade(0.25)
    before, after = shaded - clean, correct_shading(vr.from_array(shaded), air=14000).compute() - clean
    assert np.std(after) < np.std(before) / 5


def test_air_is_guessed_where_pores_are_few():
    clean = vr.generators.ct_scan(vr.generators.tight(shape=SHAPE, seed=1), seed=3).compute().astype("f8")
    shaded = 14000 + (clean - 14000) * shade(0.25)
    change = correct_shading(vr.from_array(shaded)).compute() - clean
    assert np.std(change) < np.std(shaded - clean) / 3


def test_the_fit_does_not_depend_on_chunks(clean):
    array = clean[:40].astype("u2")
    for model in ("gain", "offset"):
        whole, pieces = (correct_shading(vr.from_array(array, block=block), model=model).compute() for block in (SHAPE, 17))
        assert whole.tobytes() == pieces.tobytes()


def test_offsets_are_subtracted():
    z, y, x = np.indices((24,) * 3)
    solid = (x + y + z) % 3 > 0
    scan = np.where(solid, 200.0, 20.0) + 0.5 * z - 0.01 * y * x
    flat = correct_shading(vr.from_array(scan.astype("f4")), model="offset", solid=(100, 300)).compute()
    assert np.ptp(flat[solid]) < 0.2
    assert abs(float(flat[solid].mean() - scan[solid].mean())) < 0.1


def test_a_polynomial_does_not_run_away_where_nothing_was_fitted():
    z, _, x = np.indices((32,) * 3)
    scan = (1000 + 20 * z + (x % 4 == 0) * -900).astype("u2")
    inner = vr.Box(low={"z": 8, "y": 8, "x": 8}, high={"z": 20, "y": 20, "x": 20})
    corrected = correct_shading(vr.from_array(scan), air=100, degree=2, solid=(700, 2000), where=inner).compute()
    assert np.isfinite(corrected).all()
    assert 0.5 < float(corrected.max() / scan.max()) < 1.5
    with pytest.raises(vr.errors.DataError, match="48 tiles of the image hold solid, too few for 35 terms"):
        correct_shading(vr.from_array(scan), air=100, degree=4, solid=(700, 2000), where=inner).compute()


def test_bad_input(clean):
    scan = vr.from_array(clean[:16, :16, :16].astype("u2"))
    with pytest.raises(vr.errors.ParameterError, match="'gain' or 'offset'"):
        correct_shading(scan, model="both")
    with pytest.raises(vr.errors.ParameterError, match="1 to 4"):
        correct_shading(scan, degree=5)
    with pytest.raises(vr.errors.ParameterError, match="below the solid"):
        correct_shading(scan, air=9, solid=(5, 100))
    with pytest.raises(vr.errors.ParameterTypeError, match="segmentation"):
        correct_shading(scan > 5)
    with pytest.raises(vr.errors.DataError, match="too few for 10 terms"):
        correct_shading(scan, solid=(60000, 60001)).compute()
    with pytest.raises(vr.errors.DataError, match="NaN"):
        correct_shading(vr.from_array(np.full((8, 8, 8), np.nan, "f4"))).compute()
    assert correct_shading(vr.from_array(clean[:1].astype("u2")), degree=1).compute().shape == (1, SHAPE, SHAPE)
