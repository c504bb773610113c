"""Asking models: samples, codes, completions and whatever else they can do, in batches and under a seed."""
