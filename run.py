"""The command line: `python run.py --help`."""

from app.shell.cli import main

if __name__ == "__main__":
    main()
