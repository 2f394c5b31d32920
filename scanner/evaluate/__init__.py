"""Evaluation: rules over the bundles of a snapshot give findings and exposures. Pure; knows no Azure."""
