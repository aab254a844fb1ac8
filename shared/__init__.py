"""Code that two services use, and the contracts of the wire and the schema."""
