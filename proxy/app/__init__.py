"""The composition root: the only package that knows every part.

`compile` turns a configuration into what the wire serves, `process` gives it ports, a
life and an end.
"""
