"""Prints what an AWS SDK needs to sign with a key: `python -m api_service.lease_queues.sqs.aws_keys KEY_ID`

The id of a key is the part behind `rc_`; the list of keys has it, too. The secret follows from it and from
`ROLLCALL_API_SQS_SECRET`, so that it is stored nowhere and can be printed again.
"""

from __future__ import annotations

import argparse
import os
import re
import sys

from api_service.lease_queues.sqs.signature import secret_of
from shared.access.tokens import ID_PATTERN
from shared.service.settings import LEAST_KEY_CHARACTERS

SECRET_VARIABLE = "ROLLCALL_API_SQS_SECRET"  # noqa: S105 - its name


def main() -> None:
    parser = argparse.ArgumentParser(description="Print the AWS key pair of an API key.")
    parser.add_argument("key_id", help="of the key: the twelve characters behind rc_")
    key_id = parser.parse_args().key_id
    server_secret = os.environ.get(SECRET_VARIABLE, "")
    if re.fullmatch(ID_PATTERN, key_id) is None:
        sys.exit("That is no id of a key: it has twelve letters and digits.")
    if len(server_secret) < LEAST_KEY_CHARACTERS:
        sys.exit(f"{SECRET_VARIABLE} is not set, or shorter than {LEAST_KEY_CHARACTERS} characters.")
    print(f"AWS_ACCESS_KEY_ID={key_id}")  # noqa: T201 - it is what the command is for
    print(f"AWS_SECRET_ACCESS_KEY={secret_of(server_secret, key_id)}")  # noqa: T201 - as above


if __name__ == "__main__":
    main()
