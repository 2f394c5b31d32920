"""Rules of a network: security groups, admin rules, their ports and sources."""
