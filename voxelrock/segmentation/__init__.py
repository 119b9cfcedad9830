"""Grey values to phases."""

from voxelrock.segmentation.thresholds import multi_otsu, multi_otsu_thresholds, otsu, otsu_threshold, threshold

__all__ = ["multi_otsu", "multi_otsu_thresholds", "otsu", "otsu_threshold", "threshold"]
