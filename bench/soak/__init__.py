"""Every failure at once, for a long time: `python -m bench.soak`. See `__main__.py`."""
