"""Autoencoding models: latent codes, bounds on the likelihood."""
