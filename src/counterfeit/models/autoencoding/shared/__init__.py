"""What autoencoding models share: errors of reconstruction, and codes of training examples in the place of a prior."""
