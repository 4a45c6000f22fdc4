"""What is claimed: theorems, their assumptions, claims, predicted rates and derivations.

Every module of this package with a `THEOREM` in it is a theorem (`vocabulary`, `notation` and
`catalogue` have none).  Nothing here computes with networks, and nothing here imports JAX.
"""
