"""The data plane: client connections, the upstream pool, body flow, tunnels.

Heads are read by a grammar of ours (`parser`), one at a time, and bodies are framed here
(`framing`), so that nothing of one message can turn up in the next. Everything is driven
by callbacks; a task is made only for a route on which a policy waits.

One exchange is one object, told in steps that each build upon the one before: `reply`, what the
client is answered; `sending`, the request on its way out; `attempts`, when the upstream is called and
what becomes of that; `upgrading`, tunnels; `carrier`, all of it from the head to the last byte.
"""
