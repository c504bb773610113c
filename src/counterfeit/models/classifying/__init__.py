"""Models that tell classes apart; metrics look at samples through their features."""
