"""Grey values to phases."""

from voxelrock.segmentation.growing import region_growing
from voxelrock.segmentation.hysteresis import hysteresis
from voxelrock.segmentation.thresholds import minimum_error_threshold, multi_otsu, multi_otsu_thresholds, otsu, otsu_threshold, threshold
from voxelrock.segmentation.touching import split_touching
from voxelrock.segmentation.trust import assess, porosity_curve
from voxelrock.segmentation.watershed import watershed

__all__ = [
    "assess",
    "hysteresis",
    "minimum_error_threshold",
    "multi_otsu",
    "multi_otsu_thresholds",
    "otsu",
    "otsu_threshold",
    "porosity_curve",
    "region_growing",
    "split_touching",
    "threshold",
    "watershed",
]
