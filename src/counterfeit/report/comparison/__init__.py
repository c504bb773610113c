"""Runs, and samples made elsewhere, side by side."""
