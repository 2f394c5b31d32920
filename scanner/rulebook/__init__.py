"""Loads rules, and says which RBAC actions they need."""
