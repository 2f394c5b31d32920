"""Firewalls of services: rules, private endpoints, perimeters."""
