"""An upstream that hangs now and then, and what its clients see of it: `python -m bench.outage`."""
