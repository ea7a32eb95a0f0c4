"""Routes that no request can reach, since others win whatever it looks like.

Only a route with the same path can take all of another's requests: of two paths that both
match, the narrower one wins.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from proxy.router.rules import Entry, Match, Rule, imply_head


def never_reached(matches: Sequence[Match]) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Which of `matches` no request reaches, and which others take all of its requests."""
    rules = sorted(
        (Rule(Entry(match, number), number) for number, match in enumerate(matches)),
        key=lambda rule: rule.rank,
    )
    imply_head(rules)
    in_front: dict[object, list[Rule[int]]] = {}
    for rule in rules:
        earlier = in_front.setdefault((rule.segments, rule.below), [])
        winners = [winner for winner in earlier if _wider(winner, rule)]
        if any(not winner.methods for winner in winners) or (
            rule.methods and rule.methods <= frozenset().union(*(winner.methods for winner in winners))
        ):
            taking = [winner for winner in winners if not winner.methods or winner.methods & rule.methods]
            yield rule.target, tuple(winner.target for winner in taking or winners)
        earlier.append(rule)


def _wider(winner: Rule[int], rule: Rule[int]) -> bool:
    """Whatever `rule` asks for besides the method, `winner` accepts."""
    return (
        set(winner.match.headers) <= set(rule.match.headers)
        and set(winner.match.query) <= set(rule.match.query)
        and _serves_all(winner, rule)
    )


def _serves_all(winner: Rule[int], rule: Rule[int]) -> bool:
    if not (winner.hosts or winner.suffixes):
        return True
    patterns = (*rule.hosts, *rule.suffixes)
    return bool(patterns) and all(
        pattern in winner.hosts or pattern.endswith(winner.suffixes) for pattern in patterns
    )
