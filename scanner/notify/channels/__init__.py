"""One module a kind of notification."""
