"""Data: real images on a resolution ladder, Gaussian and sphere data."""
