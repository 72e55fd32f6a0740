"""``python -m vramwise VERB ...``, where pip has put the command into a folder that is not on PATH."""

import sys

try:
    from .cli import main
except KeyboardInterrupt:  # Ctrl-C before anything has begun
    sys.exit(130)

sys.exit(main())
