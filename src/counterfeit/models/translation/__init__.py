"""Models that translate examples from one domain to another."""
