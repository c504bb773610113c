"""Building blocks of networks, by kind."""
