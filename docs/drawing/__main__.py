"""Writes the figures of the site to a directory, to look at them."""

import argparse
from pathlib import Path

from docs import drawing


def main() -> None:
    """Draws all figures, or those that are named."""
    parser = argparse.ArgumentParser(description="Draws the figures of the site.")
    parser.add_argument("directory", type=Path, help="where they go")
    parser.add_argument("names", nargs="*", help="file names; all if there is none")
    arguments = parser.parse_args()
    arguments.directory.mkdir(parents=True, exist_ok=True)
    for name in arguments.names or drawing.names():
        (arguments.directory / name).write_bytes(drawing.draw(name))
        print(arguments.directory / name)


if __name__ == "__main__":
    main()
