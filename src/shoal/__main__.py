"""``python -m shoal``: the command, where its folder is not on the path."""

from shoal.cli import main

if __name__ == "__main__":
    main()
