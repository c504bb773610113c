"""Comparisons of single pictures."""
