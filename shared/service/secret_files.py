"""Lets each secret be given as the name of a file that holds it: `ROLLCALL_AMQP_URL_FILE` for `ROLLCALL_AMQP_URL`.

What stands in the environment is seen by whoever may inspect a container or read `/proc`; a file by its owner alone.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_args

from pydantic import SecretStr
from pydantic_settings import PydanticBaseSettingsSource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic.fields import FieldInfo

FILE_SUFFIX: Final = "_FILE"


class SecretFiles(PydanticBaseSettingsSource):
    """A source of settings, beside the environment."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        return secret_from_file(self._variable(field, field_name)), field_name, False

    def __call__(self) -> dict[str, Any]:
        # By the alias, where there is one: it wins over the name, even if the environment has it as an empty text.
        found = {
            str(field.validation_alias or name): self.get_field_value(field, name)[0]
            for name, field in self.settings_cls.model_fields.items()
            if _is_secret(field)
        }
        return {name: value for name, value in found.items() if value is not None}

    def _variable(self, field: FieldInfo, name: str) -> str:
        return str(field.validation_alias or f"{self.config['env_prefix']}{name.upper()}")


def secret_from_file(variable: str, environment: Mapping[str, str] = os.environ) -> str | None:
    """What the file holds that `<variable>_FILE` names, without the line end; None if there is no such variable.

    Raises `ValueError`, which says what to do, if both are set or the file cannot be read.
    """
    name = f"{variable}{FILE_SUFFIX}"
    path = environment.get(name)
    if not path:
        return None
    if environment.get(variable):
        raise ValueError(f"{variable} and {name} are both set: remove one of them")
    try:
        value = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ValueError(f"{name}: the file {path} cannot be read: {reason}") from None
    if not value:
        raise ValueError(f"{name}: the file {path} is empty")
    return value


def _is_secret(field: FieldInfo) -> bool:
    return SecretStr in (field.annotation, *get_args(field.annotation))
