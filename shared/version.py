"""The version of all services, which are released together."""

VERSION = "0.2.0"
