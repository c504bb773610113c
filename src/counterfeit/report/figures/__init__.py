"""Figures of what models do: a file for each kind."""
