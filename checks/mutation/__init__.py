"""Mutation testing: implementations and deciders made wrong on purpose, one place at a time.

`functions.py` finds what can be made wrong, `source_operators.py` and `wrapping_operators.py` say how,
`planting.py` makes it so and takes it back, `calls.py` records which claims run what, `judging.py` puts
claims to mutants, `workers.py` does so in processes that may be lost, and `outcomes.py` keeps score.
Nothing here names a theory.
"""
