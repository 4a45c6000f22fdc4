"""Attacks: perturbations of inputs that raise a loss."""
