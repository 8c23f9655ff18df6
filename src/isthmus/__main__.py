"""Entry point of the command and of `python -m isthmus`. Ctrl-C prints one line, even during the imports."""

import sys


def main() -> None:
    """Runs the command line and ends the process with its exit code."""
    try:
        from isthmus.cli import main as command

        command()
    except KeyboardInterrupt:
        print("error[INTERRUPTED]: stopped.", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
