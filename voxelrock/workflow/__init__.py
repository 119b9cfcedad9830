"""The main job: a scan goes in; a segmented store, numbers and a report come out."""

from voxelrock.workflow.analysis import Analysis, analyze
from voxelrock.workflow.recipe import Recipe
from voxelrock.workflow.regions import parse_region

__all__ = ["Analysis", "Recipe", "analyze", "parse_region"]
