"""What adversarial training adds to the dynamics: the regularization matrix and its kernels."""
