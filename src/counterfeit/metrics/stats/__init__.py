"""Statistics behind intervals and tests."""
