"""Turns bundles into findings and exposures. Pure; knows no Azure."""
