"""Options, settings files and waiver files."""
