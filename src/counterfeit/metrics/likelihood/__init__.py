"""Likelihoods: exact, bounded from below, or estimated."""
