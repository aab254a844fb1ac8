"""The tables of docs/operations.md, as the code would write them."""

from __future__ import annotations

from prometheus_client import REGISTRY
from pydantic import AliasChoices
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

from shared.service.settings import FOR_TESTS


def operators_settings(settings: type[BaseSettings]) -> dict[str, FieldInfo]:
    """Each environment variable that is an operator's to set, in the class's order."""
    variables = {}
    for name, field in settings.model_fields.items():
        alias = field.validation_alias
        assert not isinstance(alias, AliasChoices)
        variable = alias if isinstance(alias, str) else f"{settings.model_config['env_prefix']}{name.upper()}"
        if field.json_schema_extra != FOR_TESTS:
            variables[variable] = field
    return variables


def settings_rows(settings: type[BaseSettings]) -> list[str]:
    """One table row a setting, in the class's order."""
    rows = []
    for variable, field in operators_settings(settings).items():
        default = (
            "(needed)" if field.default is PydanticUndefined else f"`{field.default}`" if str(field.default) else ""
        )
        rows.append(f"| `{variable}` | {default} | {field.description} |".replace("|  |", "| |"))
    return rows


def metric_rows() -> list[str]:
    """One table row a metric of ours that the imported services have registered."""
    rows = {}
    for metric in REGISTRY.collect():
        if metric.name.startswith("rollcall_"):
            name = f"{metric.name}_total" if metric.type == "counter" else metric.name
            rows[name] = f"| `{name}` | {metric.type} | {metric.documentation} |"
    return [rows[name] for name in sorted(rows)]
