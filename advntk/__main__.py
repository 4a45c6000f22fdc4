"""`python -m advntk` is `advntk`."""

from advntk.cli import main

main()
