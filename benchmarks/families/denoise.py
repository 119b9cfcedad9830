"""Denoising of a u2 scan, float32 out, from store to store: each method beside the libraries that have it, at equal parameters."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import voxelrock as vr
from benchmarks import peers, stores
from benchmarks.model import VOXELROCK, Contender, Family, Job, Maker, Operation, Work

_NOISE = 2000.0
_SEARCH, _PATCH = 4, 1
_WEIGHT, _STEPS = 2000.0, 20
_CONTRAST, _TIMES = 4000.0, 10
_SIGMA, _TRUNCATE = 1.5, 2.0
_RADIUS = 2


def ours(method: Callable[[vr.VoxelImage], vr.VoxelImage]) -> Maker:
    """A method of voxelrock, store to store."""

    def make(job: Job) -> Work:
        def work() -> Path:
            vr.save(method(vr.open(job.grey)), job.result)
            return job.result

        return work

    return make


def nl_means(threads: int) -> Callable[[Any], Any]:
    restoration = peers.load("skimage.restoration")
    options = {"patch_size": 2 * _PATCH + 1, "patch_distance": _SEARCH, "h": _NOISE, "sigma": _NOISE, "fast_mode": True}
    return lambda image: restoration.denoise_nl_means(image.astype("f4"), **options)


def chambolle(threads: int) -> Callable[[Any], Any]:
    restoration = peers.load("skimage.restoration")
    return lambda image: restoration.denoise_tv_chambolle(image.astype("f4"), weight=_WEIGHT, eps=0, max_num_iter=_STEPS + 1)


def sitk_diffusion(name: str) -> Callable[[int], Callable[[Any], Any]]:
    """One of SimpleITK's diffusions, as many steps of the same length; its conductance is relative to the mean gradient."""

    def factory(threads: int) -> Callable[[Any], Any]:
        sitk = peers.load("SimpleITK")
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)

        def smooth(image: Any) -> Any:
            given = sitk.GetImageFromArray(image.astype("f4"))
            return sitk.GetArrayFromImage(getattr(sitk, name)(given, timeStep=0.0625, conductanceParameter=1.0, numberOfIterations=_TIMES))

        return smooth

    return factory


def sitk_bilateral(threads: int) -> Callable[[Any], Any]:
    sitk = peers.load("SimpleITK")
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
    return lambda image: sitk.GetArrayFromImage(sitk.Bilateral(sitk.GetImageFromArray(image.astype("f4")), _SIGMA, _CONTRAST))


def plane_bilateral(threads: int) -> Callable[[Any], Any]:
    restoration = peers.load("skimage.restoration")
    options = {"win_size": 2 * int(_TRUNCATE * _SIGMA + 0.5) + 1, "sigma_color": _CONTRAST / 65535, "sigma_spatial": _SIGMA, "bins": 1000}
    return lambda image: np.stack([restoration.denoise_bilateral(plane, **options) for plane in image])


def scipy_median(threads: int) -> Callable[[Any], Any]:
    ndimage = peers.load("scipy.ndimage")
    return lambda image: ndimage.median_filter(image, 2 * _RADIUS + 1)


def sitk_median(threads: int) -> Callable[[Any], Any]:
    sitk = peers.load("SimpleITK")
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
    return lambda image: sitk.GetArrayFromImage(sitk.Median(sitk.GetImageFromArray(image), [_RADIUS] * 3))


def dip_median(threads: int) -> Callable[[Any], Any]:
    dip = peers.diplib(threads)
    kernel = dip.Kernel([2 * _RADIUS + 1], "rectangular")
    return lambda image: np.asarray(dip.MedianFilter(dip.Image(image), kernel, boundaryCondition=["mirror"]))


def _peer(name: str, factory: Callable[[int], Callable[[Any], Any]], needs: str, *, compared: bool = False, margin: int = 0, most: int | None = 1) -> Contender:
    return Contender(name, stores.in_memory(factory), needs=(needs,), compared=compared, margin=margin, most_runs=most)


_GREY = ("grey.zarr",)
_F = vr.filters

FAMILY = Family(
    "denoise",
    "Denoising, store to store",
    (
        Operation(
            "non-local means, patch 3³, search 9³",
            (
                Contender(VOXELROCK, ours(lambda image: _F.non_local_means(image, search_vx=_SEARCH, patch_vx=_PATCH, noise=_NOISE))),
                _peer("scikit-image", nl_means, "skimage"),
            ),
            data=_GREY,
        ),
        Operation(
            f"total variation, {_STEPS} iterations",
            (
                Contender(VOXELROCK, ours(lambda image: _F.total_variation(image, weight=_WEIGHT, iterations=_STEPS))),
                _peer("scikit-image", chambolle, "skimage", compared=True),
            ),
            data=_GREY,
            tolerance=1e-5,
        ),
        Operation(
            f"diffusion that stops at edges, {_TIMES} iterations",
            (
                Contender(VOXELROCK, ours(lambda image: _F.anisotropic_diffusion(image, contrast=_CONTRAST, iterations=_TIMES, step=0.0625))),
                _peer("SimpleITK, gradient", sitk_diffusion("GradientAnisotropicDiffusion"), "SimpleITK"),
                _peer("SimpleITK, curvature", sitk_diffusion("CurvatureAnisotropicDiffusion"), "SimpleITK"),
            ),
            data=_GREY,
        ),
        Operation(
            "bilateral, sigma 1.5, 7³",
            (
                Contender(VOXELROCK, ours(lambda image: _F.bilateral(image, sigma_vx=_SIGMA, contrast=_CONTRAST, truncate=_TRUNCATE))),
                _peer("SimpleITK", sitk_bilateral, "SimpleITK"),
            ),
            data=_GREY,
        ),
        Operation(
            "bilateral in planes, sigma 1.5, 7²",
            (
                Contender(VOXELROCK, ours(lambda image: _F.bilateral(image, sigma_vx=(0, _SIGMA, _SIGMA), contrast=_CONTRAST, truncate=_TRUNCATE))),
                _peer("scikit-image", plane_bilateral, "skimage"),
            ),
            data=_GREY,
        ),
        Operation(
            "median of 5 × 5 × 5, u2",
            (
                Contender(VOXELROCK, ours(lambda image: _F.median(image, radius_vx=_RADIUS))),
                _peer("SciPy", scipy_median, "scipy", compared=True),
                _peer("SimpleITK", sitk_median, "SimpleITK", compared=True, margin=_RADIUS),
                _peer("diplib", dip_median, "diplib", compared=True, margin=_RADIUS),
            ),
            data=_GREY,
        ),
    ),
    size=256,
    repeat=3,
    notes=(
        "Equal parameters are no equal answers where libraries define a method differently, and such answers are not compared: the patches of scikit-image's "
        "fast mode have an even width, its bilateral filter is two-dimensional; SimpleITK's diffusions and bilateral filter differ in their gradients "
        "and windows."
    ),
)
