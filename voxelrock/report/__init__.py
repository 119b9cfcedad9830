"""One self-contained HTML page: no network, no scripts."""

from voxelrock.report.page import Section, figure_png, image_sections, shown, write_page

__all__ = ["Section", "figure_png", "image_sections", "shown", "write_page"]
