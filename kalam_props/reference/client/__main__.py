"""Start of the compatible client, as `python -I -S …/client/__main__.py` and as the console command."""

import sys

if not __package__:
    # Run by path in an isolated interpreter, which knows no site-packages: this folder is then a package of
    # its own, `client`, and the packages above it (which import what the server needs) are not loaded. Last
    # in the path, so that nothing beside this folder can hide a module of the standard library.
    sys.path.append(__file__.rsplit("/", 2)[0])
    __package__ = "client"

from .run import main

if __name__ == "__main__":
    main()
