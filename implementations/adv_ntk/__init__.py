"""Adv-NTK: the infinite-width predictor whose training strengths are learnt (theory: section 6)."""
