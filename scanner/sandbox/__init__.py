"""A local stand-in for ARM, Resource Graph and Entra ID."""
