"""A scan that is spread over workers: one part a subscription, a queue, and a coordinator that merges."""
