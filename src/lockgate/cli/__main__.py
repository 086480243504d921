"""`python -m lockgate.cli` is the same as `gate`."""

import sys


def main(args: list[str] | None = None) -> None:
    """The console script. Where a package of lockgate's own is missing it ends with 4: 1 says that a candidate failed."""
    try:
        from lockgate.cli.main import main as run
    except ImportError as error:
        sys.stderr.write(f"gate: lockgate is not installed whole: {error}\n")
        sys.exit(4)
    run(args)


if __name__ == "__main__":
    main()
