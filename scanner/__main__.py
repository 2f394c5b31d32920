"""`python -m scanner` is `twolocks`."""

from scanner.cli import main

if __name__ == "__main__":
    main()
