"""``python -m vramwise VERB ...``, where pip has put the command into a folder that is not on PATH."""

import sys

from .cli import main

sys.exit(main())
