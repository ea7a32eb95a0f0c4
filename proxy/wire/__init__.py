"""The data plane: client connections, the upstream pool, body flow, tunnels.

Heads are parsed by aiohttp's C parser (llhttp), one at a time; bodies are framed here
(`framing`), so that nothing of one message can turn up in the next. Everything is driven
by callbacks; a task is made only for a route on which a policy waits.
"""
