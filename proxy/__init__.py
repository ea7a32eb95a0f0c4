"""Seawall: a sidecar reverse proxy configured by YAML policy files."""

__version__ = "0.1.0"
