"""`python -m ratewise` is `ratewise`."""

from ratewise.cli import main

main()
