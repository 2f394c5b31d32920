"""What every format shows: counts, gaps, owners, places, keys, capacity, frameworks, what to change first."""
