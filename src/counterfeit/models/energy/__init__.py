"""Energy-based models: densities known up to a constant, sampled by Markov chains."""
