"""Recipes of all families side by side: the same data, the same training time, the same measurements."""
