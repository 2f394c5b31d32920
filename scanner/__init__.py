"""Twolocks: finds the Azure endpoints on which a lock is missing."""
