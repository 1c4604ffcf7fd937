"""`nolapse`: the command line."""

import typer

from cli import (
    conversion,
    dead_letters,
    demo,
    holds,
    importing,
    links,
    migrate,
    openapi,
    person,
    policy,
    reconcile,
    resend,
    simulate,
    suppressions,
    timeline,
    token,
    up,
    webhook,
)

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.command("demo")(demo.demo)
app.command("up")(up.up)
app.command("import")(importing.import_file)
app.command("migrate")(migrate.migrate)
app.command("simulate")(simulate.simulate)
app.command("reconcile")(reconcile.reconcile)
app.command("conversion")(conversion.conversion)
app.command("timeline")(timeline.timeline)
app.command("token")(token.token)
app.command("openapi")(openapi.openapi)
app.command("resend")(resend.resend)
app.add_typer(policy.app, name="policy")
app.add_typer(holds.app, name="holds")
app.add_typer(suppressions.app, name="suppressions")
app.add_typer(dead_letters.app, name="dlq")
app.add_typer(links.app, name="links")
app.add_typer(person.app, name="person")
app.add_typer(webhook.app, name="webhook")
