"""`python -m vog`: the command line where the script is not on the path."""

from vog.cli import main

main()
