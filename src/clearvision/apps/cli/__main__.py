"""``python -m clearvision.apps.cli``."""

from __future__ import annotations

import sys

from clearvision.apps.cli import main

sys.exit(main())
