"""`rollcall keys`, and the subcommands about who somebody is and who did what."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from rollcall.command import parameters as of
from rollcall.command.moments import ahead
from rollcall.command.run import Run, subcommand

if TYPE_CHECKING:
    from rollcall import ApiKey

app = typer.Typer(help="Keys for the service: make, list, revoke.", no_args_is_help=True)

KeyId = Annotated[str, typer.Argument(metavar="KEY", help="Its id, as `keys list` has it.")]


def add_to(main: typer.Typer) -> None:
    subcommand(main)(whoami)
    subcommand(main)(audit)


@subcommand(app, "list")
def list_keys(run: Run, limit: of.Limit = None) -> None:
    """List keys, the newest first, those that are revoked too."""
    run.out.list(
        run.client.keys(),
        ("id", "name", "scopes", "created", "expires", "last used", "revoked"),
        lambda each: (
            each.id,
            each.name,
            " ".join(each.scopes),
            *map(_time, (each.created_at, each.expires_at, each.last_used_at, each.revoked_at)),
        ),
        limit=limit,
        what="keys",
    )


@subcommand(app)
def create(
    run: Run,
    name: Annotated[str, typer.Argument(help="Who it is; keys of one name are one caller.")],
    scope: Annotated[list[str], typer.Option(help="read, upload, queues:PATTERN, metrics or admin; several times.")],
    expires: Annotated[str | None, typer.Option(help="A date, or 12h, 30d, 8w from now.")] = None,
    aws: Annotated[
        bool, typer.Option("--aws", help="Print what AWS SDKs sign with at the SQS endpoint instead.")
    ] = False,
) -> None:
    """Make a key; its text is printed this once, on standard output alone."""
    expires_at = None if expires is None else ahead(expires, option="--expires")
    created = run.client.create_key(name, scope, expires_at=expires_at, aws=aws)
    if run.out.as_json:
        run.out.json(created)
        return
    if created.aws is None:
        print(created.key)
    else:
        print(f"AWS_ACCESS_KEY_ID={created.aws.access_key_id}")
        print(f"AWS_SECRET_ACCESS_KEY={created.aws.secret_access_key}")
    run.out.note(f"Key {created.id} of {created.name}. Nobody can ask for its text again.")


@subcommand(app)
def show(run: Run, key_id: KeyId) -> None:
    """Show one key."""
    _say(run, run.client.key(key_id))


@subcommand(app)
def revoke(run: Run, key_ids: Annotated[list[str], typer.Argument(metavar="KEY…", help="Their ids.")]) -> None:
    """Revoke keys: they are refused from now on."""
    for key_id in key_ids:
        run.client.revoke_key(key_id)
        run.out.note(f"Revoked {key_id}.")


def whoami(run: Run) -> None:
    """Show who you are to the service, and what you may."""
    own = run.client.own_key()
    scopes = " ".join(own.scopes)
    run.out.item(
        own,
        [
            ("service", run.client.url),
            ("authentication", own.authentication),
            ("name", own.name),
            ("key", own.id),
            ("scopes", scopes),
        ],
    )


def audit(
    run: Run,
    action: Annotated[str | None, typer.Option(help="Only this, such as upload.undo.")] = None,
    caller: Annotated[str | None, typer.Option(help="Only of keys with this name.")] = None,
    limit: of.Limit = None,
) -> None:
    """Show who did what, the newest first."""
    run.out.list(
        run.client.audit(action=action, caller=caller),
        ("at", "caller", "action", "outcome", "status", "object", "from"),
        lambda each: (
            _time(each.at),
            each.caller,
            each.action,
            each.outcome,
            each.status,
            each.object,
            each.address,
        ),
        limit=limit,
        what="entries",
    )


def _say(run: Run, key: ApiKey) -> None:
    times = ("created_at", "expires_at", "last_used_at", "revoked_at")
    run.out.item(
        key,
        [
            ("id", key.id),
            ("name", key.name),
            ("scopes", " ".join(key.scopes)),
            ("created by", key.created_by),
            *((name.removesuffix("_at").replace("_", " "), _time(getattr(key, name))) for name in times),
        ],
    )


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment.astimezone():%Y-%m-%d %H:%M}"
