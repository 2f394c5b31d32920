"""The channels of notifications, one module each. `scanner.notify.send` lists them."""
