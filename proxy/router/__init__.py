"""Which route a request belongs to, and which paths can't be trusted to belong to one.

`paths` brings the path of a request into the one form that is matched, `rules` say what
belongs to a route, `table` finds it. A table is built whole from a revision's routes and
swapped whole.

The most specific route wins: a path without `{name}` and `**`; then more literal segments;
then the one that is literal further from the left, and closed rather than `**`; then more
conditions, narrower hosts, and the order of the file. A route whose conditions fail is
passed over for the next.
"""

from proxy.router.paths import NormalizedPath, normalize
from proxy.router.rules import Entry, Found, Match
from proxy.router.table import Missing, RoutingTable

__all__ = ["Entry", "Found", "Match", "Missing", "NormalizedPath", "RoutingTable", "normalize"]
