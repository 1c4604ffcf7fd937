"""`nolapse`: the command line."""

import typer

from cli import demo, importing, migrate, policy, reconcile, simulate, timeline, up

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.command("demo")(demo.demo)
app.command("up")(up.up)
app.command("import")(importing.import_file)
app.command("migrate")(migrate.migrate)
app.command("simulate")(simulate.simulate)
app.command("reconcile")(reconcile.reconcile)
app.command("timeline")(timeline.timeline)
app.add_typer(policy.app, name="policy")
