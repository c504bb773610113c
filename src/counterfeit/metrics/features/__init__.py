"""Distances between samples and data in features."""
