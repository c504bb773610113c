"""HTML, figures within it, curves, and what notebooks show."""
