"""Theories that ship with advntk and are written as anybody's: by the public API alone, `import advntk`.

They are found by the entry-point group `advntk.theories`, as those of other packages are.
"""
