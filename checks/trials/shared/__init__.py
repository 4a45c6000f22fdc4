"""What the trials of several theorems begin with: their space, inputs and networks, linearized systems."""
