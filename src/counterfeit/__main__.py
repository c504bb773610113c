"""`python -m counterfeit` is the command `counterfeit`; `torchrun -m counterfeit` runs it in several processes."""

import sys

from counterfeit.cli import main

sys.exit(main())
