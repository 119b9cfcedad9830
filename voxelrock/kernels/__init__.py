"""Pure functions on one block of NumPy, CuPy or any array-API library. No Dask, no files, no units."""
