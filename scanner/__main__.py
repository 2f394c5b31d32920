"""`python -m scanner` is `twolocks`."""

from scanner.cli.app import main

if __name__ == "__main__":
    main()
