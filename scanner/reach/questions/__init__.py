"""Questions of reach: who can connect to what, hop by hop."""
