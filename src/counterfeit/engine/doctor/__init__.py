"""The training doctor: what it measures, the rules it finds faults by, and its examination of a run."""
