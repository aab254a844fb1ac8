"""Rollcall without a Docker engine: its services as processes, on a Postgres and a RabbitMQ of this checkout's own."""
