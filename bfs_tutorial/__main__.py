"""Entry point of `python -m bfs_tutorial` and of the command `bfs-tutorial`."""

from bfs_tutorial.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
