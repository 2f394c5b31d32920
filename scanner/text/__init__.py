"""Texts that other people wrote: secrets are masked, TOML is parsed in bounded time. Imports nothing of `scanner`."""
