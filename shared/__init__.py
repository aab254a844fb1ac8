"""What two services share, or what is a contract of the wire or the schema."""
