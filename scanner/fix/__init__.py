"""What closes a finding of one resource: its changes, its commands, and what is said of them."""
