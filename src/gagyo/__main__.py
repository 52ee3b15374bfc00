"""`python -m gagyo` is the same as `gagyo`."""

from gagyo.cli import main

if __name__ == "__main__":
    main()
