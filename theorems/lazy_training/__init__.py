"""Lazy training of Chizat, Oyallon & Bach: the theorem (`statement`), what computes, and the trials."""

from .statement import THEOREM
from .trials import flow_of_two_copies, flow_over_time, long_flow, scaled_flow, uncentred_flow

__all__ = ["THEOREM", "flow_of_two_copies", "flow_over_time", "long_flow", "scaled_flow", "uncentred_flow"]
