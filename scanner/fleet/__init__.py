"""A scan that is spread over workers: one part a subscription, a queue by Celery, and a coordinator that merges."""
