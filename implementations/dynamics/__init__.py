"""What adversarial training adds to the dynamics: the regularisation matrix and its kernels."""
