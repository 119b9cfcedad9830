"""How long a graph takes, by what its kernels say they cost."""

import pytest

import voxelrock as vr
from voxelrock import filters
from voxelrock.graph.demand import demand
from voxelrock.kernels import catalogue
from voxelrock.kernels.backend import Kernel

IMAGE = vr.zeros(shape=256, dtype="u2")


@pytest.mark.parametrize(
    ("small", "large", "least", "most"),
    [
        (filters.gaussian(IMAGE, sigma_vx=1), filters.gaussian(IMAGE, sigma_vx=10), 3, 12),
        (filters.median(IMAGE, radius_vx=1), filters.median(IMAGE, radius_vx=3), 15, 60),
        (filters.percentile(IMAGE, radius_vx=2, percentile=20), filters.percentile(IMAGE, radius_vx=4, percentile=20), 3, 8),
        (filters.percentile(IMAGE, radius_vx=4, percentile=20, footprint="ball"), filters.percentile(IMAGE, radius_vx=4, percentile=20), 1.4, 2.1),
        (filters.non_local_means(IMAGE, search_vx=2, noise=1.0), filters.non_local_means(IMAGE, search_vx=4, noise=1.0), 4, 8),
        (filters.bilateral(IMAGE, sigma_vx=1, contrast=5.0), filters.bilateral(IMAGE, sigma_vx=2, contrast=5.0), 5, 9),
        (filters.total_variation(IMAGE, weight=5.0, iterations=5), filters.total_variation(IMAGE, weight=5.0, iterations=20), 3, 6),
        (filters.gradient_magnitude(IMAGE, sigma_vx=1), filters.gradient_magnitude(IMAGE, sigma_vx=4), 1.5, 4),
    ],
    ids=lambda value: value.history[-1]["operation"] if isinstance(value, vr.VoxelImage) else "",
)
def test_larger_windows_take_longer(small, large, least, most):
    first, second = (demand(image.data).core_seconds for image in (small, large))
    assert least * first < second < most * first, (first, second)


def test_costs_of_usual_parameters_are_the_declared_ones():
    """What a kernel declares, and lists of kernels show, is what it gives for parameters that people use."""
    usual = {
        "gaussian": {"sigma": (1.0, 1.0, 1.0)},
        "median": {"radius": (1, 1, 1)},
        "percentile": {"radius": (2, 2, 2)},
        "non_local_means": {"search": (2, 2, 2), "patch": (1, 1, 1)},
        "bilateral": {"sigma": (1.0, 1.0, 1.0)},
        "total_variation": {"iterations": 30},
        "diffuse": {"steps": 5},
        "structure_tensor_eigenvalue": {"sigma": (1.0, 1.0, 1.0), "integration": (2.0, 2.0, 2.0)},
    }
    usual |= dict.fromkeys(("gaussian_derivative", "gradient_magnitude", "laplacian_of_gaussian", "hessian_eigenvalue"), usual["gaussian"])
    scaled: dict[str, Kernel] = {k.__name__: k for k in catalogue.kernels() if k.scaling is not None}
    assert set(scaled) == set(usual)
    for name, kernel in scaled.items():
        assert kernel.cost_of(usual[name].items()) == pytest.approx(kernel.cost, rel=0.1), name
