"""A local substitute for ARM, Resource Graph and Microsoft Entra ID."""
