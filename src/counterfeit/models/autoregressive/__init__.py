"""Autoregressive models: exact likelihoods by the chain rule, one value after another."""
