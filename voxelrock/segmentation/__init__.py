"""Grey values to phases."""

from voxelrock.segmentation.automatic import (
    isodata_threshold,
    li_threshold,
    maximum_entropy_threshold,
    mean_threshold,
    minimum_threshold,
    triangle_threshold,
    yen_threshold,
)
from voxelrock.segmentation.classifier import PixelClassifier
from voxelrock.segmentation.cleaning import majority_vote
from voxelrock.segmentation.edges import edge_threshold
from voxelrock.segmentation.features import FeatureBank
from voxelrock.segmentation.growing import region_growing
from voxelrock.segmentation.hysteresis import hysteresis
from voxelrock.segmentation.local import niblack_threshold, sauvola_threshold
from voxelrock.segmentation.mixtures import class_probability, gaussian_mixture
from voxelrock.segmentation.quality import compare
from voxelrock.segmentation.thresholds import minimum_error_threshold, multi_otsu, multi_otsu_thresholds, otsu, otsu_threshold, threshold
from voxelrock.segmentation.touching import split_touching
from voxelrock.segmentation.trust import assess, porosity_curve
from voxelrock.segmentation.walking import random_walker
from voxelrock.segmentation.watershed import watershed

__all__ = [
    "FeatureBank", "PixelClassifier",
    "assess", "class_probability", "compare", "edge_threshold", "gaussian_mixture", "hysteresis", "isodata_threshold", "li_threshold", "majority_vote",
    "maximum_entropy_threshold", "mean_threshold", "minimum_error_threshold", "minimum_threshold", "multi_otsu", "multi_otsu_thresholds",
    "niblack_threshold", "otsu", "otsu_threshold", "porosity_curve", "random_walker", "region_growing", "sauvola_threshold", "split_touching",
    "threshold", "triangle_threshold", "watershed", "yen_threshold",
]  # fmt: skip
