"""How good samples and densities are: pure statistics, and a file for each metric."""
