"""The web site and the HTTP API: ``clearvision serve``. Needs the extra ``serve``."""

from clearvision.apps.web.keys import new_key
from clearvision.apps.web.server import serve
from clearvision.apps.web.settings import Settings

__all__ = ["Settings", "new_key", "serve"]
