"""Certificates: rigorous enclosures in ball arithmetic of what is exact in the theory.

Floats are exact numbers, so kernels in closed form, eigenvalues and matrix exponentials have exact values at
given arrays; a ball encloses such a value whatever is rounded on the way.
"""
