"""`python -m app <command>`."""

from app.cli.main import main

main()
