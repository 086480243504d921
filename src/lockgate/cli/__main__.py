"""`python -m lockgate.cli` is the same as `gate`."""

from lockgate.cli.main import main

if __name__ == "__main__":
    main()
