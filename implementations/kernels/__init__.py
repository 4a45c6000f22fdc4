"""Kernels: empirical and infinite-width NTK, NNGP and ARK."""
