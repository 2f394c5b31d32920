"""Paths of a packet: public addresses, load balancers, gateways, firewalls, up to a machine."""
