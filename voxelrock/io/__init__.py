"""File formats, one file each: what a file says becomes a lazy source, and a target takes an image block by block."""
