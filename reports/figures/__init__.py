"""Figures, one module per kind; each takes rows of evidence and gives an SVG."""
