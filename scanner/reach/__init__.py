"""Who can connect to an endpoint: firewalls, network security groups, and the network paths to it. Pure."""
