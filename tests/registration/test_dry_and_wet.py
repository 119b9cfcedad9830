"""What registration is for: scans of a rock before and after it was filled, laid on one another, subtracted."""

import numpy as np
import scipy.ndimage as ndi

import voxelrock as vr
from tests.registration.scans import DRY, rock, scan
from voxelrock.registration import Transform, register, resample

EDGE = 80
FLUID, AIR = 22000.0, 14000.0
POROSITY = {0: 1.0, 5: 0.4}
WET = DRY | {label: DRY[label] + share * (FLUID - AIR) for label, share in POROSITY.items()}
HALF = DRY | {label: DRY[label] + 0.5 * share * (FLUID - AIR) for label, share in POROSITY.items()}
MIDDLE = (EDGE - 1) / 2
ROCK = {"edge": EDGE, "noise": 1500.0}


def test_porosity_and_saturation_from_scans_that_were_moved():
    """Total porosity and saturation to 0.01, voxel by voxel far better than as they lay."""
    dry = scan(DRY, seed=1, **ROCK)
    wet = scan(WET, Transform.rigid(angle=1.7, axis=(2, 1, -1), center=MIDDLE, shift=(2.6, -1.3, 3.4)), seed=2, **ROCK)
    half = scan(HALF, Transform.rigid(angle=-0.8, axis=(0, 1, 1), center=MIDDLE, shift=(-1.5, 0.4, 2.2)), seed=3, **ROCK)
    inner = vr.Box(low={"z": 8, "y": 8, "x": 8}, high={"z": EDGE - 9, "y": EDGE - 9, "x": EDGE - 9})

    onto = {}
    for name, moved in (("wet", wet), ("half", half)):
        found = register(moved, dry, metric="mutual information")
        assert not found.warnings
        onto[name] = resample(moved, like=dry, transform=found.transform, order="cubic")

    truth = sum(share * (rock(EDGE).compute()[16:-16, 16:-16, 16:-16] == label) for label, share in POROSITY.items())
    within = np.s_[8:-8, 8:-8, 8:-8]
    before, after = (
        ndi.gaussian_filter(vr.structure.porosity_map(dry, image, fluid=FLUID, air=AIR).crop(inner).compute(), 1)
        for image in (wet.assign_grid(dry.grid), onto["wet"])
    )
    smooth = ndi.gaussian_filter(truth[within], 1)
    assert abs(after.mean() - truth[within].mean()) < 0.01
    assert np.std(after - smooth) < 0.4 * np.std(before - smooth)

    saturation = vr.structure.saturation_map(onto["half"], dry=dry, saturated=onto["wet"], least=2000)
    assert float(vr.statistics.summary(saturation, where=inner)["count"]) > 0
    added, room = (vr.statistics.summary(onto[name] - dry, where=inner)["mean"] for name in ("half", "wet"))
    assert abs(float(added) / float(room) - 0.5) < 0.01
