"""User studies: blind pairs, their answers, and what these amount to."""
