"""``python -m coordinator`` is ``netrender``."""

import sys

from .cli import main

sys.exit(main())
