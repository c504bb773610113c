"""What flows share: invertible layers with their log-determinants, base distributions, and the model made of them."""
