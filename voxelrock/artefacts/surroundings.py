"""Padding and air in sampled slices."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from voxelrock.artefacts.fitting import PURE_AIR, PURE_PADDING, Fit, fitted
from voxelrock.artefacts.sampling import Sample
from voxelrock.kernels import circles
from voxelrock.kernels import outlines as kernels
from voxelrock.typing import HostArray

FEW_LABELS = 16
"""Different values that a segmentation has at most."""

DARKER = 0.005
"""Share of the samples that may be darker than air."""

BARE = 0.03
"""Share of rock at the sides of an image below which something seems to surround it."""


@dataclass(frozen=True)
class Levels:
    """How grey becomes rock: ``air`` (of so much ``noise``) is 0, ``rock`` is 1; ``window`` samples are averaged along each side of a slice."""

    air: float
    rock: float
    window: int = 1
    noise: float = 0.0

    def of(self, values: HostArray, missing: HostArray) -> HostArray:
        """Slices as 0 for air and 1 for rock, 0 where there is no data; float32."""
        shares = (np.where(missing, np.nan, values.astype("f4")) - np.float32(self.air)) / np.float32(self.rock - self.air)
        return np.asarray(np.clip(np.nan_to_num(kernels.box_mean(np.nan_to_num(shares), self.window) if self.window > 1 else shares), 0.0, 1.0), "f4")


@dataclass(frozen=True)
class Found:
    """What lies around the rock in a sample.

    Parameters
    ----------
    padding, circle
        The constant around the field of view (None without one) and the cylinder that it lies outside.
    levels, plug
        Grey of air and rock, and the cylinder around the rock, where there is air (else None).
    missing
        True where a sample is padding or no data.
    doubt
        Why surroundings that seemed to be there were not believed; empty otherwise.
    """

    padding: float | None
    circle: Fit | None
    levels: Levels | None
    plug: Fit | None
    missing: HostArray
    doubt: str

    @property
    def fit(self) -> Fit | None:
        """The cylinder around the rock."""
        return self.plug or self.circle


def surroundings(sample: Sample) -> Found:
    """Padding first, by geometry; then air inside what is left, unless the image is a segmentation."""
    padding, circle = _padded(sample)
    missing = sample.missing
    if circle is not None:
        absent = _equals(sample.slices, padding)
        missing = missing | (absent if not segmented(sample) else absent & _beyond(sample, circle))
    if segmented(sample):
        return Found(padding, circle, None, None, missing, "")
    doubt = ""
    for levels in _levels(sample, missing, circle):
        if _darker(sample, missing, levels):
            continue
        rock = levels.of(sample.slices, missing)
        plug = fitted(rock, ~missing, sample, outermost=False)
        objection = "the edge of the rock is no circle" if plug is None else plug.objection(PURE_AIR)
        if plug is not None and not objection:
            return Found(padding, circle, levels, plug, missing, "")
        if _bare(rock, sample, circle):
            doubt = doubt or objection
    return Found(padding, circle, None, None, missing, doubt)


def segmented(sample: Sample) -> bool:
    """Few different values, without noise."""
    if sample.labels:
        return True
    values = np.unique(sample.slices[~sample.missing])
    if len(values) > FEW_LABELS:
        return False
    if max(sample.step) > 1:
        return True
    same = np.mean(sample.slices[:, :, 1:] == sample.slices[:, :, :-1]) if sample.slices.shape[2] > 1 else 1.0
    return bool(same > 0.5)


def _equals(slices: HostArray, value: float | None) -> HostArray:
    if value is None:
        return np.zeros(slices.shape, bool)
    return np.isnan(slices) if math.isnan(value) else np.asarray(slices == value)


def _darker(sample: Sample, missing: HostArray, levels: Levels) -> bool:
    """Whether the image has parts darker than what was taken for air: then that is rock, as nothing but noise is darker than air."""
    limit = levels.air - max(0.75 * (levels.rock - levels.air), 3.0 * levels.noise)
    return float(np.mean(sample.slices[~missing] < limit)) > DARKER


def _bare(rock: HostArray, sample: Sample, circle: Fit | None) -> bool:
    """Whether little of the border of the field of view is rock: the sides of the slices, or a ring inside its circle."""
    if circle is None:
        border = np.concatenate([rock[:, [0, -1], :].ravel(), rock[:, :, [0, -1]].ravel()])
    else:
        ring = _beyond(sample, circle, 0.93) & ~_beyond(sample, circle, 0.98)
        border = rock[ring]
    return bool(border.size) and float((border > kernels.MIDDLE).mean()) < BARE


def _beyond(sample: Sample, fit: Fit, share: float = 1.0) -> HostArray:
    """True outside a share of the radius of a cylinder."""
    a, b, pitch = *sample.slices.shape[1:], sample.pitch
    return np.stack([kernels.distances((a, b), (float(c[0]), float(c[1])), pitch) > share * fit.radius for c in fit.centers(sample.along)])


def _padded(sample: Sample) -> tuple[float | None, Fit | None]:
    """The constant in the corners outside a circle, and that circle."""
    for value in _constants(sample):
        absent = _equals(sample.slices, value)
        if absent.all():
            continue
        fit = fitted((~absent).astype("f4"), np.ones(absent.shape, bool), sample, outermost=True)
        if fit is not None and not fit.objection(PURE_PADDING):
            return value, fit
    return None, None


def _constants(sample: Sample) -> Iterator[float]:
    """Values that fill the corners of at least one slice in two: of no data first, then of the corners themselves."""
    seen = []
    if sample.nodata is not None:
        seen.append(float(sample.nodata))
    if sample.slices.dtype.kind == "f" and np.isnan(sample.slices).any():
        seen.append(math.nan)
    for corner in _corners(sample.slices, 3):
        flat = corner.reshape(len(corner), -1)
        constant = flat[(flat == flat[:, :1]).all(axis=1), 0]
        if 2 * len(constant) >= len(corner):
            values, counts = np.unique(constant, return_counts=True)
            seen.append(float(values[np.argmax(counts)]))
    for n, value in enumerate(seen):
        if not any(value == other or (math.isnan(value) and math.isnan(other)) for other in seen[:n]):
            yield value


def _corners(slices: HostArray, size: int) -> list[HostArray]:
    ends = (slice(None, size), slice(-size, None))
    return [slices[:, i, j] for i in ends for j in ends]


def _levels(sample: Sample, missing: HostArray, circle: Fit | None) -> Iterator[Levels]:
    """Guesses of the grey of air and of rock: from the darkest border, then from the two classes of coarse means."""
    values = np.where(missing, np.nan, sample.slices.astype("f4"))
    coarse = kernels.block_means(values, max(3, min(values.shape[1:]) // 24))
    coarse = coarse[np.isfinite(coarse)]
    border = _border(values, sample, circle)
    if coarse.size < 8 or not border:
        return
    dark, noise = min(border)
    bright = float(np.quantile(coarse, 0.98))
    cuts = [dark + 0.3 * (bright - dark), _two_classes(coarse)]
    for cut in cuts:
        below = float(np.median(coarse[coarse <= cut])) if cut != cuts[0] and (coarse <= cut).any() else dark
        above = coarse[coarse > cut]
        if above.size and (contrast := float(np.median(above)) - below) > 0:
            yield Levels(below, float(np.median(above)), 3 if noise < 0.35 * contrast else 5 if noise < contrast else 9, noise)


def _border(values: HostArray, sample: Sample, circle: Fit | None) -> list[tuple[float, float]]:
    """Median and noise of the parts of the border of the field of view: its corners, or eight sectors of a ring inside its circle."""
    parts: list[HostArray] = []
    if circle is None:
        parts = _corners(values, max(3, min(values.shape[1:]) // 10))
    else:
        center = np.median(circle.centers(sample.along), axis=0)
        off = kernels.distances(values.shape[1:], (float(center[0]), float(center[1])), sample.pitch) / circle.radius
        sector = _sectors(values.shape[1:], center, sample.pitch)
        parts = [values[:, (off > 0.9) & (off < 0.98) & (sector == n)] for n in range(8)]
    found = []
    for part in parts:
        good = part[np.isfinite(part)]
        if good.size >= 9:
            middle = float(np.median(good))
            found.append((middle, 1.4826 * float(np.median(np.abs(good - middle)))))
    return found


def _sectors(shape: tuple[int, ...], center: HostArray, pitch: tuple[float, float]) -> HostArray:
    a, b = (np.arange(n) * h - c for n, h, c in zip(shape, pitch, center))
    return np.asarray(np.floor((np.arctan2(a[:, None], b[None, :]) / (2 * np.pi) + 0.5) * 7.999).astype(int))


def _two_classes(coarse: HostArray) -> float:
    """The threshold of least variance within two classes (Otsu 1979, doi:10.1109/TSMC.1979.4310076)."""
    values = np.sort(coarse)
    n = np.arange(1, len(values))
    total = np.cumsum(values)
    between = n * (len(values) - n) * (total[:-1] / n - (total[-1] - total[:-1]) / (len(values) - n)) ** 2
    return float(values[np.argmax(between)])


def missing_part(fit: Fit, margin: float) -> HostArray | None:
    """How far outside the cylinder the edge lies on each ray, pores smoothed away; None where no part of the rock is missing."""
    off = kernels.running_rim(fit.residuals[fit.whole], width=kernels.RAYS // 16)
    off = np.where(np.isfinite(off), np.minimum(off, 0.0), 0.0)
    return off if off.min() < -margin else None


def whole_part(center: tuple[float, float], radius: float, off: HostArray) -> HostArray:
    """The largest circle (a, b, radius) inside a circle of which some part is missing."""
    return circles.inscribed_circle(center, np.maximum(radius + off, 0.0))
