"""`python -m cardiactwins`: the command line where `cardiactwins` is not on the path."""

from cardiactwins.cli import main

if __name__ == "__main__":
    main()
