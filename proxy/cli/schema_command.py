"""`seawall schema`: the JSON Schema of policy files."""

from __future__ import annotations

import json

import click

from proxy.config.jsonschema import json_schema
from proxy.policies import PIPELINE_ORDER


@click.command()
def schema() -> None:
    """Print the JSON Schema of policy files.

    An editor with a YAML language server completes and checks by it, where a file begins
    with `# yaml-language-server: $schema=` and the place of the schema.
    """
    click.echo(schema_text(), nl=False)


def schema_text() -> str:
    """The schema as it is checked in, as `policies/seawall.schema.json`."""
    return json.dumps(json_schema(PIPELINE_ORDER), indent=1, ensure_ascii=False) + "\n"
