"""Reads resources from Azure into a snapshot. Knows no rule."""
