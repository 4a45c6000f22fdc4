"""What computes: networks, kernels and data.  Arrays in, arrays out; nothing here has heard of claims."""
