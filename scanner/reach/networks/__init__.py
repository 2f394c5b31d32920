"""Virtual networks: subnets, peerings, routes, and what filters in them."""
