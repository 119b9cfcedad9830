"""One module per family; each has ``FAMILY``."""
