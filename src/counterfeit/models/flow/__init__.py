"""Normalizing flows: exact likelihoods by a change of variables, from data to noise and back."""
