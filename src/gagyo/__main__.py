"""`python -m gagyo`: the command where its folder is not on the path."""

from gagyo.cli import main

if __name__ == "__main__":
    main()
