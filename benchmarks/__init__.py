"""Measurements of the program itself, each a module that can be run; results are kept beside them."""
