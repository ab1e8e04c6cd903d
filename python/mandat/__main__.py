"""`python -m mandat` is `mandat`."""

import sys

from mandat.cli import main

sys.exit(main())
