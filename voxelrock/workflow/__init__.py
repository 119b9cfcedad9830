"""The main job: a scan goes in; a segmented store, numbers and a report come out."""

from voxelrock.workflow.analysis import analyze
from voxelrock.workflow.batch import analyze_samples
from voxelrock.workflow.planning import Plan, plan
from voxelrock.workflow.recipe import Recipe
from voxelrock.workflow.regions import parse_region

__all__ = ["Plan", "Recipe", "analyze", "analyze_samples", "parse_region", "plan"]
