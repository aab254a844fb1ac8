"""Where the service is: from options, the environment, or a profile of ~/.config/rollcall/config.toml."""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

KEYS = ("url", "api_key", "ca_file")


class BadConfig(Exception):
    """The file cannot be used; the text says why, and what it looks like."""


@dataclass(frozen=True)
class Target:
    """Nothing said is left to the client's own defaults."""

    url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    ca_file: str | None = None


def config_path() -> Path:
    folder = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(folder) / "rollcall" / "config.toml"


def find_target(*, url: str | None, api_key: str | None, profile: str | None) -> Target:
    """What an option says wins over the environment, and that over the profile. Raises BadConfig."""
    stored = _profile(profile or os.environ.get("ROLLCALL_PROFILE"))
    said = {"url": url, "api_key": api_key, "ca_file": None}
    values = {key: said[key] or os.environ.get(f"ROLLCALL_{key.upper()}") or stored.get(key) for key in KEYS}
    if values["url"] != stored.get("url"):
        # A key is not carried to another address than the one that it was written down with.
        values["api_key"] = api_key or os.environ.get("ROLLCALL_API_KEY")
    return Target(**values)


def _profile(name: str | None) -> dict[str, Any]:
    path = config_path()
    try:
        config = tomllib.loads(path.read_text())
    except FileNotFoundError:
        if name is None:
            return {}
        raise BadConfig(f"There is no profile {name}, because there is no {path}. {_LOOKS_LIKE}") from None
    except (OSError, ValueError) as error:
        raise BadConfig(f"{path} cannot be read: {error}. {_LOOKS_LIKE}") from None
    profiles = config.get("profiles", {})
    name = name or config.get("profile")
    if name is None:
        return {}
    if not isinstance(profiles, dict) or not isinstance(profiles.get(name), dict):
        known = ", ".join(profiles) if isinstance(profiles, dict) and profiles else "none"
        raise BadConfig(f"{path} has no profile {name}; it has {known}. {_LOOKS_LIKE}")
    values: dict[str, Any] = profiles[name]
    if unknown := set(values) - set(KEYS):
        raise BadConfig(f"{path}: profile {name} has an unknown {', '.join(sorted(unknown))}. {_LOOKS_LIKE}")
    if wrong := [key for key, value in values.items() if not isinstance(value, str)]:
        raise BadConfig(f"{path}: {', '.join(wrong)} of profile {name} must be a text in quotes. {_LOOKS_LIKE}")
    return values


_LOOKS_LIKE = (
    'It looks like this: profile = "work", then [profiles.work], then url = "https://…", api_key = "rc_…", '
    'ca_file = "…", of which each may be left out.'
)
